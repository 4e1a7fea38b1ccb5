package control

import (
	"context"
	"errors"
	"testing"

	"example.com/handover/supervisor/status"
)

// kinds is what is followed in place of a reload, and how the backend hears it.
var kinds = []struct {
	name  string
	ask   func(ctx context.Context, path string) *reloading
	heard string
}{
	{"rotation", func(ctx context.Context, path string) *reloading {
		return rotate(ctx, path, RotateRequest{Allow: []string{"name.lost"}, NewTickets: true})
	}, "rotate name.lost true"},
	{"rollback", func(ctx context.Context, path string) *reloading {
		return rollback(ctx, path, RollbackRequest{Name: "*.exämple org", Undo: true, Allow: []string{"name.lost"}})
	}, `rollback "*.exämple org" true name.lost`},
}

func TestRotationsAndRollbacksAreFollowedAsReloadsAre(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			path := socket(t)
			b := &instance{events: make(chan status.Event)}
			serve(t, listenAt(t, path), b)
			r := k.ask(patience(t), path)
			b.events <- status.Event{ID: "r1", Step: &status.Step{Name: "certificates"}}
			b.events <- end(4)
			r.wait(t, 4, "certificates")
			if got := b.notes(); got != k.heard {
				t.Errorf("got %q, want %q", got, k.heard)
			}
		})
	}
}

func TestWhatALeavingMasterIsAskedItsSuccessorDoes(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			path := socket(t)
			l := listenAt(t, path)
			before := &instance{leaving: true, first: make(chan string, 1)}
			after := &instance{events: make(chan status.Event)}
			s := serve(t, l, before)
			r := k.ask(patience(t), path)
			if got := <-before.first; got != k.heard {
				t.Errorf("the leaving master got %q, want %q", got, k.heard)
			}
			s.Stop(patience(t))
			serve(t, l, after)
			after.events <- status.Event{ID: "r1"}
			after.events <- end(5)
			r.wait(t, 5)
			if got := after.notes(); got != k.heard {
				t.Errorf("the successor got %q, want %q", got, k.heard)
			}
		})
	}
}

func TestARotationIsFollowedToTheNextMaster(t *testing.T) {
	t.Parallel()
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			path := socket(t)
			l := listenAt(t, path)
			before := &instance{events: make(chan status.Event)}
			after := &instance{events: make(chan status.Event)}
			s := serve(t, l, before)
			r := k.ask(patience(t), path)
			before.events <- status.Event{ID: "r1", Step: &status.Step{Name: "certificates"}}
			before.events <- status.Event{Moved: true}
			s.Stop(patience(t))
			serve(t, l, after)
			after.events <- end(5)
			r.wait(t, 5, "certificates")
			if got := after.notes(); got != "follow r1 after 1" {
				t.Errorf("the next master got %q, want the same one after step 1", got)
			}
		})
	}
}

func TestOfTwoAsksForOneRotationTheSecondIsHarmless(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	killed := &instance{events: make(chan status.Event)}
	restarted := &instance{events: make(chan status.Event)}
	s := serve(t, l, killed)
	r := kinds[0].ask(patience(t), path)
	killed.events <- status.Event{} // it has asked
	stopNow(s)
	serve(t, l, restarted)
	restarted.events <- status.Event{ID: "r1"}
	restarted.events <- end(6)
	r.wait(t, 6)
	if got := restarted.notes(); got != kinds[0].heard {
		t.Errorf("the restarted master got %q, want the rotation", got)
	}
}

// TestARollbackIsNeverAskedForTwice: it would go back twice.
func TestARollbackIsNeverAskedForTwice(t *testing.T) {
	t.Parallel()
	path := socket(t)
	l := listenAt(t, path)
	killed := &instance{events: make(chan status.Event)}
	s := serve(t, l, killed)
	r := kinds[1].ask(patience(t), path)
	killed.events <- status.Event{} // it has asked
	stopNow(s)
	if err := <-r.done; !errors.Is(err, ErrUnknownOutcome) {
		t.Errorf("got %v, want ErrUnknownOutcome", err)
	}
	if got := killed.notes(); got != kinds[1].heard {
		t.Errorf("the master got %q, want one rollback", got)
	}
}
