package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestATERMDuringAReloadCancelsIt(t *testing.T) {
	t.Parallel()
	for _, h := range holds {
		t.Run(h.name, func(t *testing.T) {
			i := harness.Start(t, harness.Config{HealthPath: "/health", UnixToo: true})
			before := i.Until(t, "settled", within, harness.Settled)
			slow := begin(t, i, time.Second)
			h.hold(i)
			i.Certs.Renew()
			waiting := make(chan harness.Result, 1)
			go func() { waiting <- i.Do("reload") }()
			b := born(t, i, before)
			i.Signal(syscall.SIGTERM)
			slow.completes(t)
			stopped(t, i, within)
			gone(t, append(b.workers, b.master)...)
			if got := <-waiting; got.Exit != 1 && got.Exit != 69 || !strings.HasPrefix(got.Stderr, "error: ") {
				t.Errorf("the reload that waited: %v, want exit 1 or 69 and an error", got)
			}
			calm(t, i, "stopping")
		})
	}
}

// A signal that comes before the program has its handlers ends it as the system
// does, but then it has started nobody yet.
func TestASignalWhileItStartsLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			i := harness.Prepare(t, harness.Config{UnixToo: true})
			ends := map[int]int{}
			for ms := range 30 {
				i.Launch()
				harness.After(time.Duration(4*ms) * time.Millisecond)
				begun := len(harness.Children(i.Pid)) > 0
				i.Signal(s)
				code := i.WaitExit(within)
				if code != 0 && (begun || code != -1) {
					t.Errorf("after %d ms, with a master: %v: exit %d, want 0", 4*ms, begun, code)
				}
				ends[code]++
				nothing(t, i)
			}
			t.Logf("ends by exit code: %v", ends)
		})
	}
	t.Run("WhileWorkersHang", func(t *testing.T) {
		t.Parallel()
		i := harness.Prepare(t, harness.Config{UnixToo: true})
		i.Behave("boot", "hang")
		i.Launch()
		harness.Until(t, "workers", within, func() error {
			for _, p := range i.Processes() {
				if p.Name == "echo" {
					return nil
				}
			}
			return fmt.Errorf("%v", i.Processes())
		})
		i.Signal(syscall.SIGTERM)
		stopped(t, i, within)
	})
}

// nothing requires that no process and no file of an ended instance is left.
func nothing(t *testing.T, i *harness.Instance) {
	t.Helper()
	harness.Until(t, "no process left", 3*time.Second, func() error {
		return harness.Unless(len(i.Processes()) == 0, "%v", i.Processes())
	})
	without(t, i.ControlSocket(), i.PidFile(), i.UnixSocket())
	unshaken(t, i)
}

func TestAHUPToTheGroupWhileItStartsIsNoHarm(t *testing.T) {
	t.Parallel()
	for ms := range 12 {
		i := harness.Prepare(t, harness.Config{Workers: 1})
		i.Launch()
		harness.Until(t, "a master", within, func() error {
			return harness.Unless(len(harness.Children(i.Pid)) > 0, "none")
		})
		harness.After(time.Duration(ms) * time.Millisecond)
		for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN} {
			send(t, -i.Pid, s)
		}
		i.Signal(syscall.SIGHUP)
		i.WaitServing()
	}
}

func TestAtTheEndOfTheProcessItsPidfileIsGone(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{UnixToo: true})
	slow := begin(t, i, time.Second)
	ok(t, i.Do("stop"))
	if b, err := os.ReadFile(i.PidFile()); err != nil || strings.TrimSpace(string(b)) != fmt.Sprint(i.Pid) {
		t.Errorf("pidfile in the drain: %q, %v; want %d", b, err, i.Pid)
	}
	slow.completes(t)
	i.WaitExit(within)
	without(t, i.ControlSocket(), i.PidFile(), i.UnixSocket(), filepath.Join(i.Dir, "pid.next"))
	stopped(t, i, within)
	calm(t, i)
}
