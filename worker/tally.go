package worker

import (
	"context"
	"sync/atomic"
)

// tally counts what must have ended before a drain is over.
type tally struct {
	n    atomic.Int64
	none chan struct{} // holds a token when the last one ended
}

func newTally() *tally { return &tally{none: make(chan struct{}, 1)} }

func (t *tally) begin() { t.n.Add(1) }

func (t *tally) end() {
	if t.n.Add(-1) > 0 {
		return
	}
	select {
	case t.none <- struct{}{}:
	default:
	}
}

// wait waits until there are none, or ctx is done, and returns how many there are.
func (t *tally) wait(ctx context.Context) int64 {
	for {
		left := t.n.Load()
		if left == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return left
		case <-t.none:
		}
	}
}
