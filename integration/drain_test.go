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

func TestAConnectionThatWasTakenOverIsToldOfTheDrainAndLivesOn(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "30s"})
	old := i.Until(t, "worker", within, harness.Settled).Workers[0].Pid
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Send("GET", "/hold", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Begun(); err != nil {
		t.Fatal(err)
	}
	renew(t, i)
	// The rest of the answer comes when the worker drains, and not before.
	a, err := c.Receive("GET")
	if err != nil || string(a.Body) != "held\ndraining\n.." {
		t.Errorf("held connection: %q, %v; want it told of the drain", a.Body, err)
	}
	renew(t, i)
	if !harness.Alive(old) {
		t.Error("the worker of the held connection is gone, want it to live on")
	}
	c.Close()
	harness.Until(t, "old worker gone", within, func() error {
		return harness.Unless(!harness.Alive(old), "%d lives", old)
	})
	i.Until(t, "settled", within, harness.Settled)
}

func TestAWorkerThatIsStoppedWhileItDrainsIsKilled(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "2s"})
	c := asking(t, i, "/slow?d=60s")
	defer c.Close()
	old := i.Until(t, "worker", within, harness.Serving).Workers[0].Pid
	renew(t, i)
	freeze(t, old)
	harness.Until(t, "stopped worker gone", 2*time.Second+5*time.Second+3*time.Second, func() error {
		return harness.Unless(!harness.Alive(old), "%d lives", old)
	})
	reloadWorks(t, i)
}

// asking sends a request over a connection of its own and waits for the first
// byte of its answer.
func asking(t *testing.T, i *harness.Instance, path string) *harness.Conn {
	t.Helper()
	c, err := i.Dial()
	if err == nil {
		err = c.Send("GET", path, nil)
	}
	if err == nil {
		err = c.Begun()
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheOldestGenerationIsCutWhenTooManyDrain(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "60s", Keys: "max_draining = 2"})
	var workers []int
	for range 3 {
		defer asking(t, i, "/slow?d=60s").Close()
		workers = append(workers, i.Until(t, "worker", within, harness.Serving).Workers[0].Pid)
		renew(t, i)
	}
	harness.Until(t, "oldest generation cut", within, func() error {
		return harness.Unless(!harness.Alive(workers[0]), "%d lives", workers[0])
	})
	for _, pid := range workers[1:] {
		if !harness.Alive(pid) {
			t.Errorf("worker %d of a younger generation is gone, want it to drain on", pid)
		}
	}
	i.Until(t, "two generations drain", within, func(s harness.Status) error {
		return harness.Unless(len(s.Draining) == 2, "%+v", s.Draining)
	})
	i.Signal(syscall.SIGQUIT) // or the stop would wait for the slow ones
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
}

func TestAHUPToTheWholeGroupIsOneReload(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	asked := time.Now()
	if err := syscall.Kill(-i.Pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	i.Until(t, "done", within, harness.Ended("done", asked))
	after := i.Until(t, "settled", within, harness.Settled)
	if after.Generation != before.Generation+1 {
		t.Errorf("generation %d, want %d", after.Generation, before.Generation+1)
	}
	reloadWorks(t, i)
}

func TestAReloadWithoutAnOutcomeInTimeExits75(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health"})
	before := i.Until(t, "settled", within, harness.Settled)
	i.Behave("health", "block")
	pair := i.Certs.Renew()
	if got := i.Do("reload", "--timeout", "500ms"); got.Exit != 75 {
		t.Errorf("reload: %v, want exit 75", got)
	}
	born(t, i, before)
	i.Behave("health", "200")
	i.WaitServed(pair, within) // nobody waits for it, and still it is done
	i.Until(t, "settled", within, harness.Settled)
	reloadWorks(t, i)
}

func TestLogFilesAreReopenedBySignalAndCommand(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1})
	file := filepath.Join(i.Dir, "handover.log")
	config := i.Config
	config.Tables = fmt.Sprintf("[log]\nfile = %q", file)
	i.Configure(config)
	i.Launch()
	i.WaitServing()
	for n, reopen := range []func(){
		func() { i.Signal(syscall.SIGUSR1) },
		func() { ok(t, i.Do("reopen")) },
	} {
		if err := os.Rename(file, fmt.Sprintf("%s.%d", file, n)); err != nil {
			t.Fatal(err)
		}
		reopen()
		harness.Until(t, "a new log file", within, func() error {
			_, err := os.Stat(file)
			return err
		})
	}
	renew(t, i)
	harness.Until(t, "records in the new file", within, func() error {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		return harness.Unless(info.Size() > 0, "empty")
	})
}
