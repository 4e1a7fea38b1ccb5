package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Background is a program of somebody else's that a test needs while it runs:
// a certificate authority, a server to compare with. It has a session of its
// own and ends with the test.
type Background struct {
	Pid    int
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended; cmd.ProcessState is set then
	output string        // file of what it prints
}

// StartBackground starts a program in a folder, with environment variables
// besides this process's own.
func StartBackground(t testing.TB, folder string, env []string, argv ...string) *Background {
	t.Helper()
	b, err := Launch(folder, env, argv...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.End(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// Launch is StartBackground for those who start a program in the middle of a
// test, and on another goroutine: they see to its End.
func Launch(folder string, env []string, argv ...string) (*Background, error) {
	b := &Background{exited: make(chan struct{}), output: filepath.Join(folder, "output")}
	out, err := os.Create(b.output)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %q: %v", argv[0], err)
	}
	b.Pid, b.cmd = cmd.Process.Pid, cmd
	register(b.Pid)
	go func() { // ends with the process, which End sees to
		_ = cmd.Wait()
		close(b.exited)
	}()
	return b, nil
}

// WaitExit waits for the end and returns the exit code, -1 for a signal.
func (b *Background) WaitExit(limit time.Duration) (code int, err error) {
	select {
	case <-b.exited:
		return b.cmd.ProcessState.ExitCode(), nil
	case <-time.After(limit):
		return 0, fmt.Errorf("%d has not ended within %v; left:\n%s", b.Pid, limit, list(b.Pid))
	}
}

// Processes is everything that lives of it.
func (b *Background) Processes() []Process { return Session(b.Pid) }

// Output is what it has printed.
func (b *Background) Output() string {
	text, _ := os.ReadFile(b.output)
	return string(text)
}

// Until waits for a condition as long as the program lives.
func (b *Background) Until(t testing.TB, what string, limit time.Duration, cond func() error) {
	t.Helper()
	err := Await(limit, func() error {
		select {
		case <-b.exited:
			t.Fatalf("%s: the program has ended\n%s", what, b.Output())
		default:
		}
		return cond()
	})
	if err != nil {
		t.Fatalf("%s: not within %v: %v\n%s", what, limit, err, b.Output())
	}
}

// End ends it and whatever it started.
func (b *Background) End() error {
	defer forget(b.Pid)
	defer killSession(b.Pid)
	select {
	case <-b.exited:
		return nil
	default:
	}
	if err := syscall.Kill(b.Pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end %d: %v", b.Pid, err)
	}
	if _, err := b.WaitExit(10 * time.Second); err != nil {
		return fmt.Errorf("end by TERM: %v", err)
	}
	return nil
}
