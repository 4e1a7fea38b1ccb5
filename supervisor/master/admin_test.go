package master

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/status"
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

func TestMetricsThatCannotBeCollectedAreAnErrorAndLogged(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	answer := httptest.NewRecorder()
	tell(answer, &status.Status{Workers: []status.Worker{{State: "no \xff text"}}}, slog.New(slog.NewTextHandler(&lines, nil)))
	if answer.Code != 500 || !strings.Contains(answer.Body.String(), "collect metrics") || !strings.Contains(lines.String(), "level=ERROR") {
		t.Errorf("got %d %q and log %q, want 500 and an error in both", answer.Code, answer.Body, &lines)
	}
	answer = httptest.NewRecorder()
	tell(answer, &status.Status{Generation: 4}, slog.New(slog.DiscardHandler))
	if answer.Code != 200 || !strings.Contains(answer.Body.String(), "\nhandover_generation 4\n") {
		t.Errorf("got %d %q, want 200 and the metrics", answer.Code, answer.Body)
	}
}
