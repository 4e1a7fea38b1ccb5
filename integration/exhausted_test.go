package integration

import (
	"os"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"golang.org/x/sys/unix"
)

// depleted leaves a process no descriptor beyond those it has, until restored.
func depleted(t *testing.T, pid int) (restore func()) {
	t.Helper()
	var before unix.Rlimit
	limit := func(set, got *unix.Rlimit) {
		t.Helper()
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, set, got); err != nil && err != unix.ESRCH {
			t.Fatalf("limit the descriptors of %d: %v", pid, err)
		}
	}
	limit(nil, &before)
	limit(&unix.Rlimit{Max: before.Max}, nil)
	return func() { limit(&before, nil) }
}

func TestAWorkerThatHadNoDescriptorLeftIsWellOnceItHas(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root takes another's descriptors")
	}
	i := harness.Start(t, harness.Config{Workers: 1, HealthPath: "/health", BootTimeout: "50s", Keys: `timeout = "3s"`})
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before := present(t, i)
	restore := depleted(t, before.Workers[0].Pid)
	pair := i.Certs.Renew()
	asked := time.Now()
	got := i.Do("rotate")
	if got.Exit != 70 || !strings.Contains(got.Stderr, "worker 1") || time.Since(asked) > 25*time.Second {
		t.Errorf("rotate without a descriptor: after %v %v, want 70 at once, and the worker named", time.Since(asked), got)
	}
	harness.After(4 * time.Second) // more than the timeout: its health is asked for meanwhile
	restore()
	rotate(t, i)
	served(t, i, pair)
	harness.After(4 * time.Second) // and once more
	if a, err := c.Do("GET", "/health", nil); err != nil || a.Status != 200 {
		t.Errorf("a connection from before: %d, %v; want an answer", a.Status, err)
	}
	if after := present(t, i); after.Workers[0].Pid != before.Workers[0].Pid {
		t.Errorf("worker %d, want still %d: it could serve all the time", after.Workers[0].Pid, before.Workers[0].Pid)
	}
}
