package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
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

// hurries are the ways to cut a stop short.
func hurries(t *testing.T) map[string]func(i *harness.Instance) {
	return map[string]func(i *harness.Instance){
		"TERM":  func(i *harness.Instance) { i.Signal(syscall.SIGTERM) },
		"INT":   func(i *harness.Instance) { i.Signal(syscall.SIGINT) },
		"QUIT":  func(i *harness.Instance) { i.Signal(syscall.SIGQUIT) },
		"quick": func(i *harness.Instance) { ok(t, i.Do("stop", "--quick")) },
	}
}

// stopping waits until a stop has begun.
func stopping(t *testing.T, i *harness.Instance) harness.Status {
	t.Helper()
	return i.Until(t, "stopping", within, func(s harness.Status) error { return harness.Unless(s.State == "stopping", "%q", s.State) })
}

func TestASecondStopCutsTheFirstShort(t *testing.T) {
	t.Parallel()
	for of, keys := range map[string]string{"drain": "", "delay": delayed("10m")} {
		for name, again := range hurries(t) {
			t.Run(of+" "+name, func(t *testing.T) {
				t.Parallel()
				i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "5m", Keys: keys})
				defer asking(t, i, "/slow?d=10m").Close()
				i.Signal(syscall.SIGTERM)
				stopping(t, i)
				again(i)
				if got := i.WaitExit(within); got != 0 {
					t.Errorf("exit %d, want 0", got)
				}
			})
		}
	}
}

// attempt is one client's try.
type attempt struct {
	begun, ended time.Time
	err          error
}

// attempts tries again and again, each time over a new connection, until it has
// been refused for a while.
func attempts(dial func() (*harness.Conn, error)) <-chan attempt {
	tried := make(chan attempt, 10_000)
	go func() { // ends with the stop
		defer close(tried)
		for refused := 0; refused < 20; {
			a := attempt{begun: time.Now()}
			c, err := dial()
			if a.err = err; err == nil {
				_, a.err = c.Do("GET", "/health", nil)
				c.Close()
			} else {
				refused++
			}
			a.ended = time.Now()
			tried <- a
			harness.After(2 * time.Millisecond)
		}
	}()
	return tried
}

func TestAfterTheFirstRefusalOfAStopNoClientIsServed(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{UnixToo: true})
	all := map[string]<-chan attempt{
		"tcp":  attempts(i.Dial),
		"unix": attempts(func() (*harness.Conn, error) { return harness.Dial("unix", i.UnixSocket(), nil) }),
	}
	harness.Until(t, "answers", within, func() error {
		return harness.Unless(len(all["tcp"]) > 20 && len(all["unix"]) > 20, "%d and %d", len(all["tcp"]), len(all["unix"]))
	})
	stopped := time.Now()
	i.Signal(syscall.SIGTERM)
	for name, tried := range all {
		served, cut := 0, 0
		var refused time.Time // first
		for a := range tried {
			var loss harness.Loss
			switch {
			case a.err == nil && !refused.IsZero():
				t.Errorf("%s: a client is served %v after the first refusal", name, a.begun.Sub(refused))
			case a.err == nil:
				served++
			case errors.As(a.err, &loss) && loss.Stage != "dial":
				cut++ // it was queued and not accepted when the last socket closed
			case refused.IsZero():
				refused = a.begun
				if a.ended.Before(stopped) {
					t.Errorf("%s: refused before the stop: %v", name, a.err)
				}
			}
		}
		t.Logf("%s: %d served, %d cut", name, served, cut)
		if served < 20 || cut > 2 {
			t.Errorf("%s: %d served and %d cut, want many and next to none", name, served, cut)
		}
	}
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
}

func TestWorkersToldToEndFromOutsideAreReplacedAndFinish(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{GracefulTimeout: "5m"})
	before := i.Until(t, "settled", within, harness.Settled)
	load := i.Load(t, harness.Load{New: 1, Kept: 1, H2: 1, Rest: 5 * time.Millisecond, Think: 5 * time.Millisecond})
	slow := []*request{begin(t, i, 3*time.Second), begin(t, i, 4*time.Second)}
	for _, w := range before.Workers {
		if err := syscall.Kill(w.Pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	i.Until(t, "others serve", within, func(s harness.Status) error {
		if err := harness.Serving(s); err != nil {
			return err
		}
		for _, w := range before.Workers {
			if harness.Alive(w.Pid) {
				return fmt.Errorf("%d lives", w.Pid)
			}
		}
		return nil
	})
	for _, s := range slow {
		s.completes(t)
	}
	load.Stop().NothingLost(t)
	exactly(t, i)
}
