package master

import (
	"os"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

func TestAReloadIsCountedWithItsTimeAndItsFindings(t *testing.T) {
	t.Parallel()
	m := &master{}
	began := time.Unix(1_800_000_000, 0)
	ended := func(kind, outcome, by string, unchanged bool) {
		m.countReload(status.Reload{
			Kind: kind, Outcome: outcome, AskedBy: by, Unchanged: unchanged, Started: began, Finished: began.Add(300 * time.Millisecond),
			Checks: []status.Check{{Name: "pair.mismatch", Severity: "refuse"}},
		})
		began = began.Add(time.Minute)
	}
	ended(status.KindReload, status.OutcomeDone, bySignal, false)
	ended(status.KindRotate, status.OutcomeRefused, byWatch, false)
	c := &m.past.Counts
	if c.Failed != status.KindRotate || c.Attempt.Sub(c.Success) != time.Minute {
		t.Errorf("after a refusal: got %q failed, attempt %v, success %v", c.Failed, c.Attempt, c.Success)
	}
	ended(status.KindRotate, status.OutcomeDone, byWatch, true) // the files are again what is served
	if c.Failed != "" || c.Attempt.Sub(c.Success) != time.Minute || m.past.Reloads[status.KindRotate][status.OutcomeDone] != 0 {
		t.Errorf("after a look that found nothing new: got %q failed, and %v, want no failure and nothing counted", c.Failed, m.past.Reloads)
	}
	ended(status.KindReload, status.OutcomeRefused, bySignal, false)
	ended(status.KindRotate, status.OutcomeDone, byWatch, true)
	if c.Failed != status.KindReload {
		t.Errorf("a look at the certificates: got %q failed, want the reload, whose config may be the reason", c.Failed)
	}
	if h := c.ReloadSeconds[status.KindReload]; h.Counts[4] != 2 || h.Sum < 0.59 || h.Sum > 0.61 {
		t.Errorf("times of reloads: got %+v, want two of 0.3 s, up to 0.5", h)
	}
	if got := c.Findings["pair.mismatch"]["refuse"]; got != 3 {
		t.Errorf("findings: got %d, want 3", got)
	}
}

// A successor learns only when it takes over what its predecessor counted last.
func TestABootThatIsTimedBeforeTheTakeoverIsNotLostByIt(t *testing.T) {
	t.Parallel()
	m := &master{machine: handover.New(true), output: newOutput()}
	m.noteBoot(&worker{started: time.Now()})
	words := state{Version: wire.Version, Counts: status.Counts{MasterRestarts: 2}}
	words.Counts.Boots.Observe(0.2, bootBounds...)
	text, f, err := words.encode()
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	m.takeWords(text)
	m.countBoots()
	c := m.counts()
	total := uint64(0)
	for _, n := range c.Boots.Counts {
		total += n
	}
	if total != 2 || c.MasterRestarts != 2 || len(c.ReloadSeconds) != 3 {
		t.Errorf("got %+v, want two boots, two restarts and the times of every kind of reload", c)
	}
}

// A killed master takes nothing along that its workers have counted: it is kept
// before the next worker is started in the place of one that has ended.
func TestWhatAWorkerHasCountedIsKeptWithItsEnd(t *testing.T) {
	t.Parallel()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	check(err)
	ours, err := wire.NewPackets(os.NewFile(uintptr(pair[0]), "master"))
	check(err)
	anchor, err := wire.NewPackets(os.NewFile(uintptr(pair[1]), "anchor"))
	check(err)
	defer func() { _ = anchor.Close() }()
	counters, f, err := wire.CreateCounters(1)
	check(err)
	defer func() { _ = f.Close(); _ = counters.Close() }()
	m := &master{machine: handover.New(false), config: config.Default(), counters: counters, anchor: &anchorLink{packets: ours}}
	for _, e := range []handover.Event{handover.Proved, handover.ParentGone} {
		m.machine.Step(e)
	}
	counters.Slot(1).Requests.Store(5)
	counters.Slot(1).Connections.Store(2)
	m.countWorker(1)
	check(ours.Close())
	packet, err := anchor.Receive()
	if err != nil || len(packet.Files) != 1 {
		t.Fatalf("got %+v, %v, want a state to be kept", packet, err)
	}
	kept, err := readState(packet.Files[0])
	if err != nil || kept.Requests != 5 || kept.Counts.ConnectionsLost != 2 || counters.Slot(1).Requests.Load() != 0 {
		t.Errorf("kept %d requests and %d lost connections, %v, want 5 and 2 once", kept.Requests, kept.Counts.ConnectionsLost, err)
	}
}

func TestWhatANeighbourMeasuresIsHandedOn(t *testing.T) {
	t.Parallel()
	meters, f, err := wire.CreateMeters(3)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close(); _ = meters.Close() }()
	meters.Slot(1).Add(wire.Responses4xx, 4)
	meters.Slot(2).Observe(3 * time.Millisecond)
	m := &master{past: state{Measured: map[string]uint64{"moods.merry": 7, wire.Responses4xx.String(): 1}}}
	m.countDrained(&drainRecord{Generation: 3, Workers: []workerID{{Slot: 1}, {Slot: 2}}, meters: meters})
	traffic := m.traffic()
	if m.past.Measured["moods.merry"] != 7 || traffic.Responses["4xx"] != 5 || traffic.Duration.Counts[3] != 1 || traffic.Duration.Sum != 0.003 {
		t.Errorf("got %v and %+v", m.past.Measured, traffic)
	}
}

func TestTheTimeOfManyStreamsDoesNotGoBelowZero(t *testing.T) {
	t.Parallel()
	if got := trafficOf(map[string]uint64{wire.DurationSum.String(): 1 << 63}).Duration.Sum; got < 9e12 {
		t.Errorf("got %v s of 1<<63 µs", got)
	}
}

// Who is killed in a handover leaves no words; nobody but its successor counts it.
func TestAPredecessorThatIsKilledIsCounted(t *testing.T) {
	t.Parallel()
	m := &master{past: state{Counts: status.Counts{MasterRestarts: 2}}}
	m.takeWords(nil)
	if got := m.past.Counts.MasterRestarts; got != 3 {
		t.Errorf("got %d restarts, want 3", got)
	}
}

func TestAHistogramOfOtherBoundsBeginsAnew(t *testing.T) {
	t.Parallel()
	h := status.NewHistogram(1, 2)
	h.Observe(1, 1, 2)
	h.Observe(1, 1, 2, 3)
	if len(h.Counts) != 4 || h.Counts[0] != 1 || h.Sum != 1 {
		t.Errorf("got %+v, want one observation", h)
	}
}
