package master

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/process"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// drainMargin is how long a worker may outlive its graceful_timeout, by which
// it ends itself, before it is killed.
const drainMargin = 5 * time.Second

// ends are the pipe ends of the own generation that its workers get.
type ends struct {
	serve           *os.File // read
	accepting, gone *os.File // write
	counters        *os.File
	meters          *os.File
}

// readAccepted returns the config that the killed master served. It may have been
// of a neighbouring release: what that one did not know has its default (see
// config.UnmarshalJSON).
func readAccepted(accepted *os.File) (*config.Config, error) {
	text, err := wire.ReadSealed(accepted)
	if err != nil {
		return nil, err
	}
	c := new(config.Config)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("decode accepted config: %v", err)
	}
	return c, nil
}

// readBundle returns the certificates that the killed master served.
func readBundle(sealed *os.File) (*cert.Bundle, error) {
	own, err := wire.Duplicate(sealed)
	if err != nil {
		return nil, err
	}
	return cert.Open(own)
}

// boot opens what the config asks for and starts the workers, which wait for
// their certificates. An error means that nothing was started.
func (m *master) boot() error {
	if err := m.beginLog(); err != nil {
		return err
	}
	if m.past.Started.IsZero() {
		m.past.Started = time.Now()
	}
	if err := m.openFiles(); err != nil {
		return err
	}
	if !m.hold.hasParent() {
		m.serveAdmin()
	}
	if err := m.openPipes(); err != nil {
		return err
	}
	limits := pool.Limits{Boot: m.config.BootTimeout, Silence: m.config.Timeout, Drain: m.config.GracefulTimeout + drainMargin, Slots: wire.MaxSlots}
	want := m.wanted()
	if m.past.Quiet && !m.hold.hasParent() {
		m.quiet, want = true, 0 // the master was killed, and no reload has asked for workers since
	}
	m.pool = pool.New(limits, want)
	m.progress("generation", "%d: starting %s", m.generation, count(m.pool.Want(), "worker"))
	m.obey(m.pool.Fill(time.Now()))
	return nil
}

// wanted is the config's number of workers, or the one set by hand for as long
// as the config's own does not change.
func (m *master) wanted() int {
	want := m.config.Workers
	if want == 0 {
		want = process.Processors()
	}
	if !m.past.Scaled || m.past.WantConfig != m.config.Workers {
		m.past.Want, m.past.WantConfig, m.past.Scaled = want, m.config.Workers, false
	}
	return m.past.Want
}

// equipAll freezes bundle and config and gives every worker its certificates:
// those bytes were checked, those are served.
func (m *master) equipAll() error {
	if err := m.seal(); err != nil {
		return err
	}
	m.pool.Equipped(time.Now())
	m.takeRing(time.Now())
	for _, w := range m.workers {
		w.settings.Tickets = m.past.Tickets.keys() // of a file they are known with the certificates
		if err := w.assign(m.bundle.File()); err != nil {
			return err
		}
	}
	return nil
}

func (m *master) seal() error {
	text, err := json.Marshal(m.config)
	if err != nil {
		return fmt.Errorf("encode config: %v", err)
	}
	m.accepted, err = wire.Seal(nameConfig, text)
	return err
}

// openPipes makes the descriptors of the generation and has the anchor keep
// them. The write end of "serve" lives in the anchor's store and nowhere else:
// a killed master must not end a generation.
func (m *master) openPipes() error {
	g := m.generation
	counters, file, err := wire.CreateCounters(g)
	if err != nil {
		return err
	}
	m.counters, m.ends.counters = counters, file
	if m.meters, m.ends.meters, err = wire.CreateMeters(g); err != nil {
		return err
	}
	pipes := map[string]*[2]*os.File{nameServe: {}, nameAccepting: {}, nameGone: {}}
	for name, pair := range pipes {
		if pair[0], pair[1], err = wire.Pipe(name); err != nil {
			return err
		}
	}
	m.ends.serve = pipes[nameServe][0]
	m.ends.accepting, m.ends.gone = pipes[nameAccepting][1], pipes[nameGone][1]
	m.anchor.store(ofGeneration(nameServe, g), pipes[nameServe][1])
	_ = pipes[nameServe][1].Close()
	for name, f := range map[string]*os.File{nameAccepting: pipes[nameAccepting][0], nameGone: pipes[nameGone][0], nameCounters: file, nameMeters: m.ends.meters} {
		m.hold.files[ofGeneration(name, g)] = f
		m.anchor.store(ofGeneration(name, g), f)
	}
	return nil
}

// judgePool looks whether the boot has come to an end.
func (m *master) judgePool() {
	if m.machine.State() != handover.Booting || m.pool == nil {
		return
	}
	switch o := m.pool.Outcome(); {
	case o.Failed:
		m.bootFailed(status.Failed(status.ExitGeneration, m.bootHint(), "generation %d: worker %d: %s", m.generation, o.Slot, o.Reason), nil)
	case o.Proved:
		m.progress("proofs", "%s", m.describeProofs(m.pool.Want()))
		m.step(handover.Proved)
	}
}

func (m *master) bootHint() string {
	switch c := m.config; {
	case m.distant:
		return "" // the error says what to do
	case len(c.App.Command) > 0:
		return fmt.Sprintf("run %q by itself to see why; it must call worker.Serve within boot_timeout (%v)", c.App.Command[0], c.BootTimeout)
	default:
		return "see the log above for the worker's last words"
	}
}

// bootFailed reports why and gives up. No client has met this generation.
func (m *master) bootFailed(err error, checks []status.Check) {
	f := explain(err)
	m.stop.code = f.Code
	m.note(checks)
	m.steps.fail(failure{Error: f.Error(), Hint: f.Hint(), ExitCode: f.Code, Checks: checks})
	if !m.hold.hasParent() || m.orphaned {
		var text bytes.Buffer // written at once, or a worker's words would come between
		f.Write(&text, m.output.files.log == os.Stderr && status.Coloured(os.Stderr))
		m.output.print(slog.LevelError, text.Bytes())
	}
	m.step(handover.BootFailed)
}

// abandon ends what was started. The own workers also end by themselves when
// their ctl socketpairs do.
func (m *master) abandon() {
	for _, w := range m.workers {
		w.kill()
	}
	switch {
	case m.hold.hasParent():
	case m.stop.asked:
		m.removePast()
		fallthrough
	case m.config != nil && len(m.others()) == 0:
		m.removeCreated()
	}
	m.forgetNew()
	m.stopRelays(true)
	m.forgetGeneration(m.generation)
	m.leave(m.stop.code)
}

// note logs findings that did not refuse.
func (m *master) note(checks []status.Check) {
	for _, c := range checks {
		if c.Severity == "warn" {
			m.log.Warn("certificate check", "check", c.Name, "certificate", c.Certificate, "file", c.File, "message", c.Message, "hint", c.Hint)
		}
	}
}
