package anchor_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/supervisor/anchor"
	"example.com/handover/worker/wire"
	"go.uber.org/goleak"
)

const (
	limitsVariable = "ANCHOR_TEST_LIMITS" // makes the test binary an anchor
	patience       = 20 * time.Second
)

func TestMain(m *testing.M) {
	switch {
	case wire.Role() == wire.RoleMaster:
		os.Exit(runMaster())
	case wire.Role() == roleSleeper:
		os.Exit(runSleeper())
	case os.Getenv(limitsVariable) != "":
		os.Exit(runAnchor())
	}
	goleak.VerifyTestMain(m)
}

// runAnchor is the anchor under test. It collects garbage all the time, so that
// a lifeline which only a finalizer guards is lost in every test.
func runAnchor() int {
	var limits anchor.Limits
	if err := json.Unmarshal([]byte(os.Getenv(limitsVariable)), &limits); err != nil {
		return 95
	}
	go func() {
		for i := 1; ; i++ {
			<-time.After(5 * time.Millisecond)
			runtime.GC()
			if i == 20 {
				_, _ = fmt.Fprintln(os.Stderr, "collected 20 times")
			}
		}
	}()
	code, err := anchor.Run(anchor.Options{
		Args: os.Args, Limits: limits, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err)
	}
	return code
}

// trial is one anchor and the masters that it starts.
type trial struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     string
	masters chan *remote
	ended   chan struct{}
}

// remote is the test's end of a master.
type remote struct {
	t *testing.T
	hello
	conn net.Conn
	in   *bufio.Reader
}

// setting is what a trial may vary; the zero value is a plain anchor.
type setting struct {
	limits anchor.Limits
	path   string                  // of the binary
	args   []string                // instead of the binary's path
	env    []string                // added
	change func(command *exec.Cmd) // the last word
}

func begin(t *testing.T, s setting) *trial {
	t.Helper()
	dir := t.TempDir()
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	if s.path == "" {
		s.path = executable(t)
	}
	limits, err := json.Marshal(s.limits)
	if err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(s.path)
	if s.args != nil {
		cmd.Args = s.args
	}
	// The race detector would hold up every exit for a second.
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0", limitsVariable+"="+string(limits), puppetVariable+"="+listener.Addr().String())
	cmd.Env = append(cmd.Env, s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.change != nil {
		s.change(cmd)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &trial{t: t, cmd: cmd, log: log.Name(), masters: make(chan *remote, 64), ended: make(chan struct{})}
	accepted := make(chan struct{})
	go func() {
		defer close(accepted)
		r.accept(listener)
	}()
	go func() {
		_ = cmd.Wait()
		close(r.ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-r.ended
		_ = listener.Close()
		<-accepted
		if t.Failed() {
			t.Logf("log of the anchor:\n%s", r.logged())
		}
	})
	return r
}

func (r *trial) accept(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		r.t.Cleanup(func() { _ = conn.Close() })
		m := &remote{t: r.t, conn: conn, in: bufio.NewReader(conn)}
		_ = conn.SetDeadline(time.Now().Add(patience))
		line, err := m.in.ReadBytes('\n')
		if err != nil || json.Unmarshal(line, &m.hello) != nil {
			continue // killed before it had spoken
		}
		r.masters <- m
	}
}

func (r *trial) logged() string {
	b, _ := os.ReadFile(r.log)
	return string(b)
}

// master waits for the next master to start.
func (r *trial) master() *remote {
	r.t.Helper()
	select {
	case m := <-r.masters:
		return m
	case <-time.After(patience):
		r.t.Fatal("no master was started")
		return nil
	}
}

// ready waits for the next master and lets it say that it is ready.
func (r *trial) ready() *remote {
	r.t.Helper()
	m := r.master()
	m.do("say READY=1 MAINPID=%d", m.Pid)
	return m
}

func (r *trial) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.t.Fatalf("signal the anchor: %v", err)
	}
}

// exit waits for the end of the anchor.
func (r *trial) exit(want int) {
	r.t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		r.t.Fatal("the anchor did not end")
	}
	if got := r.cmd.ProcessState.ExitCode(); got != want {
		r.t.Errorf("got exit code %d (%v), want %d", got, r.cmd.ProcessState, want)
	}
}

// do lets the master carry out a command and returns its answer.
func (m *remote) do(format string, args ...any) string {
	m.t.Helper()
	if _, err := fmt.Fprintf(m.conn, format+"\n", args...); err != nil {
		m.t.Fatalf("%s: %v", format, err)
	}
	answer, err := m.in.ReadString('\n')
	if err != nil || strings.HasPrefix(answer, "error") {
		m.t.Fatalf("%s: got %q, %v", format, answer, err)
	}
	return strings.TrimSuffix(answer, "\n")
}

// leave lets the master exit.
func (m *remote) leave(code int) {
	m.t.Helper()
	if _, err := fmt.Fprintf(m.conn, "exit %d\n", code); err != nil {
		m.t.Fatal(err)
	}
}

// kill ends the master by SIGKILL and waits until it is gone.
func (m *remote) kill() {
	m.t.Helper()
	if err := syscall.Kill(m.Pid, syscall.SIGKILL); err != nil {
		m.t.Fatal(err)
	}
	m.gone()
}

func (m *remote) gone() {
	m.t.Helper()
	if _, err := m.in.ReadByte(); err == nil || os.IsTimeout(err) {
		m.t.Fatalf("master %d still lives: %v", m.Pid, err)
	}
}

// has says whether the master inherited a descriptor of that name.
func (m *remote) has(name string) bool { return slices.Contains(m.Descriptors, name) }

// until waits for a state of the world.
func until(t *testing.T, what string, reached func() bool) {
	t.Helper()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); !reached(); <-ticker.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func executable(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// absent says whether a process number is free: not even a zombie.
func absent(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }
