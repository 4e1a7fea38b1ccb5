package master

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strconv"
	"strings"
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
	words    *words
	settings *wire.Settings
	failed   string // what it said of itself
}

func (w *worker) id() workerID {
	return workerID{Slot: w.slot, Pid: w.process.Pid, Start: w.process.Start}
}

func (w *worker) kill() { _ = w.process.Signal(syscall.SIGKILL) }

func (w *worker) say(k wire.Kind, files ...*os.File) {
	b, err := wire.Encode(wire.Message{Kind: k})
	if err == nil {
		_ = w.ctl.Send(b, files...)
	}
}

// obey carries out what the pool says.
func (m *master) obey(actions []pool.Action) {
	for _, a := range actions {
		w := m.workers[a.Slot]
		switch a.Order {
		case pool.Start:
			m.start(a.Slot)
		case pool.Prove:
			m.prove(w)
		case pool.Go:
			w.say(wire.KindGo)
		case pool.Retire:
			_ = w.process.Signal(syscall.SIGTERM)
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
	if t == pool.Exited && m.active() {
		m.keep()
	}
}

// active says whether this master is the one that speaks for the service.
func (m *master) active() bool {
	s := m.machine.State()
	return s == handover.Cutover || s == handover.Active || s == handover.Checking || s == handover.Upgrading
}

// start starts the worker of a slot. That it cannot be started is told to the
// pool like any other failure, once the loop is free.
func (m *master) start(slot int) {
	w, err := m.launch(slot)
	if err != nil {
		m.post1(func() {
			if _, err := m.pool.Step(time.Now(), slot, pool.Exited, err.Error()); err != nil {
				m.log.Error("worker event", "error", err)
			}
			m.judgePool()
		})
		return
	}
	m.workers[slot] = w
	m.listenTo(w)
	if m.active() {
		m.keep()
	}
}

// post1 posts from the loop itself, which must not wait for its own queue.
func (m *master) post1(f func()) {
	go m.post(f)
}

func (m *master) launch(slot int) (*worker, error) {
	path, args, env := m.command()
	credential, err := credentialOf(m.config)
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
	w := &worker{slot: slot}
	if w.ctl, err = wire.NewPackets(ctl); err != nil {
		_ = probe.Close()
		return nil, err
	}
	if w.probe, err = wire.NewPackets(probe); err != nil {
		_ = w.ctl.Close()
		return nil, err
	}
	wordsEnd, err := w.listenToWords(m.output, fmt.Sprintf("worker %d.%d", m.generation, slot))
	if err == nil {
		var files []process.Named
		files, w.settings = m.equip(slot, ctlEnd, probeEnd)
		w.process, err = process.Start(process.Spec{
			Path: path, Args: args, Env: env, Files: files, Stderr: wordsEnd, Role: wire.RoleWorker, Credential: credential,
		})
		_ = wordsEnd.Close()
		if err == nil && m.sealed != nil {
			err = w.assign(m.sealed)
		}
	}
	if err != nil {
		w.close()
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
	w.words.finish()
	if w.process != nil {
		_ = w.process.Close()
	}
}

// equip lists a worker's descriptors and settings.
func (m *master) equip(slot int, ctl, probe *os.File) ([]process.Named, *wire.Settings) {
	files := []process.Named{
		{Name: wire.DescriptorControl, File: ctl},
		{Name: wire.DescriptorProbe, File: probe},
		{Name: wire.DescriptorServe, File: m.ends.serve},
		{Name: wire.DescriptorAccepting, File: m.ends.accepting},
		{Name: wire.DescriptorGone, File: m.ends.gone},
		{Name: wire.DescriptorCounters, File: m.ends.counters},
		{Name: wire.DescriptorStderr, File: m.output.file},
	}
	s := &wire.Settings{
		Generation: m.generation, Slot: slot, MinVersion: m.config.TLS.Version(),
		KeepaliveGrace: m.config.KeepaliveGrace, GracefulTimeout: m.config.GracefulTimeout,
		LogFormat: m.output.format, LogLevel: m.config.Log.Level,
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
		last := w.words.finish()
		w.close()
		reason := process.Describe(status)
		if err != nil {
			reason = err.Error()
		}
		m.post(func() { m.exited(w, reason, last) })
	}()
}

func (m *master) said(w *worker, message wire.Message, err error) {
	if err != nil {
		m.happened(w, pool.Failed, err.Error())
		return
	}
	switch message.Kind {
	case wire.KindReady:
		m.happened(w, pool.Ready, "")
	case wire.KindFailed:
		w.failed = message.Text
	}
}

// exited logs the end of a worker and tells the pool why, in the worker's own
// words where it left some.
func (m *master) exited(w *worker, how, last string) {
	reason := how
	switch {
	case w.failed != "":
		reason = fmt.Sprintf("%s (%s)", w.failed, how)
	case last != "":
		reason = fmt.Sprintf("%s; last words: %s", how, last)
	}
	level := m.log.Warn
	if m.machine.State() == handover.Stopping {
		level = m.log.Debug
	}
	level("worker ended", "worker", w.slot, "pid", w.process.Pid, "reason", reason)
	m.happened(w, pool.Exited, reason)
}

// command returns what a worker is.
func (m *master) command() (path string, args, env []string) {
	env = workerEnvironment(os.Environ(), m.pool.Want())
	if m.options.Self {
		return self, os.Args, env
	}
	if app := m.config.App; len(app.Command) > 0 {
		return app.Command[0], app.Command, env
	}
	// The path pins this very binary: a worker runs the code that its master runs.
	return self, os.Args, append(env, wire.AppVariable+"="+encodeApp(m.config.App))
}

// self is the running binary, also when its file is gone.
const self = "/proc/self/exe"

// misleading are the variables that a worker must not inherit.
var misleading = []string{"TABLEFLIP_", "HANDOVER_", "LISTEN_", "NOTIFY_SOCKET=", "WATCHDOG_", "MAINPID="}

// workerEnvironment is ours less what would mislead a worker. Each worker gets
// its share of the CPUs, unless GOMAXPROCS says otherwise.
func workerEnvironment(own []string, workers int) []string {
	env := make([]string, 0, len(own)+4)
	set := false
	for _, v := range own {
		keep := true
		for _, prefix := range misleading {
			keep = keep && !strings.HasPrefix(v, prefix)
		}
		if keep {
			env = append(env, v)
		}
		set = set || strings.HasPrefix(v, "GOMAXPROCS=")
	}
	if !set {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(max(1, runtime.GOMAXPROCS(0)/max(1, workers))))
	}
	return env
}

// credentialOf returns whom workers run as; nil: as the master.
func credentialOf(c *config.Config) (*syscall.Credential, error) {
	if c.User == "" && c.Group == "" {
		return nil, nil
	}
	credential := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	if c.User != "" {
		u, err := user.Lookup(c.User)
		if err != nil {
			return nil, fmt.Errorf("look up user %q: %w", c.User, err)
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("look up user %q: %w", c.User, err)
		}
		credential.Uid, credential.Gid = uint32(uid), uint32(gid)
		groups, _ := u.GroupIds()
		for _, g := range groups {
			if id, err := strconv.ParseUint(g, 10, 32); err == nil {
				credential.Groups = append(credential.Groups, uint32(id))
			}
		}
	}
	if c.Group != "" {
		g, err := user.LookupGroup(c.Group)
		if err != nil {
			return nil, fmt.Errorf("look up group %q: %w", c.Group, err)
		}
		gid, err := strconv.ParseUint(g.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("look up group %q: %w", c.Group, err)
		}
		credential.Gid = uint32(gid)
	}
	return credential, nil
}
