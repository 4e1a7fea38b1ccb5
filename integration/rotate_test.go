package integration

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// pids lists the workers.
func pids(s harness.Status) []int {
	var list []int
	for _, w := range s.Workers {
		list = append(list, w.Pid)
	}
	slices.Sort(list)
	return list
}

// present is the status now.
func present(t *testing.T, i *harness.Instance) harness.Status {
	t.Helper()
	return i.Until(t, "status", within, func(harness.Status) error { return nil })
}

// rotate asks for a rotation that has to be done.
func rotate(t *testing.T, i *harness.Instance, words ...string) harness.Result {
	t.Helper()
	got := i.Do(append([]string{"rotate"}, words...)...)
	if got.Exit != 0 {
		t.Fatalf("rotate %q: %v\n%s", words, got, i.Output())
	}
	return got
}

func TestRotationsReplaceNoProcessAndWebsocketsLiveOn(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 3})
	before := present(t, i)
	talk, err := i.Talk()
	if err != nil {
		t.Fatal(err)
	}
	defer talk.Close()
	load := i.Load(t, harness.Load{New: 2, Kept: 2, H2: 1, Streams: 2, Rest: 2 * time.Millisecond})
	for n := range 50 {
		pair := i.Certs.Renew()
		rotate(t, i)
		served(t, i, pair) // success means served
		if err := talk.Say(fmt.Sprintf("rotation %d", n)); err != nil {
			t.Fatalf("rotation %d: the open connection: %v", n, err)
		}
	}
	load.Stop().NothingLost(t)
	after := present(t, i)
	if !slices.Equal(pids(before), pids(after)) || before.Master.Pid != after.Master.Pid || after.Generation != before.Generation {
		t.Errorf("processes: got %v, want %v", after, before)
	}
	if after.LastReload.Kind != "rotate" || after.LastReload.Outcome != "done" {
		t.Errorf("last reload: got %+v, want a rotation that is done", after.LastReload)
	}
}

func TestARotationThatFindsNothingNewDoesNothing(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	got := rotate(t, i)
	if !strings.Contains(got.Stdout, "unchanged") {
		t.Errorf("rotate: %v, want it to say unchanged", got)
	}
	served(t, i, i.First)
	if s := present(t, i); !s.LastReload.Unchanged || s.Generation != 1 {
		t.Errorf("status: %+v, want an unchanged rotation in generation 1", s)
	}
}

func TestARefusedRotationChangesNothing(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	bad := i.Certs.Issue(harness.Leaf{})
	bad.Key = i.Certs.Issue(harness.Leaf{}).Key
	i.Certs.Install(bad)
	if got := i.Do("rotate"); got.Exit != 65 || !strings.Contains(got.Stderr, "pair.mismatch") || !strings.Contains(got.Stderr, "hint:") {
		t.Errorf("rotate: %v, want 65, pair.mismatch and a hint", got)
	}
	served(t, i, i.First)
	pair := i.Certs.Renew()
	rotate(t, i)
	served(t, i, pair)
}

func TestARotationTakesTheCertificatesOfTheAcceptedConfig(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	c := i.Config
	c.Workers = 2
	i.Configure(c)
	pair := i.Certs.Renew()
	rotate(t, i)
	served(t, i, pair)
	if s := present(t, i); len(s.Workers) != 1 {
		t.Errorf("workers: got %d, want 1 until a reload takes the config", len(s.Workers))
	}
}

func TestAWorkerThatDoesNotPrepareHoldsNobody(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 2, BootTimeout: "2s"})
	victim := present(t, i).Workers[0].Pid
	if err := syscall.Kill(victim, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pair := i.Certs.Renew()
	if got := i.Do("rotate"); got.Exit != 70 || !strings.Contains(got.Stderr, "worker 1") {
		t.Errorf("rotate: %v, want 70 and the worker's number", got)
	}
	if err := syscall.Kill(victim, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	served(t, i, i.First) // nobody has swapped
	rotate(t, i)
	served(t, i, pair)
	if s := present(t, i); s.Workers[0].Pid != victim {
		t.Errorf("worker 1: got pid %d, want %d to live on", s.Workers[0].Pid, victim)
	}
}

func TestWorkersAndMastersKilledInARotation(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 2})
	for n := range 24 {
		s := i.Until(t, "serving", within, func(s harness.Status) error {
			return harness.Unless(harness.Serving(s) == nil && len(s.Workers) == 2, "%+v", s.Workers)
		})
		victim := s.Workers[n%2].Pid
		if n%3 == 0 {
			victim = s.Master.Pid
		}
		pair := i.Certs.Renew()
		var killed sync.WaitGroup
		killed.Go(func() {
			harness.After(time.Duration(rand.IntN(6000)) * time.Microsecond)
			_ = syscall.Kill(victim, syscall.SIGKILL)
		})
		i.Do("rotate") // however it ends
		killed.Wait()
		i.Until(t, "serving again", within, harness.Serving)
		rotate(t, i)
		served(t, i, pair)
	}
	exactly(t, i)
}

func TestRotationsAndReloadsTogetherLoseNothing(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 2, Keys: "max_draining = 50"})
	load := i.Load(t, harness.Load{New: 2, Kept: 2, Rest: 2 * time.Millisecond})
	for range 10 {
		pair := i.Certs.Renew()
		var both sync.WaitGroup
		for _, word := range []string{"rotate", "reload", "rotate"} {
			both.Go(func() {
				if got := i.Do(word); got.Exit != 0 {
					t.Errorf("%s: %v", word, got)
				}
			})
		}
		both.Wait()
		served(t, i, pair)
	}
	load.Stop().NothingLost(t)
}
