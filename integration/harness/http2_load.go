package harness

import (
	"errors"
	"sync"
	"time"
)

// streaming keeps one HTTP/2 connection busy, and dials the next when the
// server has announced that it leaves.
func (r *Running) streaming() {
	for r.ctx.Err() == nil {
		h, err := r.i.DialH2()
		if err != nil {
			r.lost("h2", err, Sighting{})
			r.pause(20 * time.Millisecond)
			continue
		}
		r.connected(h.Sighting)
		var streams sync.WaitGroup
		for n := range max(1, r.load.Streams) {
			streams.Go(func() { r.stream(h, n) })
		}
		streams.Wait()
		h.Close()
	}
}

// stream asks until the connection is to be left. A lost request does not end
// it: what the other streams meet is worth knowing too.
func (r *Running) stream(h *H2, n int) {
	for ; r.ctx.Err() == nil; n++ {
		err := ask(func(method, path string, body []byte) (Answer, error) {
			return h.Do(method, path, body, func() { r.pause(2 * time.Millisecond) })
		}, n)
		switch {
		case errors.Is(err, ErrLeaving):
			return
		case err != nil:
			r.lost("h2", err, h.Sighting)
		default:
			r.answered()
		}
	}
}
