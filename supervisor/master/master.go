package master

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/cgroup"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/hook"
	"example.com/handover/supervisor/notify"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/process"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/footprint"
	"example.com/handover/worker/wire"
)

// Options say what a master is for.
type Options struct {
	Load    func() (*config.Config, error) // reads the config as it lies on disk
	Boot    *config.Config                 // what to boot from instead of Load; nil: Load
	Self    bool                           // the workers are this program
	Version string
}

// feeding is how often a master tells the anchor that its loop turns. The
// anchor gives it five times as long.
const feeding = time.Second

// master is owned by the goroutine of run. Other goroutines reach it only
// through post.
type master struct {
	options Options
	log     *slog.Logger
	output  *output
	events  chan func()
	over    chan struct{} // closed when the loop has ended

	machine *handover.Machine
	hold    *holding // inherited and own descriptors
	anchor  *anchorLink
	mailbox *mailbox

	generation int
	early      func() (*config.Config, error) // the config as it lay on disk when the process began
	config     *config.Config
	bundle     *cert.Bundle
	changed    []int                // pairs of it that its predecessor did not have
	held       map[string]cert.Held // what was rolled back to, by certificate name
	degraded   string               // why the bundle is not what lay on disk at the start
	accepted   *os.File             // the config as a restarted master gets it
	counters   *wire.Counters
	meters     *wire.Meters
	boots      []time.Duration // of workers, not yet counted
	pool       *pool.Pool
	workers    map[int]*worker // by slot
	relays     map[string]*relay
	logging    bool      // output leads where the config says
	ends       ends      // of the own generation's pipes
	created    []string  // unix sockets that the service made
	createdNow []string  // paths that this generation made
	lent       []string  // those of created whose sockets the service manager has kept
	fresh      []string  // names of descriptors that this generation opened
	releasedBy time.Time // when the service manager has closed what it was told to forget; zero: nothing

	past           state                // what the predecessor knew
	draining       map[int]*drainRecord // by generation
	released       time.Time            // when the own workers were told "go"
	current        *reload              // the one that runs
	next           *reload              // the one after it
	ended          []*ended             // the last ones that did
	rotations      []*reload            // those that wait
	rotation       *rotation            // the one whose turn it is, from its judgement on
	swaps          int                  // rotations that were committed
	rotationNumber int                  // of the last one
	deferred       *deferral            // what is tried again by itself
	successor      *successor           // while upgrading
	candidate      judgement            // what a successor boots from
	orphaned       bool                 // the predecessor has ended
	server         *control.Server      // once active
	admin          *admin               // then too, and during a boot without a predecessor
	live           live
	steps          *reporter // to the predecessor, until it is gone
	stop           stopping  // once asked to stop
	oversight
	endings
	saving  saving
	hooks   *hook.Runner
	stirred time.Time // when the state last changed or was asked for; zero: trimmed since
	distant bool      // a worker program is of a release too far away
	retired bool      // the other generations were told to stop accepting
	quiet   bool      // no workers are wanted until the next reload
	fed     time.Time // when the anchor was told last
	exit    *int      // set: the loop ends
}

// Run runs a master until its successor is ready or it was told to stop, and
// returns the exit status of the process: 0 after a handover or a stop, 65, 70
// or 78 where its first generation could not boot.
func Run(o Options) int {
	process.Narrow()
	// What reaches the whole process group is for the anchor; ignored signals
	// stay ignored in the workers, from their first instruction on.
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGTTIN, syscall.SIGTTOU)
	// A reader of standard error that goes away must not take the master along.
	// Caught and not ignored: the workers' programs get the default.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	m := &master{
		options:  o,
		events:   make(chan func(), 64),
		over:     make(chan struct{}),
		workers:  map[int]*worker{},
		relays:   map[string]*relay{},
		draining: map[int]*drainRecord{},
		steps:    &reporter{},
		endings:  endings{lastEnds: map[int]*status.End{}},
	}
	m.oomKills, _ = cgroup.OOMKills()
	m.killsBefore = m.oomKills
	m.output = newOutput()
	defer m.output.flush()
	m.log = m.output.logger(nil)
	m.hooks = m.newHooks()
	if err := m.inherit(); err != nil {
		m.log.Error("start master", "error", err)
		m.steps.fail(failure{Error: err.Error(), ExitCode: status.ExitGeneration})
		return status.ExitFailed
	}
	m.machine = handover.New(m.hold.hasParent())
	return m.run()
}

// post has the loop call f. It returns at once when the loop has ended.
func (m *master) post(f func()) {
	select {
	case m.events <- f:
	case <-m.over:
	}
}

func (m *master) run() int {
	defer func() { m.admin.finish() }()
	defer close(m.over)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGQUIT)
	defer signal.Stop(signals)
	m.watchStop()
	m.watchParent()
	m.judgeBoot()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for m.exit == nil {
		select {
		case f := <-m.events:
			f()
		case sig := <-signals:
			m.stopAsked(sig == syscall.SIGQUIT)
		case <-timer.C:
		}
		now := time.Now()
		m.tick(now)
		m.noteTurn(now)
		timer.Reset(m.deadline(now).Sub(now))
	}
	return *m.exit
}

// step feeds the machine and carries out what it says.
func (m *master) step(e handover.Event) {
	from := m.machine.State()
	actions, ok := m.machine.Step(e)
	if !ok {
		m.log.Error("event cannot happen in this state", "state", from, "event", e)
		return
	}
	for _, a := range actions {
		m.do(a)
	}
}

func (m *master) do(a handover.Action) {
	switch a {
	case handover.DeclareReady:
		m.declareReady()
	case handover.Release:
		m.release()
	case handover.Abandon:
		m.abandon()
	case handover.Check:
		m.check()
	case handover.Remember:
	case handover.Upgrade:
		m.upgrade()
	case handover.Rotate:
		m.rotate()
	case handover.Conclude:
		m.conclude()
	case handover.HandOn:
		m.handOn()
	case handover.Cancel:
		m.hold.upgrader.Stop()
	case handover.Linger:
		m.linger()
	case handover.Drain:
		m.drain()
	case handover.Hasten:
		m.hasten()
	case handover.Exit:
		m.leave(0)
	default:
		panic("BUG: action " + string(a))
	}
}

// tick does what is due, and feeds the anchor's watchdog: a loop that does not
// come here any more is stuck.
func (m *master) tick(now time.Time) {
	if m.exit != nil {
		return
	}
	if now.Sub(m.fed) >= feeding {
		m.keepLost()
		m.fed = now
		m.anchor.say(notify.Message{Watchdog: true})
	}
	if m.timed() {
		m.observe(now)
		m.obey(m.pool.Tick(now))
		m.judgePool()
		m.recycle(now)
		m.settleKills(now)
	}
	m.trim(now)
	m.cutSuccessor(now)
	m.cutRotation(now)
	m.resume(now)
	m.turnTickets(now)
	m.lookAround(now)
	m.cutDraining(now)
	m.cutLinger(now)
	m.cutStop(now)
}

// timed says whether the pool's clock runs: not before the workers have their
// certificates, and not in a stop.
func (m *master) timed() bool {
	return m.pool != nil && m.bundle != nil && m.machine.State() != handover.Stopping
}

// trim gives back what a boot, a drain or whatever else has happened took, once
// nothing has for a second.
func (m *master) trim(now time.Time) {
	if m.machine.State() == handover.Active && !m.stirred.IsZero() && now.Sub(m.stirred) > time.Second {
		m.stirred = time.Time{}
		footprint.Trim()
	}
}

// deadline returns when tick is due next.
func (m *master) deadline(now time.Time) time.Time {
	next := m.fed.Add(feeding)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if m.timed() {
		earlier(m.pool.Deadline())
	}
	if m.successor != nil {
		earlier(m.successor.deadline)
	}
	if m.rotation != nil {
		earlier(m.rotation.deadline)
	}
	if m.deferred != nil && m.machine.State() == handover.Active {
		earlier(m.deferred.Until)
	}
	earlier(m.stop.deadline)
	earlier(m.showDue())
	if m.machine.State() == handover.Lingering {
		earlier(m.stop.drainAt)
	}
	for _, d := range m.draining {
		earlier(d.cut)
		if d.accepting {
			earlier(d.cutAccept)
		}
	}
	if next.Before(now) {
		return now
	}
	return next
}

// leave ends the loop. What must end with the process is closed by its end.
func (m *master) leave(code int) {
	if m.exit == nil {
		m.exit = &code
	}
}
