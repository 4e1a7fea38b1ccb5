package worker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// lifeline ties this process to its master. Three goroutines listen, each until
// its descriptor or the process ends: to ctl, to the serve pipe, to SIGTERM.
// What they hear they say by closing a channel, each of which has one closer. A
// fourth, from ready until the process ends, does what is ordered of certificates.
type lifeline struct {
	ctl       *wire.Packets // read by hear alone; written by Serve or Listeners, then by obey
	err       error         // why there is none
	loose     error         // why this process is not confined
	accepting *os.File
	gone      *os.File // held, for the garbage collector would close it; ends with the process

	settings chan assignment // the first message
	orders   *orders         // put by hear, taken by obey
	started  chan struct{}   // closed at "go"
	ending   chan struct{}   // closed when the drain is to begin
	draining chan struct{}   // closed when accepting has ended, for Listeners a moment later

	starting sync.Once
	stopping sync.Once
	taken    atomic.Bool

	mu    sync.Mutex
	exits []func() // given to AtExit
	boot  atomic.Pointer[boot]
}

// line is made by a variable's initialiser, because it has to be there before
// main: a worker whose own start takes long would otherwise not notice the
// death of its master, and SIGHUP to the process group would kill it. Package
// wire, initialised earlier, has marked the descriptors by then.
var line = tie()

func tie() *lifeline {
	l := &lifeline{
		settings: make(chan assignment, 1),
		orders:   newOrders(),
		started:  make(chan struct{}),
		ending:   make(chan struct{}),
		draining: make(chan struct{}),
	}
	if !Supervised() {
		l.err = errUnsupervised
		return l
	}
	name()
	l.loose = confine()
	// Caught and dropped rather than ignored: an ignored signal would stay ignored
	// in every program that a handler starts (execve(2)).
	// SIGPIPE among them: a reader of the log that goes away must not take requests
	// along.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP, unix.SIGINT, unix.SIGPIPE)
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	go func() {
		<-term
		l.stop()
	}()
	l.gone = wire.Take(wire.DescriptorGone)
	l.accepting = wire.Take(wire.DescriptorAccepting)
	serve, ctl := wire.Take(wire.DescriptorServe), wire.Take(wire.DescriptorControl)
	if serve == nil || ctl == nil {
		l.err = fmt.Errorf("take descriptors: %q and %q are missing among the inherited", wire.DescriptorServe, wire.DescriptorControl)
		return l
	}
	if l.ctl, l.err = wire.NewPackets(ctl); l.err != nil {
		return l
	}
	stderr := wire.Take(wire.DescriptorStderr)
	go l.hear(stderr)
	go func() {
		_, _ = io.Copy(io.Discard, serve) // an error means its end, too
		_ = serve.Close()
		l.stop()
	}()
	return l
}

// hear follows the ctl socketpair. Its end before "go" ends the process: who
// never met a client and has no master serves nobody. So does a message of a
// distant release; a kind that a neighbour has added is passed over at any time.
// A message whose descriptor could not be received counts without it: a worker
// that stopped to listen for that would take no certificate ever again.
func (l *lifeline) hear(stderr *os.File) {
	for {
		p, err := l.ctl.Receive()
		if err != nil && !errors.Is(err, wire.ErrCut) {
			if l.hasStarted() {
				return
			}
			os.Exit(1)
		}
		m, err := wire.Decode(p.Data)
		if err == nil && m.Kind == wire.KindSettings {
			l.assign(m, &p)
		}
		if err == nil && len(p.Files) > 0 && m.Kind == wire.KindReopen {
			stderr = l.reopen(stderr, &p)
		}
		if err == nil && len(p.Files) > 0 && m.Kind == wire.KindAccess {
			l.moveAccess(&p)
		}
		if err == nil {
			l.order(m, &p)
		}
		p.Close()
		switch {
		case err != nil && l.hasStarted():
			// A serving worker stays, whatever it is told.
		case err != nil:
			_ = l.fail(err)
			os.Exit(1)
		case m.Kind == wire.KindGo:
			l.start(stderr)
		case m.Kind == wire.KindQuit:
			os.Exit(0)
		}
	}
}

// name gives a worker that was started as /proc/self/exe its program's name, by
// which ps and top call it. The kernel cuts it to 15 bytes.
func name() {
	const file = "/proc/self/comm"
	if b, err := os.ReadFile(file); err == nil && string(b) == "exe\n" {
		_ = os.WriteFile(file, []byte(filepath.Base(os.Args[0])), 0)
	}
}

func (l *lifeline) atExit(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exits = append(l.exits, f)
}

// leave ends the process after a complete drain.
func (l *lifeline) leave() {
	l.mu.Lock()
	exits := l.exits
	l.mu.Unlock()
	for _, f := range slices.Backward(exits) {
		f()
	}
	os.Exit(0)
}

// assign passes the settings on, once, with the bundle that came along.
func (l *lifeline) assign(m wire.Message, p *wire.Packet) {
	a := assignment{settings: *m.Settings}
	if len(p.Files) > 0 {
		a.bundle, p.Files = p.Files[0], p.Files[1:]
	}
	select {
	case l.settings <- a:
	default:
		a.close()
	}
}

// order puts what concerns certificates aside for obey.
func (l *lifeline) order(m wire.Message, p *wire.Packet) {
	switch m.Kind {
	case wire.KindPrepare, wire.KindSwap, wire.KindForget, wire.KindTickets:
	default:
		return
	}
	o := order{Message: m}
	if len(p.Files) > 0 {
		o.bundle, p.Files = p.Files[0], p.Files[1:]
	}
	l.orders.put(o)
}

// obey carries out the orders and answers them, until the process ends.
func (l *lifeline) obey(r *rotation) {
	for {
		for _, o := range l.orders.take() {
			if answer, ok := r.obey(o); ok {
				_ = l.say(answer) // a master that is gone needs none
			}
		}
	}
}

// reopen has descriptor 2 lead to what came along; before "go" it is what "go"
// will do. So does descriptor 1 if both led to the same pipe, which nobody reads
// when a master says this: masters that read it do not.
func (l *lifeline) reopen(stderr *os.File, p *wire.Packet) *os.File {
	if l.hasStarted() {
		if samePipe(1, 2) {
			_ = unix.Dup3(wire.Descriptor(p.Files[0]), 1, 0)
		}
		_ = unix.Dup3(wire.Descriptor(p.Files[0]), 2, 0)
		return stderr
	}
	if stderr != nil {
		_ = stderr.Close()
	}
	stderr, p.Files = p.Files[0], p.Files[1:]
	return stderr
}

func samePipe(a, b int) bool {
	var one, other unix.Stat_t
	return unix.Fstat(a, &one) == nil && unix.Fstat(b, &other) == nil &&
		one.Mode&unix.S_IFMT == unix.S_IFIFO && one.Dev == other.Dev && one.Ino == other.Ino
}

// moveAccess has the access log go on in what came along.
func (l *lifeline) moveAccess(p *wire.Packet) {
	if b := l.boot.Load(); b != nil && b.access != nil {
		b.access.move(p.Files[0])
		p.Files = p.Files[1:]
	}
}

// start opens the gate. Until then descriptor 2 may lead to whoever waits for the
// outcome of the boot; from then on to where the log goes.
func (l *lifeline) start(stderr *os.File) {
	l.starting.Do(func() {
		if stderr != nil {
			_ = unix.Dup3(wire.Descriptor(stderr), 2, 0)
			_ = stderr.Close()
		}
		close(l.started)
	})
}

// stop begins the drain. Before "go" there is nothing to drain.
func (l *lifeline) stop() {
	l.stopping.Do(func() {
		if !l.hasStarted() {
			os.Exit(0)
		}
		close(l.ending)
	})
}

func (l *lifeline) hasStarted() bool {
	select {
	case <-l.started:
		return true
	default:
		return false
	}
}

// prepare waits for the settings and builds what they ask for. It can be done
// once in a process.
func (l *lifeline) prepare() (*boot, error) {
	if l.err != nil {
		return nil, l.err
	}
	if l.taken.Swap(true) {
		return nil, errServedTwice
	}
	if l.loose != nil {
		return nil, l.fail(l.loose)
	}
	b, err := newBoot(<-l.settings)
	if err != nil {
		return nil, l.fail(err)
	}
	makeRoom()
	l.boot.Store(b)
	go b.beat(l.started)
	return b, nil
}

// ready says that the proof may begin, and has the orders carried out that came
// meanwhile: what they lead to can be proven from here on.
func (l *lifeline) ready() error {
	if err := l.say(wire.Message{Kind: wire.KindReady}); err != nil {
		return err
	}
	go l.obey(l.boot.Load().rotation)
	return nil
}

// fail tells the master why this worker cannot serve, and returns that.
func (l *lifeline) fail(err error) error {
	_ = l.say(wire.Message{Kind: wire.KindFailed, Text: err.Error()})
	return err
}

// maxText bounds what a worker says of a failure. A message that is too long to
// be sent would leave the master without an answer.
const maxText = 4 << 10

func (l *lifeline) say(m wire.Message) error {
	if len(m.Text) > maxText {
		m.Text = strings.ToValidUTF8(m.Text[:maxText], "") + "…"
	}
	b, err := wire.Encode(m)
	if err != nil {
		return err
	}
	return l.ctl.Send(b)
}

// stopAccepting tells the master, by the end of a pipe, that no client will
// reach this worker any more. A master that has not asked for it may have another
// accept in its place before this one has ended.
func (l *lifeline) stopAccepting() {
	if b := l.boot.Load(); b != nil && b.settings.SayLeaving {
		go func() { _ = l.say(wire.Message{Kind: wire.KindLeaving}) }() // a master that is stopped holds up no drain
	}
	if l.accepting != nil {
		_ = l.accepting.Close()
	}
}

// tellDraining tells whoever asked for Draining.
func (l *lifeline) tellDraining() { close(l.draining) }
