package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// within is how soon a handover is expected to be over on a machine that has
// other work too. It bounds a wait; it is no measurement.
const within = 20 * time.Second

// heavy marks a test that loads the machine, and so runs alone.
func heavy(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("loads the machine; not with -short")
	}
}

// soak skips what takes minutes unless it was asked for.
func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("HANDOVER_SOAK") == "" {
		t.Skip("takes minutes; set HANDOVER_SOAK=1")
	}
}

// hup asks for a handover by signal and waits for its outcome.
func hup(t *testing.T, i *harness.Instance, outcome string) harness.Status {
	t.Helper()
	asked := time.Now()
	i.Signal(syscall.SIGHUP)
	return i.Until(t, "reload "+outcome, within, harness.Ended(outcome, asked))
}

// renew installs a fresh certificate, hands over by signal and waits until it
// is served.
func renew(t *testing.T, i *harness.Instance) harness.Pair {
	t.Helper()
	pair := i.Certs.Renew()
	hup(t, i, "done")
	served(t, i, pair)
	return pair
}

// served requires a certificate to be the one that is served now.
func served(t *testing.T, i *harness.Instance, want harness.Pair) {
	t.Helper()
	got, err := i.Served()
	if err != nil {
		t.Errorf("dial: %v", err)
		return
	}
	if got != want.Fingerprint {
		t.Errorf("served %s…, want %s…", got[:12], want.Fingerprint[:12])
	}
}

// reloadWorks ends a test of a fault: whatever happened, the next reload is
// done and serves what lies on disk.
func reloadWorks(t *testing.T, i *harness.Instance) {
	t.Helper()
	pair := i.Certs.Renew()
	if got := i.Do("reload"); got.Exit != 0 {
		t.Errorf("next reload: %v, want exit 0", got)
	}
	served(t, i, pair)
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
}

// exactly requires the processes of a settled instance: anchor, master and the
// workers that the status names, none of them a zombie.
func exactly(t *testing.T, i *harness.Instance) {
	t.Helper()
	err := harness.Await(within, func() error {
		s, err := i.Status()
		if err != nil {
			return err
		}
		expected := map[int]bool{s.Pid: true, s.Master.Pid: true}
		for _, w := range s.Workers {
			expected[w.Pid] = true
		}
		var strange []string
		for _, p := range i.Processes() {
			if !expected[p.Pid] {
				strange = append(strange, p.String())
			}
		}
		return harness.Unless(len(strange) == 0, "besides anchor, master and workers: %s", strings.Join(strange, "; "))
	})
	if err != nil {
		t.Errorf("processes: %v", err)
	}
}

// kill kills one process of an instance by its number.
func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("kill %d: %v", pid, err)
	}
}

// free requires that an address can be bound at once.
func free(t *testing.T, address string, limit time.Duration) {
	t.Helper()
	harness.Until(t, "port free", limit, func() error {
		l, err := net.Listen("tcp", address)
		if err == nil {
			err = l.Close()
		}
		return err
	})
}

// master returns the current master's number.
func master(t *testing.T, i *harness.Instance) int {
	t.Helper()
	return i.Until(t, "status", within, func(harness.Status) error { return nil }).Master.Pid
}

// freeze stops a process and returns when it stands still: kill(2) returns before
// that, and a thread that runs may take a client meanwhile.
func freeze(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	harness.Until(t, "standstill", within, func() error {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, task := range tasks {
			text, _ := os.ReadFile(task)
			if _, state, _ := strings.Cut(string(text), ") "); !strings.HasPrefix(state, "T") {
				return fmt.Errorf("%s: state %.1q", task, state)
			}
		}
		return errors.Join(err, harness.Unless(len(tasks) > 0, "no threads of %d", pid))
	})
}
