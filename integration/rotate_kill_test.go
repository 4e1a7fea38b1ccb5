package integration

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestAWorkerThatDiesWhileItPreparesHasNotConsented(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	victim := present(t, i).Workers[0].Pid
	if err := syscall.Kill(victim, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	pair := i.Certs.Renew()
	ended := make(chan harness.Result, 1)
	go func() { ended <- i.Do("rotate") }()
	begun := time.Now()
	i.Until(t, "it prepares", within, func(s harness.Status) error {
		// To judge the files takes milliseconds; what it waits for then is the worker.
		return harness.Unless(s.State == "reloading" && time.Since(begun) > time.Second, "state %q", s.State)
	})
	kill(t, victim)
	if got := <-ended; got.Exit != 70 || !strings.Contains(got.Stderr, "worker 1") {
		t.Errorf("rotate: %v, want 70: nobody has proved the new certificate", got)
	}
	i.Until(t, "another worker", within, harness.Serving)
	served(t, i, i.First)
	rotate(t, i)
	served(t, i, pair)
}

func TestARollbackWhoseMasterIsKilledGoesBackOnceAtMost(t *testing.T) {
	t.Parallel()
	i, dir := keeping(t, harness.Config{Workers: 1})
	kept(t, dir, 1)
	b := i.Certs.Renew()
	rotate(t, i)
	kept(t, dir, 2)
	c := i.Certs.Renew()
	rotate(t, i)
	kept(t, dir, 3)
	for range 12 {
		victim := master(t, i)
		var killed sync.WaitGroup
		killed.Go(func() {
			harness.After(time.Duration(rand.IntN(25000)) * time.Microsecond)
			_ = syscall.Kill(victim, syscall.SIGKILL)
		})
		got := i.Do("certs", "rollback")
		killed.Wait()
		i.Until(t, "serving again", within, func(s harness.Status) error {
			return harness.Unless(harness.Settled(s) == nil && s.Master.Pid != victim, "%+v", s)
		})
		now, err := i.Served()
		if err != nil || now != b.Fingerprint && (now != c.Fingerprint || got.Exit == 0) {
			t.Errorf("served %.12s…, %v, after a rollback that said %v; want %.12s…, or %.12s… if it failed", now, err, got, b.Fingerprint, c.Fingerprint)
		}
		if now == b.Fingerprint {
			back(t, i, "--undo")
		}
		served(t, i, c)
	}
}

func TestAHoldThatHasExpiredIsGivenUp(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(harness.Folder(t), "state")
	i := harness.Prepare(t, harness.Config{Workers: 1, Keys: fmt.Sprintf("state_dir = %q", dir)})
	end := time.Now().Add(8 * time.Second)
	i.Certs.Install(i.Certs.Issue(harness.Leaf{NotAfter: end}))
	i.Launch()
	i.WaitServing()
	kept(t, dir, 1)
	good := i.Certs.Renew()
	rotate(t, i)
	kept(t, dir, 2)
	back(t, i)
	harness.Until(t, "what is held has expired", within, func() error {
		return harness.Unless(time.Now().After(end.Add(time.Second)), "not yet")
	})
	i.Signal(syscall.SIGTERM)
	if code := i.WaitExit(within); code != 0 {
		t.Fatalf("stop: exit %d\n%s", code, i.Output())
	}
	i.Launch()
	i.WaitServing()
	served(t, i, good)
}

func TestWhatIsAskedOfAMasterThatIsKilledDuringAHandoverIsDoneByItsSuccessor(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1})
	i.Behave("boot", "sleep 2s")
	i.Signal(syscall.SIGHUP)
	i.Until(t, "a successor boots", within, func(s harness.Status) error {
		return harness.Unless(s.State == "reloading", "state %q", s.State)
	})
	victim := master(t, i)
	harness.Until(t, "a worker of the next generation", within, func() error {
		workers := 0
		for _, p := range i.Processes() {
			if strings.Contains(p.String(), "echo") {
				workers++
			}
		}
		return harness.Unless(workers > 1, "%v", i.Processes())
	})
	pair := i.Certs.Renew()
	ended := make(chan harness.Result, 2)
	for _, word := range []string{"rotate", "reload"} {
		go func() { ended <- i.Do(word, "--timeout", "50s") }()
	}
	harness.After(300 * time.Millisecond) // both have been taken
	i.Behave("boot", "")
	kill(t, victim)
	for range 2 {
		if got := <-ended; got.Exit != 0 {
			t.Errorf("asked before the kill: %v, want it done", got)
		}
	}
	served(t, i, pair)
	exactly(t, i)
}

func TestNothingButTheFilesEndsTheWaitForACertificatesTime(t *testing.T) {
	t.Parallel()
	i, _ := keeping(t, harness.Config{Workers: 1})
	begins := time.Now().Add(8 * time.Second).Truncate(time.Second)
	pair := i.Certs.Install(i.Certs.Issue(harness.Leaf{NotBefore: begins, NotAfter: begins.Add(time.Hour)}))
	if got := i.Do("rotate"); got.Exit != 65 {
		t.Fatalf("rotate: %v, want 65", got)
	}
	if got := i.Do("certs", "rollback", "nosuch"); got.Exit != 1 {
		t.Errorf("rollback of nothing: %v, want 1", got)
	}
	good := i.ConfigText()
	i.WriteConfig("nonsense = 1\n" + good)
	hup(t, i, "refused")
	i.WriteConfig(good)
	if s := present(t, i); s.Deferred == nil {
		t.Error("status: waits for nothing any more, want it to wait on")
	}
	i.WaitServed(pair, within)
}
