package worker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// programVariable tells the test binary, started as a worker, which of programs
// to be.
const programVariable = "HANDOVER_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if Supervised() {
		if err := programs[os.Getenv(programVariable)](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what has to happen.
const patience = 20 * time.Second

// master is the test's side of one worker: what a master holds.
type master struct {
	t         *testing.T
	pid       int
	ctl       *wire.Packets
	probe     *wire.Packets
	serve     *os.File // write end
	accepting *os.File // read end
	gone      *os.File // read end
	counters  *wire.Counters
	meters    *wire.Meters
	exited    chan syscall.WaitStatus
}

// plan is what a test wants of a worker; zero values are filled in.
type plan struct {
	program   string
	settings  wire.Settings
	sockets   []testSocket
	stderr    *os.File
	output    *os.File // in place of the test's 1 and 2
	access    *os.File
	pairs     []wire.Pair // nil: one for localhost
	noBundle  bool
	clients   [][]byte         // authorities of clients' certificates
	meterless bool             // as under a master that has no meters
	before    func(*wire.Slot) // what an earlier worker of the slot left behind
}

type testSocket struct {
	file *os.File
	addr net.Addr
	tls  bool
}

// listen opens a listening socket for workers to share.
func listen(t *testing.T, network, address string, withTLS bool) testSocket {
	t.Helper()
	l, err := net.Listen(network, address)
	check(t, err)
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	raw, err := l.(syscall.Conn).SyscallConn()
	check(t, err)
	fd := -1
	check(t, raw.Control(func(n uintptr) { fd, err = unix.FcntlInt(n, unix.F_DUPFD_CLOEXEC, 3) }))
	check(t, err)
	s := testSocket{file: wire.NewFile(fd, "listener"), addr: l.Addr(), tls: withTLS}
	check(t, l.Close())
	t.Cleanup(func() { _ = s.file.Close() })
	return s
}

func listenTLS(t *testing.T) testSocket { return listen(t, "tcp", "127.0.0.1:0", true) }

// parcel is what a worker inherits.
type parcel struct {
	names []string
	files []*os.File // closed when the worker has them
}

func (p *parcel) add(name string, f *os.File) {
	p.names, p.files = append(p.names, name), append(p.files, f)
}

// start starts a worker. It is killed at the end of the test.
func start(t *testing.T, p plan) *master {
	t.Helper()
	fillIn(&p)
	if p.pairs == nil {
		p.pairs = []wire.Pair{newPair(t, "localhost")}
	}
	m := &master{t: t, exited: make(chan syscall.WaitStatus, 1)}
	var inherited parcel
	m.ctl = packets(t, wire.DescriptorControl, inherited.add)
	m.probe = packets(t, wire.DescriptorProbe, inherited.add)
	m.serve = pipe(t, wire.DescriptorServe, true, inherited.add)
	m.accepting = pipe(t, wire.DescriptorAccepting, false, inherited.add)
	m.gone = pipe(t, wire.DescriptorGone, false, inherited.add)
	counters, memory, err := wire.CreateCounters(1)
	check(t, err)
	t.Cleanup(func() { _ = counters.Close() })
	m.counters = counters
	if p.before != nil {
		p.before(m.slot())
	}
	inherited.add(wire.DescriptorCounters, memory)
	if !p.meterless {
		meters, measured, err := wire.CreateMeters(1)
		check(t, err)
		t.Cleanup(func() { _ = meters.Close() })
		m.meters = meters
		inherited.add(wire.DescriptorMeters, measured)
	}
	if p.stderr != nil {
		inherited.add(wire.DescriptorStderr, p.stderr)
	}
	if p.access != nil {
		inherited.add(wire.DescriptorAccess, p.access)
	}
	for i, s := range p.sockets {
		name := fmt.Sprintf("listen%d", i)
		copied, err := wire.Duplicate(s.file)
		check(t, err)
		inherited.add(name, copied)
		p.settings.Listeners = append(p.settings.Listeners, wire.Listener{Descriptor: name, Address: s.addr.String(), TLS: s.tls})
	}
	m.spawn(p.program, inherited, p.output)
	if p.noBundle {
		m.say(wire.Message{Kind: wire.KindSettings, Settings: &p.settings})
		return m
	}
	bundle := bundleOf(t, p.pairs...)
	bundle.ClientCAs = p.clients
	m.say(wire.Message{Kind: wire.KindSettings, Settings: &p.settings}, sealBundle(t, bundle))
	return m
}

// spawn starts the process and the goroutine that reaps it.
func (m *master) spawn(program string, inherited parcel, output *os.File) {
	m.t.Helper()
	files := []uintptr{0, 1, 2}
	if output != nil {
		out := uintptr(wire.Descriptor(output))
		files = []uintptr{0, out, out}
	}
	for _, f := range inherited.files {
		files = append(files, uintptr(wire.Descriptor(f)))
	}
	// The race detector would hold each exit up for a second.
	env := append(os.Environ(), "GORACE=atexit_sleep_ms=0", programVariable+"="+program,
		wire.RoleVariable+"="+wire.RoleWorker, wire.DescriptorsVariable+"="+strings.Join(inherited.names, ":"))
	pid, err := syscall.ForkExec("/proc/self/exe", os.Args[:1], &syscall.ProcAttr{Env: env, Files: files})
	for _, f := range inherited.files {
		_ = f.Close()
	}
	check(m.t, err)
	m.pid = pid
	go func() {
		var status syscall.WaitStatus
		for {
			if _, err := syscall.Wait4(pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
				break
			}
		}
		m.exited <- status
		close(m.exited)
	}()
	m.t.Cleanup(func() {
		select {
		case <-m.exited:
		default:
			_ = syscall.Kill(pid, syscall.SIGKILL)
			<-m.exited
		}
	})
}

func fillIn(p *plan) {
	s := &p.settings
	if s.Slot == 0 {
		s.Slot = 1
	}
	if s.Generation == 0 {
		s.Generation = 1
	}
	if s.KeepaliveGrace == 0 {
		s.KeepaliveGrace = 200 * time.Millisecond
	}
	if s.GracefulTimeout == 0 {
		s.GracefulTimeout = patience
	}
	if p.program == "" {
		p.program = "serve"
	}
}

func packets(t *testing.T, name string, give func(string, *os.File)) *wire.Packets {
	t.Helper()
	ours, theirs, err := wire.Socketpair(unix.SOCK_SEQPACKET, name)
	check(t, err)
	give(name, theirs)
	p, err := wire.NewPackets(ours)
	check(t, err)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func pipe(t *testing.T, name string, giveRead bool, give func(string, *os.File)) *os.File {
	t.Helper()
	r, w, err := wire.Pipe(name)
	check(t, err)
	ours, theirs := r, w
	if giveRead {
		ours, theirs = w, r
	}
	give(name, theirs)
	t.Cleanup(func() { _ = ours.Close() })
	return ours
}

func (m *master) say(message wire.Message, files ...*os.File) {
	m.t.Helper()
	b, err := wire.Encode(message)
	check(m.t, err)
	check(m.t, m.ctl.Send(b, files...))
}

// hear returns the worker's next message.
func (m *master) hear() wire.Message {
	m.t.Helper()
	p, err := m.ctl.Receive()
	check(m.t, err)
	message, err := wire.Decode(p.Data)
	check(m.t, err)
	return message
}

// admit waits for ready and says go.
func (m *master) admit() *master {
	m.t.Helper()
	if got := m.hear(); got.Kind != wire.KindReady {
		m.t.Fatalf("first message: got %q %q, want ready", got.Kind, got.Text)
	}
	m.say(wire.Message{Kind: wire.KindGo})
	return m
}

// drain ends the serve pipe and waits until the worker accepts no more.
func (m *master) drain() {
	m.t.Helper()
	check(m.t, m.serve.Close())
	m.awaitEnd(m.accepting)
}

func (m *master) awaitEnd(f *os.File) {
	m.t.Helper()
	check(m.t, f.SetReadDeadline(time.Now().Add(patience)))
	if _, err := io.Copy(io.Discard, f); err != nil {
		m.t.Fatalf("end of %q: %v", f.Name(), err)
	}
}

// awaitExit waits for the process and compares its exit status.
func (m *master) awaitExit(want int) {
	m.t.Helper()
	select {
	case status, ok := <-m.exited:
		if !ok || !status.Exited() || status.ExitStatus() != want {
			m.t.Fatalf("worker ended: got %#x, want exit status %d", status, want)
		}
	case <-time.After(patience):
		m.t.Fatalf("worker %d still there after %v", m.pid, patience)
	}
}

func (m *master) slot() *wire.Slot { return m.counters.Slot(1) }

// await polls what another process writes into shared memory.
func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("no %s within %v", what, patience)
		case <-ticker.C:
		}
	}
}

func clientConfig(protocols ...string) *tls.Config {
	return &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, NextProtos: protocols}
}

// dial connects as a client does.
func dial(t *testing.T, s testSocket, protocols ...string) net.Conn {
	t.Helper()
	c, err := net.Dial(s.addr.Network(), s.addr.String())
	check(t, err)
	t.Cleanup(func() { _ = c.Close() })
	check(t, c.SetDeadline(time.Now().Add(patience)))
	if !s.tls {
		return c
	}
	secured := tls.Client(c, clientConfig(protocols...))
	check(t, secured.Handshake())
	return secured
}

func socketPath(t *testing.T) string { return filepath.Join(t.TempDir(), "s") }

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
