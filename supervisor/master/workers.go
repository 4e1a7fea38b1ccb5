package master

import (
	"errors"
	"os"
	"syscall"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// worker is a process of the own generation.
type worker struct {
	slot     int
	process  *process.Process
	ctl      *wire.Packets
	probe    *wire.Packets
	relay    *relay
	settings *wire.Settings
	failed   string // what it said of itself
	started  time.Time
	vital    vital
	released bool     // it was told "go"
	reach    *os.File // a copy of its ctl, until then
	access   *os.File // the access log that it has
}

func (w *worker) id() workerID {
	return workerID{Slot: w.slot, Pid: w.process.Pid, Start: w.process.Start}
}

func (w *worker) kill() { _ = w.process.Signal(syscall.SIGKILL) }

func (w *worker) say(k wire.Kind, files ...*os.File) { w.send(wire.Message{Kind: k}, files...) }

// send sends a message. That the worker has ended already is heard by its end.
func (w *worker) send(message wire.Message, files ...*os.File) {
	b, err := wire.Encode(message)
	if err == nil {
		_ = w.ctl.Offer(b, files...)
	}
}

// obey carries out what the pool says.
func (m *master) obey(actions []pool.Action) {
	for _, a := range actions {
		w := m.workers[a.Slot]
		if w == nil && a.Order != pool.Start {
			m.lost(a.Slot, "has no process")
			continue
		}
		switch a.Order {
		case pool.Start:
			m.start(a.Slot)
		case pool.Prove:
			m.prove(w)
		case pool.Go:
			w.say(wire.KindGo)
			w.released = true
			m.keepReach(w)
			m.passAccess(w)
		case pool.Retire:
			_ = w.process.Signal(syscall.SIGTERM)
		case pool.Dump:
			m.dump(w)
		case pool.Kill:
			w.kill()
		default:
			panic("BUG: order " + string(a.Order))
		}
	}
}

// happened tells the pool and does what follows.
func (m *master) happened(w *worker, t pool.Trigger, reason string) {
	if m.workers[w.slot] != w {
		return
	}
	if t == pool.Exited {
		delete(m.workers, w.slot)
		m.countWorker(w.slot)
		m.leaveRotation(w)
	}
	if m.machine.State() == handover.Stopping {
		m.lookDrained()
		return
	}
	actions, err := m.pool.Step(time.Now(), w.slot, t, reason)
	if err != nil {
		m.log.Error("worker event", "error", err)
	}
	m.obey(actions)
	m.judgePool()
	if m.machine.State() == handover.Cutover {
		m.retireOthers()
	}
	if t == pool.Exited && m.active() {
		m.keep()
	}
}

// active says whether this master is the one that speaks for the service.
func (m *master) active() bool {
	s := m.machine.State()
	return s == handover.Cutover || s == handover.Active || s == handover.Checking || s == handover.Upgrading || s == handover.Rotating ||
		s == handover.Lingering && !m.released.IsZero()
}

// start starts the worker of a slot. That it cannot be started is told to the
// pool like any other failure, once the loop is free.
func (m *master) start(slot int) {
	w, err := m.launch(slot)
	if err != nil {
		m.log.Error("worker not started", "worker", slot, "error", err)
		m.lost(slot, err.Error())
		return
	}
	m.workers[slot] = w
	m.listenTo(w)
	if m.rotation != nil && !m.rotation.swapping {
		m.prepare(w)
	}
	if m.active() {
		m.keep()
	}
}

// lost tells the pool, once the loop is free, that a slot has no process.
func (m *master) lost(slot int, reason string) {
	m.post1(func() {
		if m.workers[slot] != nil || m.machine.State() == handover.Stopping {
			return
		}
		actions, err := m.pool.Step(time.Now(), slot, pool.Exited, reason)
		if err != nil {
			m.log.Error("worker event", "error", err)
		}
		m.obey(actions)
		m.judgePool()
	})
}

// post1 posts from the loop itself, which must not wait for its own queue.
func (m *master) post1(f func()) {
	go m.post(f)
}

func (m *master) launch(slot int) (*worker, error) {
	path, args, env := m.command()
	credential, err := credentialOf(m.config)
	if err == nil {
		err = allowFiles(m.config.Limits.Files)
	}
	if err != nil {
		return nil, err
	}
	ctl, ctlEnd, err := wire.Socketpair(unix.SOCK_SEQPACKET, wire.DescriptorControl)
	if err != nil {
		return nil, err
	}
	defer func() { _ = ctlEnd.Close() }()
	probe, probeEnd, err := wire.Socketpair(unix.SOCK_SEQPACKET, wire.DescriptorProbe)
	if err != nil {
		_ = ctl.Close()
		return nil, err
	}
	defer func() { _ = probeEnd.Close() }()
	w := &worker{slot: slot, started: time.Now()}
	w.reach, _ = wire.Duplicate(ctl) // without it only a reopening passes it by
	if w.ctl, err = wire.NewPackets(ctl); err != nil {
		_ = probe.Close()
		closeOwn(w.reach)
		return nil, err
	}
	if w.probe, err = wire.NewPackets(probe); err != nil {
		_ = w.ctl.Close()
		closeOwn(w.reach)
		return nil, err
	}
	if w.relay, err = m.relayOf(slot); err == nil {
		var files []process.Named
		files, w.settings = m.equip(w, ctlEnd, probeEnd)
		w.process, err = process.Start(process.Spec{
			Path: path, Args: args, Env: env, Files: files, Output: w.relay.end, Role: wire.RoleWorker,
			Credential: credential, NoNewPrivs: true,
		})
		if err == nil && m.bundle != nil {
			err = w.assign(m.bundle.File())
		}
	}
	if err != nil {
		w.close()
		closeOwn(w.reach)
		return nil, err
	}
	return w, nil
}

// assign gives the worker its settings and the sealed bundle.
func (w *worker) assign(bundle *os.File) error {
	b, err := wire.Encode(wire.Message{Kind: wire.KindSettings, Settings: w.settings})
	if err != nil {
		w.kill()
		return err
	}
	_ = w.ctl.Send(b, bundle) // a worker that has ended already is seen by its end
	return nil
}

func (w *worker) close() {
	_ = w.ctl.Close()
	_ = w.probe.Close()
	if w.process != nil {
		_ = w.process.Close()
	}
}

// equip lists a worker's descriptors and settings. One of the release before puts
// what is called stderr in the place of descriptor 2 at "go", which it is already.
func (m *master) equip(w *worker, ctl, probe *os.File) ([]process.Named, *wire.Settings) {
	files := []process.Named{
		{Name: wire.DescriptorControl, File: ctl},
		{Name: wire.DescriptorProbe, File: probe},
		{Name: wire.DescriptorServe, File: m.ends.serve},
		{Name: wire.DescriptorAccepting, File: m.ends.accepting},
		{Name: wire.DescriptorGone, File: m.ends.gone},
		{Name: wire.DescriptorCounters, File: m.ends.counters},
		{Name: wire.DescriptorMeters, File: m.ends.meters},
		{Name: wire.DescriptorStderr, File: w.relay.end},
	}
	if w.access = m.output.files.access; w.access != nil {
		files = append(files, process.Named{Name: wire.DescriptorAccess, File: w.access})
	}
	s := &wire.Settings{
		Generation: m.generation, Slot: w.slot, MinVersion: m.config.TLS.Version(), SNI: m.config.TLS.SNI, Tickets: m.past.Tickets.keys(),
		KeepaliveGrace: m.config.KeepaliveGrace, GracefulTimeout: m.config.GracefulTimeout,
		LogFormat: m.output.format, LogLevel: m.config.Log.Level, Limits: limitsOf(m.config.Limits), MaxRequests: m.drawRequests(), SayLeaving: true,
	}
	for _, l := range m.config.Listen {
		name := listenName(l.Address)
		files = append(files, process.Named{Name: name, File: m.hold.files[name]})
		s.Listeners = append(s.Listeners, wire.Listener{Descriptor: name, Address: l.Address, TLS: l.TLS})
	}
	return files, s
}

// listenTo passes on what a worker says, then how it ended. The end is told
// last: what the process wrote before it stays in the socket.
func (m *master) listenTo(w *worker) {
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		for {
			packet, err := w.ctl.Receive()
			if err != nil {
				return
			}
			packet.Close()
			message, err := wire.Decode(packet.Data)
			m.post(func() { m.said(w, message, err) })
		}
	}()
	go func() {
		status, err := w.process.Wait()
		_ = w.ctl.CloseRead() // a grandchild may hold the other end
		<-heard
		last := w.relay.finish()
		w.close()
		m.post(func() { m.exited(w, ending{status: status, err: err, last: last}) })
	}()
}

// said takes what a worker says. A kind that a neighbouring release has added is
// passed over.
func (m *master) said(w *worker, message wire.Message, err error) {
	if err != nil {
		var distant *wire.VersionError
		m.distant = m.distant || errors.As(err, &distant)
		w.failed = err.Error()
		m.happened(w, pool.Failed, err.Error())
		return
	}
	switch message.Kind {
	case wire.KindReady:
		m.noteBoot(w)
		m.happened(w, pool.Ready, "")
	case wire.KindLeaving:
		m.happened(w, pool.Left, "it left by itself: somebody may have sent it a SIGTERM")
	case wire.KindSpent:
		m.worn(w, "max_requests", w.settings.MaxRequests)
	case wire.KindPrepared:
		m.prepared(w, message.Rotation)
	case wire.KindSwapped:
		m.swapped(w, message.Rotation)
	case wire.KindFailed:
		if message.Rotation == 0 {
			w.failed = message.Text
		} else if r := m.rotation; r != nil && r.number == message.Rotation && !r.swapping {
			m.rotationFailed(w, message.Text)
		}
	}
}

func limitsOf(l config.Limits) wire.Limits {
	return wire.Limits{
		Handshake: l.Handshake, Header: l.Header, Body: l.Body, Idle: l.Idle,
		HeaderSize: int(l.HeaderSize), Connections: l.Connections,
	}
}
