package anchor

import (
	"maps"
	"slices"
	"strings"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor/notify"
)

// What happened.
type (
	event any
	// asked: somebody wants something; unread is what lies in the mailbox.
	asked struct {
		intent signals.Intent
		unread string
	}
	started struct{ pid int } // a start was carried out
	refused struct{}          // a start could not be carried out
	said    struct {          // a master sent a notification
		pid     int // as the kernel says
		message notify.Message
	}
	silenced struct{}                // the notify pair ended: there is no master
	struck   struct{ pid int }       // one that is reaped next was ended by a signal meant for the anchor
	exited   struct{ pid, code int } // a child was reaped
	elapsed  struct{}                // the deadline came, or something else did
)

// seen is what the loop sees of the world when an event happens.
type seen struct {
	living    bool // a stored generation has workers
	childless bool // the anchor has no descendants
}

// What to do.
type (
	action any
	start  struct{ own bool } // a master, from the anchor's own binary if own
	post   struct{ code byte }
	kill   struct {
		pid    int
		reason string
	}
	endStop struct{ quick bool }     // end the stop pipe
	quit    struct{}                 // tell every known master to end quickly
	hangUp  struct{}                 // close the notify pair
	keep    struct{ name string }    // the descriptor of this message
	forget  struct{ name string }    // a stored descriptor
	empty   struct{}                 // close the whole store
	relay   struct{ notify.Message } // tell systemd
	sweep   struct{}                 // kill every descendant
	exit    struct{ code int }
)

// maxCounted bounds how often an intent that counts lies unread in the mailbox.
const maxCounted = 64

// lateness is how far behind its own deadline the anchor may wake before it
// concludes that it was itself stopped (docker pause, Ctrl-Z, a halted virtual
// machine), and the masters with it.
const lateness = time.Second

// fedEvery is how often a master says WATCHDOG=1. The next one may be too late for
// systemd when this one is early for it.
const fedEvery = time.Second

// leastWatchdog is the shortest watchdog of systemd that a master which is a
// little late does not miss.
const leastWatchdog = 3 * fedEvery

// relayedNames is what systemd's own store is good for: it must not be trusted
// with a certificate.
const relayedNames = "listen."

// master is a process that has spoken.
type master struct {
	fed     time.Time // when it last said WATCHDOG=1
	leaveBy time.Time // its successor is ready; zero: none
}

// machine decides what the anchor does. It belongs to the loop.
type machine struct {
	limits        Limits
	watchdogEvery time.Duration // of systemd; 0: none

	phase   phase
	masters map[int]master // known and not known to have ended
	silent  map[int]bool   // those that were known when the notify pair ended
	current int            // the master that last said READY=1, or was started last
	coded   bool           // current was reaped
	code    int            // its status if so, else 1
	struck  bool           // it was ended by a signal that meant the anchor

	proven  bool      // a master has said READY=1, ever
	ready   time.Time // when the current one did; zero: not yet
	tries   int       // starts since one was ready for long
	failed  []time.Time
	relayed time.Time // WATCHDOG=1 to systemd

	stopping  bool
	signalled int  // how often a stop was asked for by signal
	commanded bool // one of the signals is a command's
	quick     bool
	emptied   bool
	stopFor   time.Duration
	stopAsked time.Time
	stopBy    time.Time
	exitCode  int
	due       time.Time // end of a phase other than up, or of the patience with silence

	now time.Time // of the event in hand
	see seen
	out []action
}

func newMachine(limits Limits, watchdogEvery time.Duration) *machine {
	return &machine{
		limits: limits, watchdogEvery: watchdogEvery, stopFor: limits.Stop,
		masters: map[int]master{}, code: 1,
	}
}

// step takes an event and returns what to do about it, in order.
func (m *machine) step(now time.Time, see seen, e event) []action {
	m.now, m.see, m.out = now, see, nil
	switch e := e.(type) {
	case asked:
		m.asked(e)
	case started:
		m.started(e.pid)
	case refused:
		m.startFailed()
	case said:
		m.said(e.pid, e.message)
	case silenced:
		m.silenced()
	case struck:
		m.struck = m.struck || e.pid == m.current
	case exited:
		m.exited(e.pid, e.code)
	case elapsed:
		m.elapsed()
	}
	if see.childless && (m.phase == phaseFinishing || m.phase == phaseKilling) {
		m.exit()
	}
	return m.out
}

func (m *machine) do(a action) { m.out = append(m.out, a) }

func (m *machine) asked(e asked) {
	switch e.intent {
	case signals.Stop:
		m.stop(false)
	case signals.QuickStop:
		m.stop(true)
	default:
		code, ok := e.intent.Byte()
		if ok && !m.stopping && worthPosting(e.intent, code, e.unread) {
			m.do(post{code})
		}
	}
}

// worthPosting says whether one more of the intent changes anything: a second
// reload does not before the first was read, a second worker does.
func worthPosting(intent signals.Intent, code byte, unread string) bool {
	limit := 1
	if intent == signals.Grow || intent == signals.Shrink {
		limit = maxCounted
	}
	return strings.Count(unread, string(rune(code))) < limit
}

func (m *machine) started(pid int) {
	m.enter(phaseUp, time.Time{})
	m.masters = map[int]master{pid: {fed: m.now}}
	m.current, m.coded, m.code, m.struck, m.ready = pid, false, 1, false, time.Time{}
}

func (m *machine) said(pid int, message notify.Message) {
	if m.phase != phaseUp {
		return
	}
	known, ok := m.masters[pid]
	if !ok || message.Watchdog {
		known.fed = m.now
		m.masters[pid] = known
	}
	if message.StopTimeout > 0 {
		m.stopFor = message.StopTimeout
		m.stopBy = m.stopAsked.Add(m.stopFor)
	}
	tell := notify.Message{Status: message.Status}
	if message.Watchdog && pid == m.current && m.watchdogEvery > 0 && m.now.Sub(m.relayed) >= m.watchdogEvery-fedEvery {
		tell.Watchdog, m.relayed = true, m.now
	}
	m.commanded = m.commanded || message.Command
	if message.Reloading && !m.stopping {
		tell.Reloading, tell.Since = true, message.Since
	}
	if message.Ready {
		if message.MainPID != 0 {
			m.becomeReady(pid)
		}
		tell.Ready = !m.stopping && !message.Pending
	}
	m.store(message, &tell)
	if message.Stopping {
		tell.Stopping = m.stopNow()
	}
	if tell != (notify.Message{}) {
		m.do(relay{tell})
	}
}

// store keeps and forgets what the message says. Once emptied the store stays
// empty: a listener copy left open would queue clients and then reset them.
func (m *machine) store(message notify.Message, tell *notify.Message) {
	if m.emptied {
		return
	}
	if message.Remove != "" {
		m.do(forget{message.Remove})
		if strings.HasPrefix(message.Remove, relayedNames) {
			tell.Remove = message.Remove
		}
	}
	if message.Store != "" {
		m.do(keep{message.Store})
		if strings.HasPrefix(message.Store, relayedNames) {
			tell.Store = message.Store
		}
	}
}

// becomeReady makes the sender the current master. The pid is the kernel's, not
// the one in the message. Every other is a predecessor and must leave.
func (m *machine) becomeReady(pid int) {
	if m.current != pid {
		m.current, m.coded, m.code = pid, false, 1
	}
	m.proven, m.ready, m.failed = true, m.now, nil
	for other, state := range m.masters {
		if other != pid && state.leaveBy.IsZero() {
			state.leaveBy = m.now.Add(m.limits.Leave)
			m.masters[other] = state
		}
	}
	state := m.masters[pid]
	state.leaveBy = time.Time{}
	m.masters[pid] = state
}

func (m *machine) exited(pid, code int) {
	_, spoke := m.masters[pid]
	switch spoke = spoke || m.silent[pid]; {
	case pid == m.current && !m.coded:
		m.coded, m.code = true, code
	case spoke && m.stopping && !m.coded && code == 0:
		// One that was ready for a moment may have been ended, and reaped, by its
		// predecessor: then that one's good end speaks for the stop.
		m.coded, m.code = true, code
	}
	m.lose(pid)
	switch {
	case m.phase == phaseLast && (m.coded || m.see.childless):
		m.ended()
	case m.phase == phaseKilling:
		m.do(sweep{}) // what it had started is a child now
	}
}

// lose takes a master off the list. One that never spoke may still hold the
// pair and hang: silence is borne as long as a master's.
func (m *machine) lose(pid int) {
	if _, ok := m.masters[pid]; !ok {
		return
	}
	delete(m.masters, pid)
	if len(m.masters) == 0 && m.phase == phaseUp {
		m.due = m.now.Add(m.limits.Watchdog)
	}
}

// deadline returns when the machine wants to hear elapsed; zero for never.
func (m *machine) deadline() time.Time {
	var first time.Time
	consider := func(t time.Time) {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	if m.phase != phaseUp {
		consider(m.due)
		return first
	}
	for _, state := range m.masters {
		consider(state.fed.Add(m.limits.Watchdog))
		consider(state.leaveBy)
	}
	if len(m.masters) == 0 {
		consider(m.due)
	}
	if m.stopping {
		consider(m.stopBy)
	}
	return first
}

// forgive gives every master a fresh period after the anchor itself was held up.
func (m *machine) forgive() {
	for pid, state := range m.masters {
		state.fed = m.now
		if !state.leaveBy.IsZero() {
			state.leaveBy = m.now.Add(m.limits.Leave)
		}
		m.masters[pid] = state
	}
}

// inspect kills the masters that hang.
func (m *machine) inspect() {
	for _, pid := range slices.Sorted(maps.Keys(m.masters)) {
		state := m.masters[pid]
		switch {
		case !state.leaveBy.IsZero() && !m.now.Before(state.leaveBy):
			m.do(kill{pid, "still there after its successor was ready"})
		case !m.now.Before(state.fed.Add(m.limits.Watchdog)):
			m.do(kill{pid, "no sign of life"})
		default:
			continue
		}
		m.lose(pid)
	}
}
