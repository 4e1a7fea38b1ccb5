package master

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"example.com/handover/supervisor/config"
)

func TestOnlyATimeoutIsSilence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("answered 503 Service Unavailable, want 2xx or 3xx"), false},
		{fmt.Errorf("no answer: %w", io.EOF), false},
		{fmt.Errorf("no answer: %w", &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}), true},
		{fmt.Errorf("handshake: %w", context.DeadlineExceeded), true},
	} {
		if got := isSilence(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}

func TestAsManyRequestsAreDrawnAsTheConfigSaysAndTheJitterAllows(t *testing.T) {
	t.Parallel()
	m := &master{config: config.Default()}
	if got := m.drawRequests(); got != 0 {
		t.Errorf("without max_requests: got %d, want 0", got)
	}
	m.config.MaxRequests, m.config.MaxJitter = 100, 5
	seen := map[int]bool{}
	for range 1000 {
		n := m.drawRequests()
		seen[n] = true
		if n < 100 || n > 105 {
			t.Fatalf("got %d, want 100 to 105", n)
		}
	}
	if len(seen) != 6 {
		t.Errorf("got %d different numbers in 1000 draws, want all 6", len(seen))
	}
}
