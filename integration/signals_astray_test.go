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

// harmless are the signals that mean nothing to anybody but the anchor, and
// those that mean nothing to it either. TSTP is among them because the group
// of an anchor that no shell controls is orphaned, and there it does nothing.
var harmless = []syscall.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGWINCH,
	syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGURG, syscall.SIGCONT, syscall.SIGCHLD, syscall.SIGIO, syscall.SIGPWR,
	syscall.SIGVTALRM, syscall.SIGTSTP,
}

// meaningless are those that the anchor's table does not have.
var meaningless = harmless[7:]

// send sends a signal to a process by its number.
func send(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Errorf("%v to %d: %v", s, pid, err)
	}
}

func TestSignalsToMastersAndWorkersDoNoHarm(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{GracefulTimeout: "30s"})
	draining := i.Until(t, "settled", within, harness.Settled)
	slow := []*request{begin(t, i, 2*time.Second), begin(t, i, 2*time.Second)}
	hup(t, i, "done")
	before := i.Until(t, "serving", within, harness.Serving)
	load := i.Load(t, light)
	hit := []int{before.Master.Pid, before.Workers[0].Pid, before.Workers[1].Pid}
	for _, w := range draining.Workers {
		if harness.Alive(w.Pid) { // at least one of the two has a slow request
			hit = append(hit, w.Pid)
		}
	}
	for _, s := range harmless {
		for _, pid := range hit {
			if harness.Alive(pid) {
				_ = syscall.Kill(pid, s) // the drain may end meanwhile
			}
		}
		if a, err := i.Get("/pid"); err != nil || a.Status != 200 {
			t.Errorf("after %v: %d, %v", s, a.Status, err)
		}
	}
	for _, s := range meaningless {
		i.Signal(s)
	}
	for _, r := range slow {
		r.completes(t)
	}
	load.More(t, 50)
	load.Stop().NothingLost(t)
	same(t, before, i.Until(t, "settled", within, harness.Settled))
	exactly(t, i)
	calm(t, i)
}

// everybody sends a signal to the whole group, or to every process one by one,
// as kill(1) and pkill(1) do.
var everybody = map[string]func(t *testing.T, i *harness.Instance, s syscall.Signal){
	"ToTheGroup": func(t *testing.T, i *harness.Instance, s syscall.Signal) { send(t, -i.Pid, s) },
	"ToEachByItsNumber": func(_ *testing.T, i *harness.Instance, s syscall.Signal) {
		for _, p := range i.Processes() {
			_ = syscall.Kill(p.Pid, s) // what the first ones do may end the last ones
		}
	},
}

func TestASignalToEveryProcessIsTakenOnce(t *testing.T) {
	t.Parallel()
	for name, to := range everybody {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := harness.Start(t, harness.Config{UnixToo: true, Tables: "[log]\nfile = \"handover.log\""})
			load := i.Load(t, light)
			begun := i.Until(t, "settled", within, harness.Settled)
			for n, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGUSR2} {
				asked := time.Now()
				to(t, i, s)
				i.Until(t, "done", within, harness.Ended("done", asked))
				if got := i.Until(t, "settled", within, harness.Settled).Generation; got != begun.Generation+n+1 {
					t.Errorf("after %v: generation %d, want %d", s, got, begun.Generation+n+1)
				}
			}
			before := manned(t, i, 2)
			to(t, i, syscall.SIGTTIN)
			same(t, before, manned(t, i, 3))
			to(t, i, syscall.SIGTTOU)
			same(t, before, manned(t, i, 2))
			file := filepath.Join(i.Dir, "handover.log")
			if err := os.Rename(file, file+".1"); err != nil {
				t.Fatal(err)
			}
			to(t, i, syscall.SIGUSR1)
			harness.Until(t, "a new log file", within, func() error {
				_, err := os.Stat(file)
				return err
			})
			for _, s := range meaningless {
				to(t, i, s)
			}
			same(t, before, manned(t, i, 2))
			to(t, i, syscall.SIGWINCH)
			gone(t, before.Workers[0].Pid, before.Workers[1].Pid)
			hup(t, i, "done")
			manned(t, i, 2)
			load.More(t, 50)
			load.Stop().NothingLost(t)
			slow := begin(t, i, time.Second)
			i.Until(t, "settled", within, harness.Settled)
			to(t, i, syscall.SIGTERM)
			slow.completes(t)
			stopped(t, i, within)
			calm(t, i)
		})
	}
}

// systemd signals every process of a service, in any order.
func TestATERMThatReachesTheMasterFirstIsStillOneGracefulStop(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{UnixToo: true, GracefulTimeout: "60s"})
	slow := begin(t, i, 3*time.Second)
	send(t, master(t, i), syscall.SIGTERM)
	refused(t, "tcp", i.Addr) // the anchor has heard of the stop
	i.Signal(syscall.SIGTERM)
	slow.completes(t)
	stopped(t, i, within)
	calm(t, i)
}

// With ExecStop= systemd signals what the command has left, at once.
func TestATERMThatFollowsACommandToStopIsStillOneGracefulStop(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{UnixToo: true, GracefulTimeout: "60s"})
	slow := begin(t, i, 3*time.Second)
	ok(t, i.Do("stop"))
	i.Signal(syscall.SIGTERM)
	slow.completes(t)
	stopped(t, i, within)
	calm(t, i)
}

func TestATERMThatFollowsACommandToStopQuicklyKillsNobody(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, UnixToo: true, GracefulTimeout: "60s"})
	defer asking(t, i, "/slow?d=60s").Close()
	halt(t, i.Until(t, "settled", within, harness.Settled).Workers[0].Pid) // which takes the whole time that it has
	ok(t, i.Do("stop", "--quick"))
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	if text := i.Printed(); strings.Contains(text, "descendant killed") {
		t.Errorf("printed %q, want nobody killed by the anchor", text)
	}
}

func TestASecondTERMCutsAStopByCommandShort(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	defer asking(t, i, "/slow?d=10m").Close()
	ok(t, i.Do("stop"))
	stopping(t, i)
	i.Signal(syscall.SIGTERM)
	harness.Until(t, "the first one taken", within, func() error {
		return harness.Unless(strings.Count(i.Printed(), "signal taken") == 2, "%s", i.Printed())
	})
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
}

func TestAQuickStopToEveryProcessEndsThemAll(t *testing.T) {
	t.Parallel()
	for name, to := range everybody {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := harness.Prepare(t, harness.Config{UnixToo: true, GracefulTimeout: "60s"})
			for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
				i.Launch()
				i.WaitServing()
				c := asking(t, i, "/slow?d=60s")
				to(t, i, s)
				stopped(t, i, within)
				c.Close()
			}
			calm(t, i)
		})
	}
}

// A process that is being born has the handlers of its parent, or those of the
// system, until it has its own.
func TestAReloadSucceedsUnderSignalsToEveryProcessThatIsBorn(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{})
	load := i.Load(t, light)
	for range 5 {
		pair := i.Certs.Renew()
		asked := time.Now()
		i.Signal(syscall.SIGHUP)
		i.Until(t, "done", within, func(s harness.Status) error {
			for _, p := range i.Processes() {
				if p.Pid == i.Pid {
					continue
				}
				for _, s := range harmless[:7] { // what a key or a script sends to a whole group
					_ = syscall.Kill(p.Pid, s)
				}
			}
			return harness.Ended("done", asked)(s)
		})
		served(t, i, pair)
	}
	if s := i.Until(t, "settled", within, harness.Settled); s.Generation != 6 {
		t.Errorf("generation %d after five reloads, want 6", s.Generation)
	}
	load.Stop().NothingLost(t)
	exactly(t, i)
	calm(t, i)
}

func TestAFloodOfTTINAndTTOULosesNothing(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{Workers: 1})
	load := i.Load(t, light)
	first := manned(t, i, 1).Workers[0].Pid
	harness.Every(2*time.Millisecond, 200, func(n int) {
		if n%5 < 3 {
			i.Signal(syscall.SIGTTOU)
		} else {
			i.Signal(syscall.SIGTTIN)
		}
		if n%50 == 25 {
			i.Signal(syscall.SIGHUP)
		}
	})
	// More went than came: one is left, and the flood has not hidden the end.
	harness.Every(20*time.Millisecond, 10, func(int) { i.Signal(syscall.SIGTTOU) })
	if s := manned(t, i, 1); s.Workers[0].Slot != 1 || s.Workers[0].Pid == first {
		t.Errorf("the worker left is %+v, want one of slot 1 of a later generation than %d's", s.Workers[0], first)
	}
	hup(t, i, "done") // whatever was pending has been taken by then
	i.Signal(syscall.SIGTTIN)
	manned(t, i, 2)
	load.More(t, 50)
	load.Stop().NothingLost(t)
	reloadWorks(t, i)
	calm(t, i)
}

// Ctrl-Z, a debugger, docker pause: for longer than the anchor's patience with a
// silent master, and than timeout.
func TestWhoeverIsStoppedAndGoesOnFindsEverythingAsBefore(t *testing.T) {
	t.Parallel()
	const pause = 6 * time.Second
	for name, whom := range map[string]func(i *harness.Instance) int{
		"Anchor": func(i *harness.Instance) int { return i.Pid },
		"Group":  func(i *harness.Instance) int { return -i.Pid },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := harness.Start(t, harness.Config{Keys: "timeout = \"2s\""})
			before := i.Until(t, "settled", within, harness.Settled)
			load := i.Load(t, light)
			halt(t, whom(i))
			harness.After(pause)
			send(t, whom(i), syscall.SIGCONT)
			load.More(t, 50)
			same(t, before, manned(t, i, 2))
			halt(t, whom(i))
			pair := i.Certs.Renew()
			i.Signal(syscall.SIGHUP) // it waits
			send(t, whom(i), syscall.SIGCONT)
			i.WaitServed(pair, within)
			if s := i.Until(t, "settled", within, harness.Settled); s.Generation != before.Generation+1 {
				t.Errorf("generation %d, want %d", s.Generation, before.Generation+1)
			}
			load.Stop().NothingLost(t)
			exactly(t, i)
			calm(t, i)
		})
	}
}

func TestAWorkerThatIsRetiredWhileItProvesItselfIsNoError(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{HealthPath: "/health"})
	before := manned(t, i, 1)
	i.Behave("health", "block")
	i.Signal(syscall.SIGTTIN)
	s := i.Until(t, "a worker that proves itself", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 2 && s.Workers[1].State == "proving", "%+v", s.Workers)
	})
	i.Signal(syscall.SIGTTOU)
	gone(t, s.Workers[1].Pid)
	i.Behave("health", "")
	same(t, before, manned(t, i, 1))
	reloadWorks(t, i)
	calm(t, i)
}

func TestAWorkerThatGetsTERMOrQUITIsReplacedAndCostsNothingElse(t *testing.T) {
	heavy(t)
	for _, c := range []struct {
		signal syscall.Signal
		dies   bool // at once, with what it was answering
		says   string
	}{
		{syscall.SIGTERM, false, ""},
		{syscall.SIGQUIT, true, "SIGQUIT: quit"},
		{syscall.SIGABRT, true, "SIGABRT: abort"},
		{syscall.SIGSEGV, true, "SIGSEGV"},
	} {
		t.Run(c.signal.String(), func(t *testing.T) {
			i := harness.Start(t, harness.Config{GracefulTimeout: "30s"})
			before := i.Until(t, "settled", within, harness.Settled)
			slow := begin(t, i, 2*time.Second)
			victim := i.Until(t, "the worker of the request", within, func(s harness.Status) error {
				for _, w := range s.Workers {
					if w.Connections == 1 {
						return nil
					}
				}
				return fmt.Errorf("%+v", s.Workers)
			})
			pid, sibling := victim.Workers[0].Pid, victim.Workers[1].Pid
			if victim.Workers[0].Connections != 1 {
				pid, sibling = sibling, pid
			}
			load := i.Load(t, light)
			at := time.Now()
			send(t, pid, c.signal)
			gone(t, pid)
			after := i.Until(t, "replaced", within, func(s harness.Status) error {
				return harness.Unless(len(s.Workers) == 2 && harness.Settled(s) == nil, "%+v", s.Workers)
			})
			if after.Master.Pid != before.Master.Pid || after.Workers[0].Pid != sibling && after.Workers[1].Pid != sibling {
				t.Errorf("master %d, workers %+v; want master %d and worker %d as before", after.Master.Pid, after.Workers, before.Master.Pid, sibling)
			}
			load.More(t, 50)
			if c.dies {
				load.Stop().LostOnly(t, 3, ofKilled(at)) // at most what each client had there
				b, err := os.ReadFile(filepath.Join(i.Dir, "output"))
				if err != nil || !strings.Contains(string(b), c.says) || !strings.Contains(string(b), "goroutine ") {
					t.Errorf("log: %v; want %q and a goroutine dump in it", err, c.says)
				}
				<-slow.answer
			} else {
				load.Stop().NothingLost(t)
				slow.completes(t)
			}
			reloadWorks(t, i)
			calm(t, i)
		})
	}
}
