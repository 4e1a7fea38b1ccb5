package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestTERMAtFiftyMomentsAfterAHUPEndsEverything(t *testing.T) {
	t.Parallel()
	for n := range 50 {
		delay := rand.N(60 * time.Millisecond)
		t.Run(fmt.Sprintf("%d", n), func(t *testing.T) {
			i := harness.Start(t, harness.Config{Workers: 1})
			i.Certs.Renew()
			i.Signal(syscall.SIGHUP)
			harness.After(delay)
			i.Signal(syscall.SIGTERM)
			if got := i.WaitExit(15 * time.Second); got != 0 {
				t.Errorf("TERM %v after HUP: exit %d, want 0", delay, got)
			}
			// That nothing is left the instance's own end sees to.
		})
	}
}

func TestAStopRefusesAtOnceAndCompletesWhatRuns(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, UnixToo: true})
	slow := begin(t, i, 2*time.Second)
	i.Signal(syscall.SIGTERM)
	harness.Until(t, "refused", 1500*time.Millisecond, func() error {
		c, err := i.Dial()
		if err != nil {
			return nil
		}
		c.Close()
		return fmt.Errorf("still accepted")
	})
	slow.completes(t)
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
}

func TestEachWayToStopExitsWithZero(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(i *harness.Instance){
		"TERM":  func(i *harness.Instance) { i.Signal(syscall.SIGTERM) },
		"INT":   func(i *harness.Instance) { i.Signal(syscall.SIGINT) },
		"QUIT":  func(i *harness.Instance) { i.Signal(syscall.SIGQUIT) },
		"stop":  func(i *harness.Instance) { ok(t, i.Do("stop")) },
		"quick": func(i *harness.Instance) { ok(t, i.Do("stop", "--quick")) },
		"group": func(i *harness.Instance) { _ = syscall.Kill(-i.Pid, syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "30s"})
			quick := name == "INT" || name == "QUIT" || name == "quick"
			if quick { // and a quick one does not wait for this
				c, err := i.Dial()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Send("GET", "/slow?d=60s", nil); err != nil {
					t.Fatal(err)
				}
				if err := c.Begun(); err != nil {
					t.Fatal(err)
				}
			}
			stop(i)
			if got := i.WaitExit(10 * time.Second); got != 0 {
				t.Errorf("exit %d, want 0", got)
			}
		})
	}
}

func ok(t *testing.T, r harness.Result) {
	t.Helper()
	if r.Exit != 0 {
		t.Errorf("%v, want exit 0", r)
	}
}

func TestAsPID1OfANamespace(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED, NOT PASSED: a PID namespace takes root")
	}
	i := harness.Start(t, harness.Config{
		Workers: 1,
		Wrap:    []string{"unshare", "--fork", "--pid", "--mount-proc", "--kill-child"},
	})
	children := harness.Children(i.Pid)
	if len(children) != 1 {
		t.Fatalf("children of unshare: %v, want one", children)
	}
	anchor := children[0].Pid
	if s, err := i.Status(); err != nil || s.Pid != 1 {
		t.Errorf("status says pid %d, %v; want 1", s.Pid, err)
	}
	load := i.Load(t, harness.Load{New: 1, Kept: 2, Think: 5 * time.Millisecond})
	for range 3 {
		pair := i.Certs.Renew()
		if err := syscall.Kill(anchor, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		i.WaitServed(pair, within)
	}
	// What a handler leaves behind becomes the child of PID 1.
	if a, err := i.Get("/orphan"); err != nil || a.Status != 200 {
		t.Errorf("orphan: %d, %v", a.Status, err)
	}
	i.Until(t, "settled", within, harness.Settled)
	harness.Until(t, "no zombie and no orphan", within, func() error {
		left := i.Processes()
		for _, p := range left {
			if p.State == "Z" {
				return fmt.Errorf("zombie: %v", p)
			}
		}
		return harness.Unless(len(left) == 4, "%v; want unshare, anchor, master, worker", left)
	})
	load.Stop().NothingLost(t)
	if err := syscall.Kill(anchor, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d after TERM, want 0", got)
	}
}
