package master

import (
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

func TestTheAnchorIsToldOfTheDelayAsAPartOfTheStop(t *testing.T) {
	t.Parallel()
	c := &config.Config{ShutdownDelay: time.Minute, GracefulTimeout: 30 * time.Second}
	if got, least := longestStop(c), 90*time.Second; got <= least || got > least+time.Minute {
		t.Errorf("longest stop: got %v, want a little more than %v", got, least)
	}
}
