package worker

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"

	"example.com/handover/worker/wire"
)

// roster knows every open connection of this worker: those that http.Server has
// in hand, and the hijacked ones that it has forgotten.
type roster struct {
	slot    *wire.Slot
	meter   *wire.Meter // nil: the master has none
	limits  wire.Limits
	began   time.Time
	clients *tally
	freed   chan struct{} // holds a token when a client may have gone
	turns   chan struct{} // holds a token for each handshake that is being computed
	haste   haste

	mu    sync.Mutex
	conns map[*conn]struct{}
}

func newRoster(slot *wire.Slot, meter *wire.Meter, limits wire.Limits) *roster {
	return &roster{
		slot: slot, meter: meter, limits: limits, began: time.Now(), clients: newTally(), conns: map[*conn]struct{}{},
		freed: make(chan struct{}, 1), turns: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
}

// room waits until one client more may be connected, or either of two channels is
// closed. A client that nobody accepts waits in the socket, where another worker
// finds it. With several sockets each may be about to accept one: so there can be
// one too many for each but the first.
func (r *roster) room(over, closed <-chan struct{}) bool {
	for r.clients.n.Load() >= int64(r.limits.Connections) {
		select {
		case <-over:
			return false
		case <-closed:
			return false
		case <-r.freed:
		}
	}
	r.tellFreed() // whoever else waits looks for itself
	return true
}

func (r *roster) tellFreed() {
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// now is the time since the roster began, which fits an atomic.
func (r *roster) now() time.Duration { return time.Since(r.began) }

// add puts a connection on the roster until it is closed.
func (r *roster) add(raw net.Conn, client bool) *conn {
	c := &conn{Conn: raw, roster: r, client: client, began: r.now()}
	c.await()
	r.mu.Lock()
	r.conns[c] = struct{}{}
	r.mu.Unlock()
	if client {
		r.clients.begin()
		r.slot.Connections.Add(1)
	}
	return c
}

func (r *roster) remove(c *conn) {
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	if c.client {
		r.slot.Connections.Add(-1)
		now := r.now()
		r.haste.note(now, now-c.began)
		r.clients.end()
		r.tellFreed()
	}
}

// each returns the open connections that f holds for.
func (r *roster) each(f func(*conn) bool) []*conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []*conn
	for c := range r.conns {
		if f(c) {
			found = append(found, c)
		}
	}
	return found
}

// settle waits until http.Server.Shutdown drops no request any more, or ctx is
// done. It closes connections on which no request comes.
func (r *roster) settle(ctx context.Context, grace time.Duration) {
	ticker := time.NewTicker(silence / 16)
	defer ticker.Stop()
	began := r.now()
	for {
		open := r.each((*conn).open)
		if len(open) == 0 {
			return
		}
		now := r.now()
		for _, c := range open {
			if c.over(now, began, grace) {
				_ = c.Close()
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// cut closes every connection.
func (r *roster) cut() {
	for _, c := range r.each(func(*conn) bool { return true }) {
		_ = c.Close()
	}
}

// abandon counts every client's connection as cut: the process is about to end.
func (r *roster) abandon() {
	left := r.clients.n.Load()
	r.meter.Add(wire.ConnectionsCut, uint64(max(0, left)))
	r.slot.Connections.Add(-left) // or the master would count them as lost
}
