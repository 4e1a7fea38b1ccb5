package handover_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"example.com/handover/supervisor/handover"
)

var update = flag.Bool("update", false, "rewrite the diagram in doc.go; commit only what you can explain")

func TestEveryStateAnswersEveryEvent(t *testing.T) {
	t.Parallel()
	if missing := handover.Table.Missing(); len(missing) > 0 {
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
	want := head + mark + handover.Table.Comment() + "package handover\n"
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

// walk feeds events to a new machine and returns it with all actions.
func walk(t *testing.T, events ...handover.Event) (*handover.Machine, []handover.Action) {
	t.Helper()
	m := handover.New(true)
	var all []handover.Action
	for _, e := range events {
		actions, ok := m.Step(e)
		if !ok {
			t.Fatalf("event %q in state %q: refused", e, m.State())
		}
		all = append(all, actions...)
	}
	return m, all
}

func TestReloadsWhileOneRunsBecomeExactlyOneMore(t *testing.T) {
	t.Parallel()
	m, actions := walk(t, handover.Proved, handover.ParentGone, handover.CutOver, handover.ReloadAsked,
		handover.ReloadAsked, handover.ReloadAsked, handover.Refused)
	want := []handover.Action{
		handover.DeclareReady, handover.Release, handover.Conclude, handover.Check,
		handover.Remember, handover.Remember, handover.Conclude, handover.Check,
	}
	if !slices.Equal(actions, want) {
		t.Errorf("actions: got %q, want %q", actions, want)
	}
	if m.State() != handover.Checking || m.Pending() {
		t.Errorf("after the first reload: got %q, pending %v; want checking, not pending", m.State(), m.Pending())
	}
}

func TestAReloadAskedDuringAnUpgradeIsLeftToTheSuccessor(t *testing.T) {
	t.Parallel()
	m, actions := walk(t, handover.Proved, handover.ParentGone, handover.CutOver, handover.ReloadAsked, handover.Accepted,
		handover.ReloadAsked, handover.Upgraded)
	if !m.Pending() || m.State() != handover.Left || actions[len(actions)-1] != handover.HandOn {
		t.Errorf("got pending %v, %q, %q; want pending, left, hand on last", m.Pending(), m.State(), actions)
	}
}

func TestNothingIsReleasedBeforeTheProof(t *testing.T) {
	t.Parallel()
	for _, e := range handover.Table.Events {
		m := handover.New(true)
		actions, _ := m.Step(e)
		if slices.Contains(actions, handover.Release) || slices.Contains(actions, handover.DeclareReady) && e != handover.Proved {
			t.Errorf("booting × %q: released with %q", e, actions)
		}
	}
}

func TestAStopInEveryStateEndsTheMaster(t *testing.T) {
	t.Parallel()
	paths := map[handover.State][]handover.Event{
		handover.Booting:   nil,
		handover.Waiting:   {handover.Proved},
		handover.Cutover:   {handover.Proved, handover.ParentGone},
		handover.Active:    {handover.Proved, handover.ParentGone, handover.CutOver},
		handover.Checking:  {handover.Proved, handover.ParentGone, handover.CutOver, handover.ReloadAsked},
		handover.Upgrading: {handover.Proved, handover.ParentGone, handover.CutOver, handover.ReloadAsked, handover.Accepted},
	}
	for state, path := range paths {
		m, _ := walk(t, path...)
		if m.State() != state {
			t.Fatalf("path to %q led to %q", state, m.State())
		}
		if _, ok := m.Step(handover.StopAsked); !ok {
			t.Errorf("%q × stop asked: refused", state)
		}
		if m.State() == handover.Stopping {
			if _, ok := m.Step(handover.Drained); !ok {
				t.Errorf("stopping × drained after %q: refused", state)
			}
		}
		if m.State() != handover.Left {
			t.Errorf("stop in %q: ended in %q, want left", state, m.State())
		}
	}
}

func TestAStopWithADelayLingersWhereClientsAreServedAndThenDrains(t *testing.T) {
	t.Parallel()
	serving := []handover.Event{handover.Proved, handover.ParentGone}
	active := append(slices.Clone(serving), handover.CutOver)
	for state, path := range map[handover.State][]handover.Event{
		handover.Waiting:   {handover.Proved},
		handover.Cutover:   serving,
		handover.Active:    active,
		handover.Rotating:  append(slices.Clone(active), handover.RotateAsked),
		handover.Checking:  append(slices.Clone(active), handover.ReloadAsked),
		handover.Upgrading: append(slices.Clone(active), handover.ReloadAsked, handover.Accepted),
	} {
		m, _ := walk(t, path...)
		if m.State() != state {
			t.Fatalf("path to %q led to %q", state, m.State())
		}
		asked, _ := m.Step(handover.LeaveAsked)
		if m.State() != handover.Lingering || slices.Contains(asked, handover.Drain) || slices.Contains(asked, handover.Cancel) != (state == handover.Upgrading) {
			t.Errorf("%q × leave asked: %q in %q, want to linger and only an upgrade cancelled", state, asked, m.State())
		}
		// Whatever was under way comes to nothing, and a stop by another way is the same stop.
		for _, e := range []handover.Event{
			handover.Accepted, handover.Refused, handover.UpgradeFailed, handover.Rotated, handover.CutOver,
			handover.ReloadAsked, handover.RotateAsked, handover.LeaveAsked,
		} {
			if actions, ok := m.Step(e); !ok || len(actions) > 0 || m.State() != handover.Lingering {
				t.Errorf("lingering after %q × %q: %q in %q (%v), want nothing", state, e, actions, m.State(), ok)
			}
		}
		if over, _ := m.Step(handover.StopAsked); !slices.Equal(over, []handover.Action{handover.Drain}) || m.State() != handover.Stopping {
			t.Errorf("delay over after %q: %q in %q, want to drain", state, over, m.State())
		}
	}
}

func TestAMasterToldToLeaveBeforeItServesServesForTheDelay(t *testing.T) {
	t.Parallel()
	_, actions := walk(t, handover.Proved, handover.LeaveAsked, handover.ParentGone, handover.StopAsked)
	want := []handover.Action{handover.DeclareReady, handover.Linger, handover.Release, handover.Linger, handover.Drain}
	if !slices.Equal(actions, want) {
		t.Errorf("actions: got %q, want %q", actions, want)
	}
	if m, _ := walk(t, handover.LeaveAsked); m.State() != handover.Left {
		t.Errorf("booting × leave asked: got %q, want left: it serves nobody", m.State())
	}
}

func TestASuccessorThatWinsTheRaceAgainstAStopIsHandedEverything(t *testing.T) {
	t.Parallel()
	m, actions := walk(t, handover.Proved, handover.ParentGone, handover.CutOver, handover.ReloadAsked, handover.Accepted, handover.LeaveAsked, handover.Upgraded)
	if m.State() != handover.Left || actions[len(actions)-1] != handover.HandOn {
		t.Errorf("lingering × upgraded: got %q in %q, want hand on last, left", actions, m.State())
	}
}

func TestABootThatLostItsPredecessorReleasesAsSoonAsItIsProved(t *testing.T) {
	t.Parallel()
	want := []handover.Action{handover.DeclareReady, handover.Release}
	if m, actions := walk(t, handover.ParentGone, handover.Proved); !slices.Equal(actions, want) || m.State() != handover.Cutover {
		t.Errorf("predecessor killed: got %q in %q, want %q in cutover", actions, m.State(), want)
	}
	first := handover.New(false)
	if actions, _ := first.Step(handover.Proved); !slices.Equal(actions, want) || first.State() != handover.Cutover {
		t.Errorf("no predecessor: got %q in %q, want %q in cutover", actions, first.State(), want)
	}
}

func TestAnEventThatCannotHappenKeepsTheState(t *testing.T) {
	t.Parallel()
	m, _ := walk(t, handover.Proved, handover.ParentGone, handover.CutOver)
	if _, ok := m.Step(handover.Upgraded); ok || m.State() != handover.Active {
		t.Errorf("active × upgraded: got ok %v, state %q; want refused, active", ok, m.State())
	}
}
