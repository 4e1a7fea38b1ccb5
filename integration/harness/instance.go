package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Instance is a running anchor and everything below it. It belongs to the
// test's goroutine but for Status, Served and the clients, which any may use.
type Instance struct {
	t      testing.TB
	Dir    string
	Addr   string
	Pid    int // of the process that was started; with Wrap, of the wrapper
	Certs  *Certs
	Config Config
	First  Pair // the one it was started with

	plain  bool // clients come without TLS; not changed once it has started
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has ended; cmd.ProcessState is set then
	killed bool
}

// Start starts an instance and waits until it serves. When the test ends it is
// stopped, and whatever it leaves behind fails the test.
func Start(t testing.TB, c Config) *Instance {
	t.Helper()
	i := Prepare(t, c)
	i.Launch()
	i.WaitServing()
	return i
}

// Prepare lays out the files of an instance without starting it.
func Prepare(t testing.TB, c Config) *Instance {
	t.Helper()
	dir := Folder(t)
	i := &Instance{t: t, Dir: dir, Addr: FreeAddress(t), Certs: NewCerts(t, filepath.Join(dir, "certs"))}
	if err := os.Mkdir(i.control(), 0o755); err != nil {
		t.Fatal(err)
	}
	if c.Workers == 0 {
		c.Workers = 2
	}
	if c.Command == nil {
		c.Command = []string{Program(t, "echo"), "-behaviour", i.control()}
	}
	if c.Names == nil {
		c.Names = []string{Name}
	}
	i.First = i.Certs.Renew()
	i.plain = c.Plain
	i.Configure(c)
	return i
}

// Configure writes another config; it counts from the next reload.
func (i *Instance) Configure(c Config) {
	i.t.Helper()
	i.Config = c
	i.WriteConfig(i.render(c))
}

// WriteConfig replaces the config file by a text of the test's own.
func (i *Instance) WriteConfig(text string) {
	i.t.Helper()
	replace(i.t, i.ConfigFile(), text)
}

// ConfigText is what Configure wrote.
func (i *Instance) ConfigText() string { return i.render(i.Config) }

func replace(t testing.TB, path, text string) {
	t.Helper()
	next := path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// Behave tells the echo program how to behave: see its own comment.
func (i *Instance) Behave(name, text string) {
	i.t.Helper()
	replace(i.t, filepath.Join(i.control(), name), text)
}

// Launch starts the program and returns at once.
func (i *Instance) Launch() {
	i.t.Helper()
	words := i.Config.Words
	if words == nil {
		words = []string{"run", "-c", i.ConfigFile()}
	}
	program := i.Config.Binary
	if program == "" {
		program = Binary(i.t)
	}
	argv := append(append(append([]string{}, i.Config.Wrap...), program), words...)
	i.cmd = exec.Command(argv[0], argv[1:]...)
	i.cmd.Dir = or(i.Config.Folder, i.Dir)
	i.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + i.Dir}, prompt()...)
	i.cmd.Env = append(i.cmd.Env, i.Config.Env...)
	i.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// A file and not a pipe: nobody has to read it, whoever is stopped or killed.
	out, err := os.OpenFile(i.outputFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		i.t.Fatal(err)
	}
	defer out.Close()
	i.cmd.Stdout, i.cmd.Stderr = out, out
	if err := i.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	i.Pid, i.killed = i.cmd.Process.Pid, false
	register(i.Pid)
	exited, cmd := make(chan struct{}), i.cmd
	i.exited = exited
	go func() { // ends with the process, which Cleanup sees to
		_ = cmd.Wait()
		close(exited)
	}()
	session := i.Pid
	i.t.Cleanup(func() { i.bury(session) })
}

func (i *Instance) outputFile() string { return filepath.Join(i.Dir, "output") }

// Printed is what the instance has printed.
func (i *Instance) Printed() string {
	b, _ := os.ReadFile(i.outputFile())
	return string(b)
}

// Output is the end of what the instance has printed, for a failing test to show.
func (i *Instance) Output() string {
	text := i.Printed()
	if len(text) > 8<<10 {
		text = "…" + text[len(text)-8<<10:]
	}
	return text
}

// WaitServing waits until the instance serves or has ended, which is fatal.
func (i *Instance) WaitServing() {
	i.t.Helper()
	Until(i.t, "start", 30*time.Second, func() error {
		select {
		case <-i.exited:
			i.t.Fatalf("start: ended: %v\n%s", i.cmd.ProcessState, i.Output())
		default:
		}
		s, err := i.Status()
		if err != nil {
			return err
		}
		return Serving(s)
	})
}

// Signal signals the one PID.
func (i *Instance) Signal(s syscall.Signal) {
	i.t.Helper()
	if s == syscall.SIGKILL {
		i.killed = true
	}
	if err := syscall.Kill(i.Pid, s); err != nil {
		i.t.Errorf("signal %v to %d: %v", s, i.Pid, err)
	}
}

// Exited is closed when the started process has ended.
func (i *Instance) Exited() <-chan struct{} { return i.exited }

// WaitExit waits for the end and returns the exit code, -1 for a signal.
func (i *Instance) WaitExit(limit time.Duration) int {
	i.t.Helper()
	select {
	case <-i.exited:
		return i.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		i.t.Fatalf("end: not within %v; left:\n%s\n%s", limit, i.list(), i.Output())
		return 0
	}
}

// Processes is everything that lives of the instance.
func (i *Instance) Processes() []Process { return Session(i.Pid) }

func (i *Instance) list() string { return list(i.Pid) }

func list(session int) string {
	var b bytes.Buffer
	for _, p := range Session(session) {
		fmt.Fprintln(&b, " ", p)
	}
	return b.String()
}

// bury stops one launch and reports what is left of it.
func (i *Instance) bury(session int) {
	defer forget(session)
	defer killSession(session)
	if session == i.Pid {
		select {
		case <-i.exited:
		default:
			i.end()
		}
	}
	limit := 3 * time.Second
	if i.killed {
		limit = 25 * time.Second
	}
	if err := Await(limit, func() error {
		return Unless(len(Session(session)) == 0, "processes left:\n%s", list(session))
	}); err != nil {
		i.t.Errorf("after the end: %v\n%s", err, i.Output())
	}
	if out := i.Output(); strings.Contains(out, "DATA RACE") || strings.Contains(out, "BUG:") {
		i.t.Errorf("the instance found a fault in itself:\n%s", out)
	}
	if session != i.Pid { // launched again since: the files are the next one's
		return
	}
	i.checkLeft()
	if i.t.Failed() {
		i.t.Logf("output of the instance:\n%s", i.Output())
	}
}

func (i *Instance) end() {
	if err := syscall.Kill(i.Pid, syscall.SIGTERM); err != nil {
		i.t.Errorf("stop: %v", err)
	}
	select {
	case <-i.exited:
		if code := i.cmd.ProcessState.ExitCode(); code != 0 && len(i.Config.Wrap) == 0 {
			i.t.Errorf("stop by TERM: exit %d, want 0", code)
		}
	case <-time.After(30 * time.Second):
		i.t.Errorf("stop by TERM: not within 30s; left:\n%s", i.list())
		killSession(i.Pid)
		<-i.exited
	}
}

// checkLeft fails the test for socket files, the pidfile and the port.
func (i *Instance) checkLeft() {
	for _, path := range []string{i.ControlSocket(), i.PidFile(), i.UnixSocket()} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			i.t.Errorf("after the end: %q is left", path)
		}
	}
	l, err := net.Listen("tcp", i.Addr)
	if err != nil {
		i.t.Errorf("after the end: %v", err)
		return
	}
	_ = l.Close()
}

// FreeAddress picks an address of the loopback network. Each has a host number
// of its own, so that no outgoing connection ever takes the port.
func FreeAddress(t testing.TB) string {
	t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 2+rand.IntN(250), rand.IntN(250), 2+rand.IntN(250))
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// prompt keeps the race detector from sleeping for a second at the end of each
// process: it would make of every handover a slow one.
func prompt() []string {
	if !Race {
		return nil
	}
	return []string{"GORACE=atexit_sleep_ms=0"}
}

// Result is how a command ended.
type Result struct {
	Exit   int
	Stdout string
	Stderr string
}

func (r Result) String() string {
	return fmt.Sprintf("exit %d\nstdout: %s\nstderr: %s", r.Exit, r.Stdout, r.Stderr)
}

// Do runs a command of the program for this instance.
func (i *Instance) Do(words ...string) Result {
	i.t.Helper()
	return Do(i.t, Binary(i.t), append([]string{words[0], "-c", i.ConfigFile()}, words[1:]...)...)
}

// Do runs a program to its end, a minute at most.
func Do(t testing.TB, program string, words ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, words...)
	cmd.Env = append(os.Environ(), prompt()...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a child that keeps the pipe must not hold the test
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatalf("run %q %q: %v", program, words, err)
	}
	return Result{Exit: cmd.ProcessState.ExitCode(), Stdout: stdout.String(), Stderr: stderr.String()}
}
