package process

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// asChild makes the test binary a child that does what its value says.
const asChild = "HANDOVER_TEST_CHILD"

func TestMain(m *testing.M) {
	if order := os.Getenv(asChild); order != "" {
		child(order)
	}
	goleak.VerifyTestMain(m)
}

// child never returns.
func child(order string) {
	switch order {
	case "exit":
		os.Exit(3)
	case "answer": // over one descriptor, what others it was given
		answer := wire.Take("answer")
		_, _ = fmt.Fprint(answer, wire.Role(), " ", wire.Inherited())
		os.Exit(0)
	case "confess": // what of its status it was asked for
		answer := wire.Take("answer")
		status, _ := os.ReadFile("/proc/self/status")
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "NoNewPrivs:") {
				_, _ = io.WriteString(answer, strings.Join(strings.Fields(line), " "))
			}
		}
		os.Exit(0)
	case "spread": // on how many processors it runs
		answer := wire.Take("answer")
		say := func() { _, _ = fmt.Fprint(answer, runtime.GOMAXPROCS(0), " ") }
		say()
		if wire.Role() == wire.RoleMaster {
			Narrow()
			say()
		}
		first, second := Spread(), Spread()
		say()
		first()
		say()
		second()
		say()
		_, _ = fmt.Fprint(answer, "of ", Processors())
		os.Exit(0)
	case "slack": // of the thread that it happens to run on
		_, _ = fmt.Fprint(wire.Take("answer"), timerSlack())
		os.Exit(0)
	case "complain":
		_, _ = io.WriteString(os.Stdout, "this is standard output, ")
		_, _ = io.WriteString(os.Stderr, "this is standard error")
		os.Exit(0)
	}
	// "wait": until it is killed, or its parent has ended.
	_, _ = wire.Take("lifeline").Read(make([]byte, 1))
	os.Exit(0)
}

// start starts a child and reaps it at the latest when the test ends.
func start(t *testing.T, order string, s Spec) *Process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s.Path, s.Args = self, []string{self}
	s.Env = append(s.Env, asChild+"="+order, "GORACE=atexit_sleep_ms=0")
	if s.Role == "" {
		s.Role = wire.RoleWorker
	}
	p, err := Start(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Signal(syscall.SIGKILL); err == nil {
			_, _ = p.Wait()
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// waiting starts a child that lives until it is signalled.
func waiting(t *testing.T) *Process {
	t.Helper()
	r, w := pipe(t)
	t.Cleanup(func() { _ = w.Close() })
	p := start(t, "wait", Spec{Files: []Named{{"lifeline", r}}})
	_ = r.Close()
	return p
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := wire.Pipe("test")
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// readAll reads what a child writes until it has ended.
func readAll(t *testing.T, r *os.File) string {
	t.Helper()
	_ = r.SetReadDeadline(time.Now().Add(10 * time.Second))
	var b bytes.Buffer
	if _, err := io.Copy(&b, r); err != nil {
		t.Errorf("read of the child: %v", err)
	}
	_ = r.Close()
	return b.String()
}

func nonblocking(t *testing.T, f *os.File) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(wire.Descriptor(f)), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

func TestStartPassesNamedDescriptorsAndLeavesTheirModeAlone(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var fd int
	if err := raw.Control(func(n uintptr) { fd, err = unix.FcntlInt(n, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || fd < 0 {
		t.Fatalf("duplicate: %d, %v", fd, err)
	}
	shared := os.NewFile(uintptr(fd), "shared")
	defer shared.Close()
	r, w := pipe(t)
	p := start(t, "answer", Spec{Files: []Named{{"shared", shared}, {"answer", w}}})
	if !nonblocking(t, shared) {
		t.Error("the listener that was passed on blocks in every process that has it, want it non-blocking")
	}
	_ = w.Close()
	if got, want := readAll(t, r), "worker [shared]"; got != want {
		t.Errorf("child found %q, want its role and the descriptor that it did not take: %q", got, want)
	}
	if status, err := p.Wait(); err != nil || status.ExitStatus() != 0 {
		t.Errorf("child: %s, %v; want exit status 0", Describe(status), err)
	}
	if !nonblocking(t, shared) {
		t.Error("the child turned the shared listener blocking, want it non-blocking")
	}
}

func TestStartGivesTheChildAnOutputOfItsOwn(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	p := start(t, "complain", Spec{Output: w})
	_ = w.Close()
	if got, want := readAll(t, r), "this is standard output, this is standard error"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	if _, err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestStartOfWhatIsNoProgramNamesIt(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]error{"/nowhere/program": syscall.ENOENT, "/proc/self/stat": syscall.EACCES} {
		p, err := Start(Spec{Path: path, Args: []string{path}})
		if p != nil || !errors.Is(err, want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", path)) {
			t.Errorf("start of %q: got %v, %v; want %v that names it", path, p, err, want)
		}
	}
}

func TestWaitReportsExitAndSignal(t *testing.T) {
	t.Parallel()
	status, err := start(t, "exit", Spec{}).Wait()
	if err != nil || !status.Exited() || status.ExitStatus() != 3 {
		t.Errorf("child that exits: %s, %v; want exit status 3", Describe(status), err)
	}
	p := waiting(t)
	if err := p.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	status, err = p.Wait()
	if err != nil || !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("child that is killed: %s, %v; want it killed by SIGKILL", Describe(status), err)
	}
}

func TestWhatWasReapedIsNeitherSignalledNorWaitedFor(t *testing.T) {
	t.Parallel()
	p := start(t, "exit", Spec{})
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after the end: got %v, want %v", err, os.ErrProcessDone)
	}
	if _, err := p.Wait(); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("second wait: got %v, want %v", err, syscall.ECHILD)
	}
}

func TestFindRefusesAProcessThatBeganAtAnotherTime(t *testing.T) {
	t.Parallel()
	p := waiting(t)
	if p.Start == 0 {
		t.Fatal("start time 0, want that of the process")
	}
	for _, tick := range []uint64{p.Start, 0} { // 0: whichever has the number
		found, err := Find(p.Pid, tick)
		if err != nil || found.Pid != p.Pid || found.Start != p.Start {
			t.Fatalf("find %d of tick %d: got %v, %v; want it", p.Pid, tick, found, err)
		}
		_ = found.Close()
	}
	found, err := Find(p.Pid, p.Start+1)
	if found != nil || err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("find %d of another tick: got %v, %v; want it refused", p.Pid, found, err)
	}
}

func TestFindRefusesANumberThatNobodyHas(t *testing.T) {
	t.Parallel()
	p := start(t, "exit", Spec{})
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	if found, err := Find(p.Pid, p.Start); found != nil || err == nil {
		t.Errorf("find %d, which was reaped: got %v, %v; want an error", p.Pid, found, err)
	}
}

// TestAnEndIsHeardThroughAFoundProcessToo stands in for a master that watches
// the workers of its predecessor: it may not reap what it watches.
func TestAnEndIsHeardThroughAFoundProcessToo(t *testing.T) {
	t.Parallel()
	p := waiting(t)
	found, err := Find(p.Pid, p.Start)
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	gone := make(chan struct{})
	go func() { // ends with the child
		found.WaitGone()
		close(gone)
	}()
	select {
	case <-gone:
		t.Error("gone before its end, want it watched until then")
	default:
	}
	if err := found.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("signal: %v", err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("not gone within 10s")
	}
	if status, err := p.Wait(); err != nil || Describe(status) != "killed by SIGTERM" {
		t.Errorf("its parent hears %s, %v; want it killed by SIGTERM", Describe(status), err)
	}
}

func TestCloseEndsTheWatch(t *testing.T) {
	t.Parallel()
	p := waiting(t)
	found, err := Find(p.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() { // ends with Close
		found.WaitGone()
		close(gone)
	}()
	if err := found.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("still watched 10s after Close")
	}
	if err := found.Signal(0); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal after Close: got %v, want %v", err, os.ErrProcessDone)
	}
	if err := p.Signal(0); err != nil {
		t.Errorf("the process itself: %v, want it alive", err)
	}
}

func TestDescribeSaysHowAProcessEnded(t *testing.T) {
	t.Parallel()
	for status, want := range map[syscall.WaitStatus]string{
		0: "exit status 0", 3 << 8: "exit status 3", 9: "killed by SIGKILL", 0x80 | 11: "killed by SIGSEGV",
	} {
		if got := Describe(status); got != want {
			t.Errorf("status %#x: got %q, want %q", uint32(status), got, want)
		}
	}
}

// TestAGroupIsSignalledAsAWhole has a leader that has ended and a member that
// has not: until the leader is reaped its number is still the group's.
func TestAGroupIsSignalledAsAWhole(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	pid, _, err := syscall.StartProcess("/bin/sh", []string{"sh", "-c", "sleep 1000 & exit 3"}, &syscall.ProcAttr{
		Files: []uintptr{uintptr(wire.Descriptor(w)), uintptr(wire.Descriptor(w))},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Find(pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.WaitGone()
	if !p.Gone() {
		t.Error("the leader has ended and is not gone")
	}
	if err := p.SignalGroup(syscall.SIGKILL); err != nil {
		t.Errorf("signal: %v; want it sent", err)
	}
	_ = readAll(t, r) // ends when nobody has the other end any more
	if status, err := p.Wait(); err != nil || status.ExitStatus() != 3 {
		t.Errorf("the leader: %s, %v; want exit status 3", Describe(status), err)
	}
}

func TestEnvironmentLeavesOutWhatMisleads(t *testing.T) {
	t.Parallel()
	own := []string{"PATH=/bin", "HANDOVER_ANCHOR=7", "LISTEN_FDS=1", "NOTIFY_SOCKET=/n", "NOTIFY_SOCKETS=kept", "WATCHDOG_USEC=1", "TABLEFLIP_X=1", "MAINPID=1"}
	if got, want := Environment(own), []string{"PATH=/bin", "NOTIFY_SOCKETS=kept"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAListIsTheWholeEnvironment(t *testing.T) {
	t.Parallel()
	own := []string{"PATH=/bin", "SECRET=x", "TWICE=1", "TWICE=2", "EMPTY=", "LISTEN_FDS=1"}
	list := []string{"PATH", "TWICE", "EMPTY", "MISSING", "LANG=C", "EQUATION=a=b", "LISTEN_FDS", "MAINPID=7"}
	want := []string{"PATH=/bin", "TWICE=2", "EMPTY=", "LANG=C", "EQUATION=a=b"}
	if got := Listed(own, list); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := OrElse(OrElse(want, "LANG", "de"), "ELSE", "1"); !slices.Equal(got, append(want, "ELSE=1")) {
		t.Errorf("with a default of each: got %q, want ELSE added alone", got)
	}
}

// TestOnlyTheChildLosesItsPrivileges starts others afterwards: no thread of this
// process may have been left behind without.
func TestOnlyTheChildLosesItsPrivileges(t *testing.T) {
	t.Parallel()
	confess := func(noNewPrivs bool) string {
		r, w := pipe(t)
		p := start(t, "confess", Spec{Files: []Named{{"answer", w}}, NoNewPrivs: noNewPrivs})
		_ = w.Close()
		said := readAll(t, r)
		if _, err := p.Wait(); err != nil {
			t.Error(err)
		}
		return said
	}
	if got := confess(true); got != "NoNewPrivs: 1" {
		t.Errorf("a child that is to have no new privileges: got %q, want 1", got)
	}
	for range 8 {
		if got := confess(false); got != "NoNewPrivs: 0" {
			t.Errorf("another child afterwards: got %q, want 0", got)
		}
	}
}

func timerSlack() time.Duration {
	n, _ := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
	return time.Duration(n)
}

func TestChildrenAreWokenLessExactlyThanThisProcess(t *testing.T) {
	t.Parallel()
	if now := timerSlack(); now != defaultSlack {
		t.Skipf("SKIPPED: this process itself was started with a timer slack of %v, not the kernel's %v", now, defaultSlack)
	}
	for range 4 {
		r, w := pipe(t)
		p := start(t, "slack", Spec{Files: []Named{{"answer", w}}})
		_ = w.Close()
		if got := readAll(t, r); got != Slack.String() {
			t.Errorf("got %s, want %v", got, Slack)
		}
		if _, err := p.Wait(); err != nil {
			t.Error(err)
		}
		if now := timerSlack(); now != defaultSlack {
			t.Errorf("afterwards: this process has %v, want %v", now, defaultSlack)
		}
	}
}

func TestAnotherTimerSlackThanTheKernelsIsLeftAlone(t *testing.T) {
	t.Parallel()
	const chosen = 70 * time.Microsecond
	got := make(chan time.Duration)
	go func() {
		runtime.LockOSThread() // and never unlocked
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(chosen), 0, 0, 0)
		relax()
		got <- timerSlack()
	}()
	if got := <-got; got != chosen {
		t.Errorf("got %v, want %v", got, chosen)
	}
}

func TestAMasterHasOneProcessorButForWhatIsSpreadAndWhatItsProgramDoesBefore(t *testing.T) {
	t.Parallel()
	for role, want := range map[string]string{wire.RoleMaster: "3 1 3 3 1 of 3", wire.RoleWorker: "3 3 3 3 of 3"} {
		r, w := pipe(t)
		p := start(t, "spread", Spec{Files: []Named{{"answer", w}}, Role: role, Env: []string{"GOMAXPROCS=3"}})
		_ = w.Close()
		if got := readAll(t, r); got != want {
			t.Errorf("%s: got %q, want %q", role, got, want)
		}
		if _, err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
}
