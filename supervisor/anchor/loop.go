package anchor

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor/process"
	"example.com/handover/worker/footprint"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// trimAfter is how long after a master said that it is ready.
const trimAfter = 2 * time.Second

// loop owns every descriptor and process of the anchor. All of it belongs to
// the goroutine that calls Run.
type loop struct {
	log     *slog.Logger
	machine *machine
	path    string // of the master, absolute
	args    []string
	env     environment

	signals   signalChannels
	stopR     *os.File // masters get it
	stopW     *os.File // nobody else has it: its end is the anchor's
	mailbox   mailbox
	store     store
	leftovers leftovers
	systemd   *systemd

	masters   map[int]*process.Process
	packets   *wire.Packets // of the notify pair; nil: closed
	heard     chan heard
	done      chan struct{} // closed when Run returns; ends the receiver
	receiver  sync.WaitGroup
	passed    []*os.File // descriptors of the message in hand
	childless bool

	trimming *time.Timer // calls footprint.Trim; nil: nothing to trim yet

	starts int
	exited bool
	code   int
	err    error
}

// Run is the whole life of an anchor. It returns the exit code of the process,
// and an error if no master could be started at all. It handles signals and
// reaps children for the whole process, so nothing else in it may.
func Run(o Options) (exitCode int, err error) {
	// Before all else: a signal that comes now must not kill us.
	caught := catchSignals()
	defer caught.release()
	l, err := newLoop(o, caught)
	if err != nil {
		return 1, err
	}
	defer l.close()
	ctx := o.Context
	if ctx == nil {
		ctx = context.Background()
	}
	l.reap()
	l.carryOut(l.machine.begin())
	l.run(ctx)
	return l.code, l.err
}

func newLoop(o Options, caught signalChannels) (*loop, error) {
	tame()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("become subreaper: %v", err)
	}
	if o.Env == nil {
		o.Env = os.Environ()
	}
	if len(o.Args) == 0 {
		o.Args = os.Args
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	env := readEnvironment(o.Env, os.Getpid())
	if announced := env.activated; announced > 0 {
		if env.activated = passed(announced); env.activated < announced {
			o.Log.Warn("fewer sockets were passed than LISTEN_FDS says", "passed", env.activated, "announced", announced)
		}
	}
	closeInheritedOnExec()
	path, err := absolute(o.Args[0], env.path)
	if err != nil {
		return nil, fmt.Errorf("find %q: %v", o.Args[0], err)
	}
	l := &loop{
		log: o.Log, path: path, args: append([]string{path}, o.Args[1:]...), env: env, signals: caught,
		machine: newMachine(o.Limits.withDefaults(), env.watchdogEvery),
		store:   store{}, leftovers: leftovers{}, masters: map[int]*process.Process{},
		heard: make(chan heard), done: make(chan struct{}),
	}
	if l.stopR, l.stopW, err = wire.Pipe(wire.DescriptorStop); err != nil {
		return nil, err
	}
	if l.mailbox, err = openMailbox(); err != nil {
		return nil, err
	}
	if l.systemd, err = openSystemd(env.notify); err != nil {
		l.log.Warn("systemd cannot be told anything", "error", err)
	}
	if every := env.watchdogEvery; every > 0 && every < leastWatchdog/2 {
		l.log.Warn("watchdog of the service manager is shorter than signs of life come", "watchdog", 2*every,
			"hint", "set WatchdogSec= to 15 s or more: a master that hangs is replaced within 5 s without it")
	}
	for i := range env.activated {
		name := env.activatedName(i)
		l.store.put(name, wire.FirstDescriptor+i)
		l.leftovers.note(name, wire.FirstDescriptor+i) // what came back was made by us; other names are passed over
	}
	return l, nil
}

func (l *loop) close() {
	close(l.done)
	if l.trimming != nil {
		l.trimming.Stop()
	}
	l.hangUp()
	l.receiver.Wait()
	for pid := range l.masters {
		l.release(pid)
	}
	l.store.empty()
	l.leftovers.remove()
	l.mailbox.close()
	l.systemd.close()
	_ = l.stopR.Close()
	_ = l.stopW.Close()
}

// run is the one select. There is no ticker: an idle anchor wakes when a
// master feeds its watchdog, and for nothing else.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	end := ctx.Done()
	for !l.exited {
		var due <-chan time.Time
		if deadline := l.machine.deadline(); !deadline.IsZero() {
			timer.Reset(time.Until(deadline))
			due = timer.C
		}
		select {
		case s := <-l.signals.stops:
			l.take(s)
		case s := <-l.signals.others:
			l.take(s)
		case <-l.signals.children:
			l.reap()
		case h := <-l.heard:
			l.hear(h)
		case <-due:
			l.happened(elapsed{})
		case <-end:
			end = nil
			l.happened(asked{intent: signals.Stop})
		}
	}
}

// happened tells the machine and does what it says.
func (l *loop) happened(e event) {
	see := seen{childless: l.childless}
	if _, frequent := e.(said); !frequent {
		see.living = l.store.living()
	}
	l.carryOut(l.machine.step(time.Now(), see, e))
}

func (l *loop) take(s os.Signal) {
	number, _ := s.(syscall.Signal)
	intent := signals.Of(number)
	if number == syscall.SIGWINCH && onTerminal() {
		l.log.Debug("signal ignored", "signal", "WINCH", "reason", "in the foreground of a terminal")
		return
	}
	l.log.Info("signal taken", "signal", unix.SignalName(number), "intent", intent.String())
	unread := ""
	if _, travels := intent.Byte(); travels {
		unread = l.mailbox.unread()
	}
	l.happened(asked{intent, unread})
}

func (l *loop) hear(h heard) {
	if h.err != nil {
		l.log.Warn("notification refused", "pid", h.pid, "error", h.err)
	}
	switch {
	case h.ended:
		l.hangUp()
		l.reap() // the status of the last master, if it can be had already
		for pid := range l.masters {
			l.releaseUnlessChild(pid)
		}
		l.happened(silenced{})
	case h.err == nil:
		l.meet(h.pid)
		if h.message.MainPID != 0 {
			l.trimLater()
		}
		l.passed = h.files
		l.happened(said{h.pid, h.message})
		l.passed = nil
	}
	for _, f := range h.files {
		_ = f.Close()
	}
}

// meet opens a master that speaks for the first time. One that is dead already
// is still listened to.
func (l *loop) meet(pid int) {
	if _, known := l.masters[pid]; known || pid == 0 {
		return
	}
	if p, err := process.Find(pid, 0); err == nil {
		l.masters[pid] = p
	}
}

func (l *loop) release(pid int) {
	if p, known := l.masters[pid]; known {
		_ = p.Close()
		delete(l.masters, pid)
	}
}

// releaseUnlessChild keeps the masters whose status is still to come.
func (l *loop) releaseUnlessChild(pid int) {
	if parentOf(pid) != os.Getpid() {
		l.release(pid)
	}
}

// trimLater gives back what a start and a handover took, once things are quiet.
func (l *loop) trimLater() {
	if l.trimming != nil {
		l.trimming.Stop()
	}
	l.trimming = time.AfterFunc(trimAfter, footprint.Trim)
}

func (l *loop) hangUp() {
	if l.packets != nil {
		_ = l.packets.Close()
		l.packets = nil
	}
}

// reap takes the status of every child that has ended: the masters and, as the
// subreaper, whatever they left behind.
func (l *loop) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		l.childless = err == syscall.ECHILD
		if err != nil || pid == 0 {
			break
		}
		if _, known := l.masters[pid]; known {
			level := slog.LevelInfo
			if status.Exited() && (pid != l.machine.current || !l.machine.proven) {
				level = slog.LevelDebug // it has handed over, or has said why it cannot boot
			}
			l.log.Log(context.Background(), level, "master ended", "pid", pid, "how", process.Describe(status))
			l.release(pid)
		}
		if _, travels := signals.Of(status.Signal()).Byte(); travels {
			l.happened(struck{pid})
		}
		code := 1
		if status.Exited() {
			code = status.ExitStatus()
		}
		l.happened(exited{pid, code})
	}
	if l.childless {
		l.happened(elapsed{}) // finishing may be over
	}
}
