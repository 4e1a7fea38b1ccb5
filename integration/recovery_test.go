package integration

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// halt stops a process as a debugger does; the test's end lets it go on.
func halt(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("stop %d: %v", pid, err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
}

// unshaken requires that no process of an instance has given up with a stack.
func unshaken(t *testing.T, i *harness.Instance) {
	t.Helper()
	out, err := os.ReadFile(filepath.Join(i.Dir, "output"))
	if err != nil {
		t.Error(err)
	}
	for _, word := range []string{"panic", "BUG", "fatal error"} {
		if n := strings.Index(string(out), word); n >= 0 {
			t.Errorf("output has %q, want none: %.400s", word, out[n:])
		}
	}
}

// deploy copies the echo program to a path of its own, and returns an instance
// of it that serves, and how to remove the program and to put it back.
func deploy(t *testing.T, c harness.Config) (i *harness.Instance, remove, restore func()) {
	t.Helper()
	path := filepath.Join(harness.Folder(t), "app")
	restore = func() {
		t.Helper()
		b, err := os.ReadFile(harness.Program(t, "echo"))
		if err == nil {
			err = os.WriteFile(path+".next", b, 0o755)
		}
		if err == nil {
			err = os.Rename(path+".next", path)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	remove = func() {
		t.Helper()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	restore()
	i = harness.Prepare(t, c)
	i.Config.Command = []string{path, "-behaviour", filepath.Join(i.Dir, "behaviour")}
	i.Configure(i.Config)
	i.Launch()
	i.WaitServing()
	return i, remove, restore
}

func TestAHUPAfterTheDeathOfAReadyMasterIsCarriedOutInTheEnd(t *testing.T) {
	t.Parallel()
	for ms := range 21 {
		// An instance for each: the anchor waits longer over masters that die in a row.
		t.Run(fmt.Sprintf("%dms", ms), func(t *testing.T) {
			i := one(t, harness.Config{})
			victim := i.Until(t, "settled", within, harness.Settled).Master.Pid
			asked := time.Now()
			kill(t, victim)
			harness.After(time.Duration(ms) * time.Millisecond)
			pair := i.Certs.Renew()
			i.Signal(syscall.SIGHUP)
			i.WaitServed(pair, within)
			i.Until(t, "reload done", within, harness.Ended("done", asked))
			unshaken(t, i)
			reloadWorks(t, i)
		})
	}
}

func TestAReloadAfterAKilledMasterIsDoneOnlyWhenNoStoppedWorkerServesTheOldCertificate(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	stopped := before.Workers[0].Pid
	halt(t, stopped)
	kill(t, before.Master.Pid)
	pair := i.Certs.Renew()
	got := i.Do("reload", "--timeout", "40s")
	_ = syscall.Kill(stopped, syscall.SIGCONT)
	t.Logf("reload: exit %d", got.Exit)
	if got.Exit == 0 {
		for n := range 60 {
			if print, err := i.Served(); err != nil || print != pair.Fingerprint {
				t.Fatalf("dial %d after exit 0: served %.12s, %v; want %.12s alone", n, print, err, pair.Fingerprint)
			}
		}
	}
	i.WaitServed(pair, within)
	unshaken(t, i)
	reloadWorks(t, i)
}

// declaration returns what waits until a master that has just been born declares
// itself ready: it then closes the pipe that tableflip gave it as its first
// descriptor. What the service manager is told comes later.
func declaration(t *testing.T, master int) func() {
	t.Helper()
	first := fmt.Sprintf("/proc/%d/fd/3", master)
	pipe, err := os.Readlink(first)
	if err != nil || !strings.HasPrefix(pipe, "pipe:") {
		t.Fatalf("first descriptor of the new master: %q, %v; want a pipe", pipe, err)
	}
	return func() {
		t.Helper()
		for begun := time.Now(); time.Since(begun) < within; {
			if now, err := os.Readlink(first); err != nil || now != pipe {
				return // without a pause: what follows is over within a millisecond
			}
		}
		t.Fatalf("master %d is not ready within %v", master, within)
	}
}

// Not parallel: the load measures an outage.
func TestWorkersThatDieBeforeAStoppedPredecessorIsGoneAreReplaced(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{HealthPath: "/health", GracefulTimeout: "15s"})
	before := i.Until(t, "settled", within, harness.Settled)
	load := i.Load(t, harness.Load{New: 2, Kept: 4, Think: 2 * time.Millisecond})
	slow := begin(t, i, 4*time.Second)
	i.Behave("health", "block")
	pair := i.Certs.Renew()
	i.Signal(syscall.SIGHUP)
	b := born(t, i, before)
	declared := declaration(t, b.master)
	halt(t, before.Master.Pid)
	i.Behave("health", "200")
	declared()
	for _, pid := range b.workers {
		kill(t, pid)
	}
	if !harness.Alive(before.Master.Pid) {
		t.Fatal("the old master is gone already, want the kill before its end")
	}
	i.WaitServed(pair, within)
	gone(t, before.Master.Pid)
	i.Until(t, "serving", within, harness.Serving)
	load.More(t, 100)
	slow.completes(t)
	report := load.Stop()
	report.NothingLost(t)
	longest := time.Duration(0)
	for n := 1; n < len(report.Sightings); n++ {
		longest = max(longest, report.Sightings[n].Shown.Sub(report.Sightings[n-1].Shown))
	}
	t.Logf("longest time without a handshake: %v", longest)
	if longest > 3*time.Second {
		t.Errorf("%v without a handshake, want the 2 s of the anchor and a little at most", longest)
	}
	unshaken(t, i)
	reloadWorks(t, i)
}

func TestAProgramThatIsMissingForAWhileCostsOnlyTheWorkersThatWouldStart(t *testing.T) {
	t.Parallel()
	i, remove, restore := deploy(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	remove()
	for _, s := range []syscall.Signal{syscall.SIGTTIN, syscall.SIGTTOU} {
		i.Signal(s)
		harness.After(300 * time.Millisecond) // what cannot start is tried again in this time
		if s, err := i.Status(); err != nil || s.Master.Pid != before.Master.Pid {
			t.Errorf("master %d, %v; want %d", s.Master.Pid, err, before.Master.Pid)
		}
	}
	kill(t, before.Workers[0].Pid)
	i.Until(t, "one worker left", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 1 && s.Workers[0].Pid == before.Workers[1].Pid, "%+v", s.Workers)
	})
	for range 20 {
		if a, err := i.Get("/pid"); err != nil || string(a.Body) != fmt.Sprint(before.Workers[1].Pid) {
			t.Errorf("answer of %q, %v; want one of %d", a.Body, err, before.Workers[1].Pid)
		}
	}
	restore()
	after := i.Until(t, "the missing worker is back", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 2 && harness.Serving(s) == nil, "%+v", s.Workers)
	})
	if after.Pid != i.Pid || after.Master.Pid != before.Master.Pid || after.Generation != before.Generation {
		t.Errorf("pid %d, master %d, generation %d; want %d, %d, %d", after.Pid, after.Master.Pid, after.Generation, i.Pid, before.Master.Pid, before.Generation)
	}
	unshaken(t, i)
	reloadWorks(t, i)
}

func TestMastersThatCannotBootCostTheServingGenerationNothing(t *testing.T) {
	t.Parallel()
	i, remove, restore := deploy(t, harness.Config{GracefulTimeout: "20s", Keys: "max_draining = 2"})
	before := i.Until(t, "settled", within, harness.Settled)
	held := count(t, i).anchor
	slow := begin(t, i, 6*time.Second)
	remove()
	kill(t, before.Master.Pid)
	// They live too shortly to be found by their numbers: the anchor says of each how it ended.
	harness.Until(t, "the master and three others have ended", within, func() error {
		return harness.Unless(strings.Count(i.Output(), "master ended") >= 4, "%s", i.Output())
	})
	if a, err := i.Get("/pid"); err != nil || a.Status != 200 {
		t.Errorf("without a master: %d, %v; want an answer", a.Status, err)
	}
	restore()
	i.Until(t, "serving", within, harness.Serving)
	slow.completes(t)
	i.Until(t, "settled", within, harness.Settled)
	harness.Until(t, "the anchor's descriptors", within, func() error {
		got := harness.Descriptors(i.Pid)
		return harness.Unless(len(got) == held, "%d, want %d: %v", len(got), held, got)
	})
	unshaken(t, i)
	reloadWorks(t, i)
}

func TestAStoppedOldWorkerCostsItsSiblingsRequestsNothing(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{GracefulTimeout: "30s"})
	i.Until(t, "settled", within, harness.Settled)
	slow := begin(t, i, 14*time.Second)
	busy, idle := 0, 0
	i.Until(t, "the worker of the request", within, func(s harness.Status) error {
		for n, w := range s.Workers {
			if w.Connections == 1 {
				busy, idle = w.Pid, s.Workers[1-n].Pid
			}
		}
		return harness.Unless(busy != 0, "%+v", s.Workers)
	})
	halt(t, idle)
	pair := i.Certs.Renew()
	asked := time.Now()
	i.Signal(syscall.SIGHUP)
	i.Until(t, "reload done", 30*time.Second, harness.Ended("done", asked))
	served(t, i, pair)
	slow.completes(t)
	i.Until(t, "settled", 30*time.Second, harness.Settled)
	unshaken(t, i)
	exactly(t, i)
}

func TestAMasterKilledOverAHalfWrittenPairServesItOnceItIsComplete(t *testing.T) {
	t.Parallel()
	for _, asker := range []string{"HUP", "reload"} {
		t.Run(asker, func(t *testing.T) {
			t.Parallel()
			i := one(t, harness.Config{})
			victim := i.Until(t, "settled", within, harness.Settled).Master.Pid
			pair := i.Certs.Issue(harness.Leaf{})
			write := func(path string, b []byte) {
				t.Helper()
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(i.Certs.KeyFile(), pair.Key)
			write(i.Certs.CertFile(), harness.Torn(pair.Cert))
			ended := make(chan harness.Result, 1)
			if asker == "HUP" {
				i.Signal(syscall.SIGHUP)
				ended <- harness.Result{}
			} else {
				go func() { ended <- i.Do("reload", "--timeout", "40s") }()
			}
			harness.After(300 * time.Millisecond) // it judges now, and for two seconds
			kill(t, victim)
			write(i.Certs.CertFile(), pair.Cert)
			i.WaitServed(pair, within)
			if got := <-ended; got.Exit != 0 {
				t.Errorf("reload: %v, want exit 0", got)
			}
			served(t, i, pair)
			unshaken(t, i)
			reloadWorks(t, i)
		})
	}
}

func TestWorkersStoppedByWINCHStaySoWhenTheMasterIsKilled(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	i.Signal(syscall.SIGWINCH)
	gone(t, before.Workers[0].Pid)
	kill(t, before.Master.Pid)
	// The next one proves a generation and lets it go again.
	i.Until(t, "another master without workers", within, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != before.Master.Pid && len(s.Workers) == 0, "master %d, workers %+v", s.Master.Pid, s.Workers)
	})
	harness.Every(20*time.Millisecond, 20, func(int) {
		if s, err := i.Status(); err != nil || len(s.Workers) > 0 {
			t.Errorf("workers %+v, %v; want none", s.Workers, err)
		}
	})
	exactly(t, i)
	renew(t, i)
	i.Until(t, "workers again", within, harness.Serving)
	unshaken(t, i)
}

// stopped requires a clean end: 0, and nothing left at that moment. What files
// are left the instance's own end sees.
func stopped(t *testing.T, i *harness.Instance, limit time.Duration) {
	t.Helper()
	if got := i.WaitExit(limit); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
	if left := i.Processes(); len(left) > 0 {
		t.Errorf("processes left at the end: %v", left)
	}
	for _, path := range []string{i.ControlSocket(), i.PidFile(), i.UnixSocket()} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q is left at the end: %v", path, err)
		}
	}
	unshaken(t, i)
}

func TestAStopOverAFaultyMasterLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T) (*harness.Instance, int) {
		t.Parallel()
		i := one(t, harness.Config{UnixToo: true, GracefulTimeout: "4s"})
		return i, i.Until(t, "settled", within, harness.Settled).Master.Pid
	}
	t.Run("MasterStopped", func(t *testing.T) {
		i, pid := start(t)
		halt(t, pid)
		i.Signal(syscall.SIGTERM)
		stopped(t, i, 40*time.Second)
	})
	t.Run("MasterKilledInTheDrain", func(t *testing.T) {
		i, pid := start(t)
		slow := begin(t, i, 2*time.Second)
		i.Signal(syscall.SIGTERM)
		free(t, i.Addr, within)
		slow.running(t)
		kill(t, pid)
		slow.completes(t)
		stopped(t, i, 30*time.Second)
	})
	t.Run("INTTwice", func(t *testing.T) {
		i, _ := start(t)
		harness.Every(time.Millisecond, 2, func(int) { i.Signal(syscall.SIGINT) })
		stopped(t, i, 30*time.Second)
	})
	for ms := range 7 {
		t.Run(fmt.Sprintf("TERM%dmsAfterTheKill", ms), func(t *testing.T) {
			i, pid := start(t)
			kill(t, pid)
			harness.After(time.Duration(ms) * time.Millisecond)
			i.Signal(syscall.SIGTERM)
			stopped(t, i, 30*time.Second)
		})
	}
}

// The master is killed as near as can be to the moment in which it releases its
// workers: what it has told the anchor by then must be enough for the next one.
func TestAMasterKilledWhileItReleasesItsWorkersIsReplaced(t *testing.T) {
	t.Parallel()
	for tenths := range 10 {
		t.Run(fmt.Sprintf("%d00us", tenths), func(t *testing.T) {
			t.Parallel()
			i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health"})
			before := i.Until(t, "settled", within, harness.Settled)
			i.Behave("health", "block")
			config := i.Config
			config.Tables = fmt.Sprintf("[[listen]]\naddress = %q\ntls = false\n", "unix:"+filepath.Join(i.Dir, "more.sock"))
			i.Configure(config)
			i.Signal(syscall.SIGHUP)
			b := born(t, i, before)
			declared := declaration(t, b.master)
			i.Behave("health", "200")
			declared()
			for begun := time.Now(); time.Since(begun) < time.Duration(tenths)*100*time.Microsecond; {
				continue // shorter than any timer
			}
			kill(t, b.master)
			i.Until(t, "another master", within, func(s harness.Status) error {
				return harness.Unless(s.Master.Pid != b.master && harness.Settled(s) == nil, "%+v", s)
			})
			reloadWorks(t, i)
		})
	}
}
