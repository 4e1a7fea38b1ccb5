package pool_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/pool"
)

var update = flag.Bool("update", false, "rewrite the diagram in doc.go; commit only what you can explain")

func TestEveryWorkerStateAnswersEveryTrigger(t *testing.T) {
	t.Parallel()
	if missing := pool.Table.Missing(); len(missing) > 0 {
		t.Errorf("cells nobody thought of: %q", missing)
	}
}

func TestTheDiagramInDocIsTheTable(t *testing.T) {
	t.Parallel()
	const mark = "declaration:\n//\n"
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatalf("read doc.go: %v", err)
	}
	head, _, found := strings.Cut(string(b), mark)
	if !found {
		t.Fatalf("doc.go has no line that ends in %q", mark)
	}
	want := head + mark + pool.Table.Comment() + "package pool\n"
	if *update {
		if err := os.WriteFile("doc.go", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(b) != want {
		t.Errorf("doc.go differs from the table; got\n%s\nwant\n%s", b, want)
	}
}

// story drives a pool and remembers what it was told to do.
type story struct {
	*testing.T
	pool *pool.Pool
	now  time.Time
}

func begin(t *testing.T, want int) *story {
	t.Helper()
	t.Parallel()
	limits := pool.Limits{Boot: 30 * time.Second, Drain: 35 * time.Second, Slots: 8}
	return &story{T: t, pool: pool.New(limits, want), now: time.Unix(1_000_000, 0)}
}

func (s *story) happens(slot int, trigger pool.Trigger) []pool.Action {
	s.Helper()
	actions, err := s.pool.Step(s.now, slot, trigger, "because")
	if err != nil {
		s.Fatalf("worker %d %s: %v", slot, trigger, err)
	}
	return actions
}

func (s *story) expect(what string, got []pool.Action, want ...pool.Action) {
	s.Helper()
	if !slices.Equal(got, want) {
		s.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

func do(o pool.Order, slot int) pool.Action { return pool.Action{Order: o, Slot: slot} }

// serve boots all wanted workers and releases them.
func (s *story) serve() {
	s.Helper()
	s.pool.Fill(s.now)
	for slot := 1; slot <= s.pool.Want(); slot++ {
		s.happens(slot, pool.Ready)
		s.happens(slot, pool.Passed)
	}
	s.pool.Release(s.now)
}

func TestAWorkerIsToldGoOnlyAfterItsProofAndTheRelease(t *testing.T) {
	s := begin(t, 2)
	s.expect("fill", s.pool.Fill(s.now), do(pool.Start, 1), do(pool.Start, 2))
	s.expect("ready", s.happens(1, pool.Ready), do(pool.Prove, 1))
	s.expect("passed", s.happens(1, pool.Passed))
	if s.pool.Outcome().Proved {
		t.Fatal("one of two workers proved: the generation counts as proved")
	}
	s.happens(2, pool.Ready)
	s.happens(2, pool.Passed)
	if !s.pool.Outcome().Proved {
		t.Fatal("both workers proved: the generation does not count as proved")
	}
	s.expect("release", s.pool.Release(s.now), do(pool.Go, 1), do(pool.Go, 2))
}

func TestAFailureBeforeTheReleaseFailsTheGenerationOnceAndStartsNothing(t *testing.T) {
	s := begin(t, 2)
	s.pool.Fill(s.now)
	s.expect("exit", s.happens(1, pool.Exited))
	if o := s.pool.Outcome(); !o.Failed || o.Slot != 1 || o.Reason != "because" {
		t.Fatalf("outcome: got %+v, want worker 1 failed because", o)
	}
	s.expect("second exit", s.happens(2, pool.Exited))
	if o := s.pool.Outcome(); o.Slot != 1 {
		t.Errorf("outcome after a second failure: got worker %d, want the first, 1", o.Slot)
	}
}

func TestAWorkerLostBetweenProofAndReleaseIsReplaced(t *testing.T) {
	s := begin(t, 1)
	s.pool.Fill(s.now)
	s.happens(1, pool.Ready)
	s.happens(1, pool.Passed)
	s.pool.Commit()
	s.expect("exit", s.happens(1, pool.Exited), do(pool.Start, 1))
	if s.pool.Outcome().Failed {
		t.Error("the generation counts as failed")
	}
	s.expect("release", s.pool.Release(s.now))
	s.happens(1, pool.Ready)
	s.expect("passed", s.happens(1, pool.Passed), do(pool.Go, 1))
}

func TestABootThatTakesTooLongFails(t *testing.T) {
	s := begin(t, 1)
	s.pool.Fill(s.now)
	if got, want := s.pool.Deadline(), s.now.Add(30*time.Second); !got.Equal(want) {
		t.Fatalf("deadline: got %v, want %v", got, want)
	}
	s.now = s.pool.Deadline()
	s.expect("tick", s.pool.Tick(s.now), do(pool.Kill, 1))
	if o := s.pool.Outcome(); !o.Failed || !strings.Contains(o.Reason, "boot_timeout") {
		t.Errorf("outcome: got %+v, want failed for boot_timeout", o)
	}
}

func TestProvingSharesTheBootTimeout(t *testing.T) {
	s := begin(t, 1)
	s.pool.Fill(s.now)
	want := s.pool.Deadline()
	s.now = s.now.Add(20 * time.Second)
	s.happens(1, pool.Ready)
	if got := s.pool.Deadline(); !got.Equal(want) {
		t.Errorf("deadline while proving: got %v, want %v", got, want)
	}
}

func TestTheBootTimeoutCountsFromWhenAWorkerHasWhatItNeeds(t *testing.T) {
	s := begin(t, 1)
	s.pool.Fill(s.now)
	s.now = s.now.Add(9 * time.Second)
	s.pool.Equipped(s.now)
	if got, want := s.pool.Deadline(), s.now.Add(30*time.Second); !got.Equal(want) {
		t.Errorf("deadline: got %v, want %v", got, want)
	}
}

func TestAServingWorkerThatEndsIsReplacedAtOnce(t *testing.T) {
	s := begin(t, 1)
	s.serve()
	s.now = s.now.Add(time.Minute)
	s.expect("exit", s.happens(1, pool.Exited), do(pool.Start, 1))
	s.happens(1, pool.Ready)
	s.expect("passed after the release", s.happens(1, pool.Passed), do(pool.Go, 1))
	if w := s.pool.Workers()[0]; w.Restarts != 1 {
		t.Errorf("restarts: got %d, want 1", w.Restarts)
	}
}

func TestASlotThatKeepsFailingWaitsLongerEachTimeUpToTheCap(t *testing.T) {
	s := begin(t, 2)
	s.serve()
	var waits []time.Duration
	s.happens(1, pool.Exited)
	for range 12 {
		s.happens(1, pool.Exited)
		at := s.pool.Deadline()
		waits = append(waits, at.Sub(s.now))
		s.now = at
		s.expect("tick when due", s.pool.Tick(s.now), do(pool.Start, 1))
	}
	if waits[0] != 100*time.Millisecond || waits[1] != 200*time.Millisecond || waits[11] != 5*time.Second {
		t.Errorf("waits: got %v, want 100ms, 200ms … 5s", waits)
	}
	if w := s.pool.Workers()[1]; w.State != pool.Serving {
		t.Errorf("the other worker: got %s, want serving throughout", w.State)
	}
}

func TestAKilledBootHoldsItsSlotUntilTheProcessHasEnded(t *testing.T) {
	s := begin(t, 1)
	s.serve()
	s.expect("exit", s.happens(1, pool.Exited), do(pool.Start, 1))
	s.expect("failed", s.happens(1, pool.Failed), do(pool.Kill, 1))
	s.expect("tick", s.pool.Tick(s.now))
	s.happens(1, pool.Exited)
	s.now = s.pool.Deadline()
	s.expect("when due", s.pool.Tick(s.now), do(pool.Start, 1))
}

func TestScalingStartsAndRetiresTheDifference(t *testing.T) {
	s := begin(t, 1)
	s.serve()
	s.expect("up", s.pool.Scale(s.now, 3), do(pool.Start, 2), do(pool.Start, 3))
	s.happens(2, pool.Ready)
	s.happens(2, pool.Passed)
	s.expect("down", s.pool.Scale(s.now, 1), do(pool.Kill, 3), do(pool.Retire, 2))
	s.happens(3, pool.Exited)
	s.expect("up during the drain", s.pool.Scale(s.now, 2), do(pool.Start, 3))
	s.now = s.now.Add(35 * time.Second)
	s.expect("drain took too long", s.pool.Tick(s.now), do(pool.Kill, 2), do(pool.Kill, 3))
}

func TestAnEventThatCannotHappenIsAnErrorAndChangesNothing(t *testing.T) {
	s := begin(t, 1)
	s.pool.Fill(s.now)
	if _, err := s.pool.Step(s.now, 1, pool.Passed, ""); err == nil {
		t.Error("passed while starting: no error")
	}
	if _, err := s.pool.Step(s.now, 7, pool.Ready, ""); err == nil {
		t.Error("a slot that does not exist: no error")
	}
	if w := s.pool.Workers()[0]; w.State != pool.Starting {
		t.Errorf("state: got %s, want starting", w.State)
	}
}
