package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// birth is a handover held open: the new master and its workers are there.
type birth struct {
	master  int
	workers []int
}

// born waits until a handover has started its master and all its workers. They
// are found by their parents, since no status speaks of them yet.
func born(t *testing.T, i *harness.Instance, before harness.Status) birth {
	t.Helper()
	known := map[int]bool{}
	for _, w := range before.Workers {
		known[w.Pid] = true
	}
	var b birth
	harness.Until(t, "the next generation is born", within, func() error {
		b = birth{}
		for _, p := range harness.Children(before.Master.Pid) {
			if !known[p.Pid] && p.State != "Z" {
				b.master = p.Pid
			}
		}
		for _, p := range harness.Children(b.master) {
			if p.State != "Z" {
				b.workers = append(b.workers, p.Pid)
			}
		}
		return harness.Unless(b.master != 0 && len(b.workers) >= len(before.Workers), "master %d, workers %v", b.master, b.workers)
	})
	return b
}

// hold keeps a handover open at a step; release lets it go on.
type hold struct {
	name          string
	hold, release func(i *harness.Instance)
}

var holds = []hold{
	{
		"SlowBoot",
		func(i *harness.Instance) { i.Behave("boot", "sleep 1500ms") },
		func(i *harness.Instance) { i.Behave("boot", "") },
	},
	{
		"SlowProof",
		func(i *harness.Instance) { i.Behave("health", "block") },
		func(i *harness.Instance) { i.Behave("health", "200") },
	},
}

// victim is who is killed while the handover is held open.
type victim struct {
	name   string
	served bool // it answers clients: what it was answering may be lost
	pid    func(before harness.Status, b birth) int
}

var victims = []victim{
	{"OldMaster", false, func(s harness.Status, _ birth) int { return s.Master.Pid }},
	{"NewMaster", false, func(_ harness.Status, b birth) int { return b.master }},
	{"OldWorker", true, func(s harness.Status, _ birth) int { return s.Workers[0].Pid }},
	{"NewWorker", false, func(_ harness.Status, b birth) int { return b.workers[0] }},
}

// Not parallel: each case has a load of its own.
func TestKillDuringAHandoverLosesOnlyWhatTheVictimWasAnswering(t *testing.T) {
	heavy(t)
	for _, h := range holds {
		for _, v := range victims {
			t.Run(h.name+"/"+v.name, func(t *testing.T) {
				i := harness.Start(t, harness.Config{HealthPath: "/health"})
				before := i.Until(t, "settled", within, harness.Settled)
				load := i.Load(t, harness.Load{New: 2, Kept: 4, Think: 2 * time.Millisecond})
				h.hold(i)
				i.Certs.Renew()
				i.Signal(syscall.SIGHUP)
				b := born(t, i, before)
				killed := time.Now()
				kill(t, v.pid(before, b))
				h.release(i)
				load.More(t, 100)
				i.Until(t, "serving", within, harness.Serving)
				reloadWorks(t, i)
				gone(t, b.workers...)
				if v.served {
					load.Stop().LostOnly(t, 6, ofKilled(killed))
				} else {
					load.Stop().NothingLost(t)
				}
			})
		}
	}
}

// gone requires processes that a failed or replaced generation had to be gone,
// unless they have become the instance's own: then the reload that came after
// has drained them.
func gone(t *testing.T, pids ...int) {
	t.Helper()
	harness.Until(t, "processes gone", within, func() error {
		for _, pid := range pids {
			if harness.Alive(pid) {
				return fmt.Errorf("%d lives", pid)
			}
		}
		return nil
	})
}

func TestAPredecessorThatIsStoppedDoesNotHoldTheHandover(t *testing.T) {
	heavy(t)
	for _, alsoKill := range []bool{false, true} {
		t.Run(fmt.Sprintf("NewMasterKilled=%v", alsoKill), func(t *testing.T) {
			i := harness.Start(t, harness.Config{HealthPath: "/health"})
			before := i.Until(t, "settled", within, harness.Settled)
			load := i.Load(t, harness.Load{New: 2, Kept: 4, Think: 2 * time.Millisecond})
			i.Behave("health", "block")
			pair := i.Certs.Renew()
			i.Signal(syscall.SIGHUP)
			b := born(t, i, before)
			if err := syscall.Kill(before.Master.Pid, syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			i.Behave("health", "200")
			if alsoKill {
				load.More(t, 200)
				kill(t, b.master)
			} else {
				i.WaitServed(pair, within)
			}
			gone(t, before.Master.Pid)
			i.Until(t, "serving", within, harness.Serving)
			reloadWorks(t, i)
			load.Stop().NothingLost(t)
		})
	}
}

func TestAStoppedMasterIsReplaced(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	load := i.Load(t, harness.Load{New: 1, Kept: 1, Think: 5 * time.Millisecond, Rest: 5 * time.Millisecond})
	stopped := master(t, i)
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// Its watchdog is what finds it: 30 s unless the product has a shorter one.
	i.Until(t, "another master", time.Minute, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != stopped && harness.Serving(s) == nil, "%+v", s)
	})
	gone(t, stopped)
	reloadWorks(t, i)
	load.Stop().NothingLost(t)
}

func TestAMasterKilledOverARefusedCertificateOrABrokenConfigCostsNothing(t *testing.T) {
	heavy(t)
	for name, spoil := range map[string]func(i *harness.Instance){
		"Certificate": func(i *harness.Instance) {
			bad := i.Certs.Issue(harness.Leaf{NotAfter: time.Now().Add(-time.Minute)})
			i.Certs.Install(bad)
			hup(t, i, "refused")
		},
		"Config": func(i *harness.Instance) { i.WriteConfig("workers = \"many\"\n[[[") },
		"NoConfig": func(i *harness.Instance) {
			if err := os.Remove(i.ConfigFile()); err != nil {
				t.Fatal(err)
			}
		},
		"NoCertificates": func(i *harness.Instance) {
			if err := os.RemoveAll(filepath.Join(i.Dir, "certs")); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(filepath.Join(i.Dir, "certs"), 0o755); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := harness.Start(t, harness.Config{})
			load := i.Load(t, harness.Load{New: 2, Kept: 4, Think: 2 * time.Millisecond})
			spoil(i)
			victim := master(t, i)
			kill(t, victim)
			i.Until(t, "another master", within, func(s harness.Status) error {
				return harness.Unless(s.Master.Pid != victim && harness.Serving(s) == nil, "%+v", s)
			})
			load.More(t, 100)
			served(t, i, i.First)
			report := load.Stop()
			report.NothingLost(t)
			report.Only(t, map[string]bool{i.First.Fingerprint: true})
			i.Configure(i.Config)
			reloadWorks(t, i)
		})
	}
}

func TestKillOfTheAnchorEndsEverythingWithinTheGracefulTimeout(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"Idle", "InAHandover", "WithASlowRequest"} {
		t.Run(phase, func(t *testing.T) {
			i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health", GracefulTimeout: "4s"})
			before := i.Until(t, "settled", within, harness.Settled)
			switch phase {
			case "InAHandover":
				i.Behave("health", "block")
				i.Signal(syscall.SIGHUP)
				born(t, i, before)
			case "WithASlowRequest":
				c, err := i.Dial()
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if err := c.Send("GET", "/slow?d=30s", nil); err != nil {
					t.Fatal(err)
				}
				if err := c.Begun(); err != nil {
					t.Fatal(err)
				}
			}
			i.Signal(syscall.SIGKILL)
			i.WaitExit(5 * time.Second)
			free(t, i.Addr, 2*time.Second)
			harness.Until(t, "everything gone", 4*time.Second+3*time.Second, func() error {
				return harness.Unless(len(i.Processes()) == 0, "%v", i.Processes())
			})
		})
	}
}

func TestAnInstanceStartsAtOnceAfterItsAnchorWasKilledInADrain(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "6s"})
	slow := begin(t, i, 3*time.Second)
	i.Signal(syscall.SIGKILL)
	i.WaitExit(5 * time.Second)
	free(t, i.Addr, 2*time.Second)
	i.Launch()
	i.WaitServing()
	slow.running(t)
	served(t, i, i.First)
	slow.completes(t)
}

func TestAReadyMasterMayDieAgainAndAgain(t *testing.T) {
	heavy(t)
	i := harness.Start(t, harness.Config{})
	load := i.Load(t, harness.Load{New: 2, Kept: 4, Think: 2 * time.Millisecond})
	for range 5 {
		victim := i.Until(t, "serving", within, harness.Serving).Master.Pid
		kill(t, victim)
		i.Until(t, "another master", within, func(s harness.Status) error {
			return harness.Unless(s.Master.Pid != victim && harness.Serving(s) == nil, "%+v", s)
		})
	}
	load.Stop().NothingLost(t)
	reloadWorks(t, i)
}
