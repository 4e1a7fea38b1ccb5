package integration

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// Not parallel: it loads the machine.
func TestWorkersAreRecycledAfterMaxRequestsAndNothingIsLost(t *testing.T) {
	heavy(t)
	keys, requests, recycled := "max_requests = 300\nmax_requests_jitter = 100", 8_000, uint64(10)
	if os.Getenv("HANDOVER_SOAK") != "" {
		keys, requests, recycled = "max_requests = 1000", 100_000, 80
	}
	i := harness.Start(t, harness.Config{Keys: keys + "\nmax_draining = 50"})
	load := i.Load(t, harness.Load{New: 2, Kept: 6, H2: 1, Streams: 2})
	load.Reached(t, requests, 10*time.Minute)
	s := i.Until(t, "enough were recycled", within, func(s harness.Status) error {
		return harness.Unless(s.Exits["recycled"] >= recycled, "exits %v, want %d recycled", s.Exits, recycled)
	})
	report := load.Stop()
	report.NothingLost(t)
	if s.Exits["crashed"]+s.Exits["exited"]+s.Exits["silent"]+s.Exits["boot"] > 0 {
		t.Errorf("exits: got %v, want none but recycled ones", s.Exits)
	}
	t.Logf("%d requests, exits %v", report.Requests, s.Exits)
	i.Until(t, "settled", within, harness.Settled)
	reloadWorks(t, i)
}

// Not parallel: it loads the machine.
func TestALeakingWorkerIsRecycledAndNothingIsLost(t *testing.T) {
	heavy(t)
	i := faulty(t, harness.Config{Keys: `max_memory = "150MiB"`})
	load := i.Load(t, harness.Load{New: 2, Kept: 4})
	before := i.Until(t, "serving", within, harness.Serving)
	leaking := meet(t, i)
	slot := slotOf(t, before, leaking.pid)
	if _, err := leaking.Do("GET", "/leak?mib=200", nil); err != nil {
		t.Fatal(err)
	}
	leaking.Close()
	i.Until(t, "the leaking worker is recycled", within, func(s harness.Status) error {
		for _, w := range s.Workers {
			if w.Pid == leaking.pid {
				return harness.Unless(false, "worker %d, %d bytes, is %s", slot, w.RSS, w.State)
			}
		}
		return harness.Unless(s.Exits["recycled"] == 1 && len(s.Workers) == 2, "exits %v, workers %+v", s.Exits, s.Workers)
	})
	load.More(t, 100)
	load.Stop().NothingLost(t)
	reloadWorks(t, i)
}

func TestAStopLetsAWorkerThatIsBeingRecycledAnswer(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, Keys: "max_requests = 1"})
	slow := meet(t, i) // that was its one request
	i.Behave("boot", "hang")
	provoke(t, slow, "/slow?d=3s")
	if err := slow.Begun(); err != nil {
		t.Fatal(err)
	}
	i.Until(t, "its replacement starts", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 2, "workers %+v", s.Workers)
	})
	i.Signal(syscall.SIGTERM)
	if a, err := slow.Receive("GET"); err != nil || !strings.Contains(string(a.Body), "ended") {
		t.Errorf("what it was answering: got %q, %v; want it whole", a.Body, err)
	}
	if code := i.WaitExit(within); code != 0 {
		t.Errorf("stop: exit %d, want 0", code)
	}
}
