package integration

import (
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// keep opens connections one after the other and has each answer.
func keep(t *testing.T, i *harness.Instance, n int) {
	t.Helper()
	for range n {
		c, err := i.Dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if a, err := c.Do("GET", "/", nil); err != nil || a.Status != 200 {
			t.Fatalf("got %+v, %v, want 200", a, err)
		}
	}
}

func TestConnectionsThatStayAreSharedByAllWorkers(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 4})
	const clients = 24
	keep(t, i, clients)
	i.Until(t, "every client on a worker, and on every worker a client", within, func(s harness.Status) error {
		sum, least := int64(0), int64(clients)
		for _, w := range s.Workers {
			sum += w.Connections
			least = min(least, w.Connections)
		}
		return harness.Unless(sum == clients && least > 0, "%d connections, on one worker %d: %+v", sum, least, s.Workers)
	})
}

// The others leave it every client, and it takes none.
func TestAWorkerThatIsStoppedHoldsUpNoClientOfTheOthers(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 3, Keys: "timeout = \"20s\""})
	keep(t, i, 6)
	s, err := i.Status()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.Workers[1].Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	keep(t, i, 20)
}
