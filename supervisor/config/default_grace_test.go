package config

import (
	"testing"
	"time"
)

func TestADefaultGraceIsNoLongerThanTheTimeoutThatWasAskedFor(t *testing.T) {
	t.Parallel()
	c, err := parse("/f.toml", "graceful_timeout = \"3s\"")
	if err != nil {
		t.Fatal(err)
	}
	if c.KeepaliveGrace != 3*time.Second {
		t.Errorf("keepalive_grace: got %v, want 3s", c.KeepaliveGrace)
	}
}
