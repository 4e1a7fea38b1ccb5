package anchor

import (
	"slices"
	"time"

	"example.com/handover/supervisor/notify"
)

// phase is where the anchor stands; doc.go has the table.
type phase int

const (
	phaseDown phase = iota // also before the first start
	phaseUp
	phaseLast
	phaseFinishing
	phaseKilling
	phaseGone
)

func (m *machine) enter(p phase, due time.Time) { m.phase, m.due = p, due }

// begin starts the first master.
func (m *machine) begin() []action { return []action{start{}} }

func (m *machine) elapsed() {
	due := m.deadline()
	if due.IsZero() || m.now.Before(due) {
		return
	}
	switch m.phase {
	case phaseUp:
		m.elapsedUp(due)
	case phaseLast:
		m.ended()
	case phaseDown:
		m.start()
	case phaseFinishing:
		m.killRest(m.exitCode)
	case phaseKilling:
		m.exit()
	}
}

func (m *machine) elapsedUp(due time.Time) {
	if m.now.Sub(due) > lateness {
		m.forgive()
	}
	if m.stopping && !m.now.Before(m.stopBy) {
		m.killRest(1)
		return
	}
	if len(m.masters) == 0 && !m.now.Before(m.due) {
		m.do(hangUp{})
		m.due = time.Time{}
		return
	}
	m.inspect()
}

// silenced is the end of all masters.
func (m *machine) silenced() {
	if m.phase != phaseUp {
		return
	}
	m.silent = map[int]bool{}
	for pid := range m.masters {
		m.silent[pid] = true
	}
	m.masters = map[int]master{}
	if m.coded || m.see.childless || (m.proven && !m.stopping && !m.hopeless()) {
		m.ended()
		return
	}
	// The kernel closes descriptors a moment before a status can be had.
	m.enter(phaseLast, m.now.Add(m.limits.Leave))
}

// ended decides what follows the last master. One that never was ready failed to
// boot, unless a signal to the whole group has hit it before it could ignore it.
func (m *machine) ended() {
	switch {
	case m.stopping || !m.proven && !m.struck:
		m.finish(m.code)
	case m.hopeless():
		m.finish(m.code)
	default:
		m.startLater()
	}
}

// startFailed is a start that could not even be carried out.
func (m *machine) startFailed() {
	m.code, m.ready = 1, time.Time{}
	m.ended()
}

// hopeless says whether to give up if the last start is counted as well. While
// a generation serves, there is always something to lose by it.
func (m *machine) hopeless() bool {
	failed := append(slices.Clone(m.failed), m.now)
	if m.see.living || !m.ready.IsZero() || len(failed) < m.limits.Attempts {
		return false
	}
	return m.now.Sub(failed[len(failed)-m.limits.Attempts]) <= m.limits.Window
}

// startLater starts a master again: at once the first time, then ever later.
func (m *machine) startLater() {
	if m.ready.IsZero() {
		m.failed = append(m.failed, m.now)
		m.failed = m.failed[max(0, len(m.failed)-m.limits.Attempts):]
	} else if m.now.Sub(m.ready) >= m.limits.Steady {
		m.tries = 0
	}
	m.tries++
	if m.tries == 1 {
		m.start()
		return
	}
	delay := m.limits.BackoffMin
	for i := 2; i < m.tries && delay < m.limits.BackoffMax; i++ {
		delay *= 2
	}
	m.enter(phaseDown, m.now.Add(min(delay, m.limits.BackoffMax)))
}

// start asks for a master. Every second start after a failed one runs the
// anchor's own binary, which has worked: the one on disk may be the fault.
func (m *machine) start() {
	m.enter(phaseDown, time.Time{})
	m.do(start{own: len(m.failed) > 0 && m.tries%2 == 0})
}

// stop is a stop by signal; a second one means that the first was too slow. The
// first one is no second: a service manager signals every process of a service,
// in any order, and a master that was first has said STOPPING=1 by then.
//
// Nor is the one that follows a command to stop, which comes as a signal too:
// with "ExecStop=handover stop" systemd signals what the command has left, at once,
// and means no hurry by it. Whoever is impatient with a command sends two, or asks
// for a quick stop.
func (m *machine) stop(quick bool) {
	m.signalled++
	again := m.signalled > 1 && !(m.commanded && m.signalled == 2)
	if m.stopping {
		if again || quick {
			m.hurry()
		}
		return
	}
	m.quick = quick
	m.beginStop()
	m.do(relay{notify.Message{Stopping: true}})
	m.do(endStop{quick})
	if m.phase == phaseDown {
		m.finish(0)
	}
}

// stopNow is STOPPING=1: the masters no longer need the store. It returns
// whether systemd has yet to be told.
func (m *machine) stopNow() (untold bool) {
	untold = !m.stopping
	if untold {
		m.beginStop()
		m.do(endStop{})
	}
	m.emptyOnce()
	return untold
}

func (m *machine) beginStop() {
	m.stopping, m.stopAsked, m.stopBy = true, m.now, m.now.Add(m.stopFor)
}

func (m *machine) emptyOnce() {
	if !m.emptied {
		m.emptied = true
		m.do(empty{})
	}
}

func (m *machine) hurry() {
	switch {
	case m.phase == phaseKilling:
	case m.quick || m.phase != phaseUp || len(m.masters) == 0:
		m.killRest(0) // as it was asked for
	default:
		m.quick = true
		m.do(quit{})
	}
}

// finish closes the store, which ends every serve pipe, and lets the workers
// end by themselves for as long as a stop may take.
func (m *machine) finish(code int) {
	if m.stopping {
		code = 0 // a stop that was asked for is no failure, however the masters fared
	}
	m.exitCode = code
	m.emptyOnce()
	due := m.now.Add(m.limits.Leave)
	if m.stopping && !m.quick {
		due = m.stopBy
	}
	m.enter(phaseFinishing, due)
}

func (m *machine) killRest(code int) {
	m.exitCode = code
	m.emptyOnce()
	m.do(sweep{})
	m.enter(phaseKilling, m.now.Add(m.limits.Leave))
}

func (m *machine) exit() {
	m.enter(phaseGone, time.Time{})
	m.do(exit{m.exitCode})
}
