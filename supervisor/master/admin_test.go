package master

import (
	"strings"
	"testing"
	"time"
)

func TestALoopThatDoesNotTurnIsAnAilment(t *testing.T) {
	t.Parallel()
	now, a := time.Now(), &admin{}
	a.seen.Store(&presence{at: now})
	if got := a.ailment(now.Add(turning)); got != "" {
		t.Errorf("a turn %v ago: got %q, want well", turning, got)
	}
	if got := a.ailment(now.Add(10 * time.Second)); !strings.Contains(got, "10s") {
		t.Errorf("a turn 10 s ago: got %q, want an ailment that says so", got)
	}
}
