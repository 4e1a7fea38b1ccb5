package worker

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handover/worker/wire"
)

// roster knows every open connection of this worker: those that http.Server has
// in hand, and the hijacked ones that it has forgotten.
type roster struct {
	slot    *wire.Slot
	began   time.Time
	clients atomic.Int64
	changed chan struct{} // holds a token when a client's connection was closed

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// conn counts one connection, beneath TLS, so that hijacking and HTTP/2 change
// nothing about when it ends.
type conn struct {
	net.Conn
	roster *roster
	client bool // and not a probe
	closed atomic.Bool
	fresh  atomic.Bool  // no request has arrived yet
	heard  atomic.Int64 // while fresh: when a byte last arrived, since roster.began
	framed atomic.Pointer[framedConn]
}

func newRoster(slot *wire.Slot) *roster {
	return &roster{slot: slot, began: time.Now(), changed: make(chan struct{}, 1), conns: map[*conn]struct{}{}}
}

// add puts a connection on the roster until it is closed.
func (r *roster) add(raw net.Conn, client bool) *conn {
	c := &conn{Conn: raw, roster: r, client: client}
	c.fresh.Store(true)
	c.heard.Store(int64(time.Since(r.began)))
	r.mu.Lock()
	r.conns[c] = struct{}{}
	r.mu.Unlock()
	if client {
		r.clients.Add(1)
		r.slot.Connections.Add(1)
	}
	return c
}

// observe is http.Server.ConnState: a connection is fresh until its first
// request. net/http passes what its listener gave, x/net/http2 what it serves:
// TLS may be around it.
func (r *roster) observe(outer net.Conn, state http.ConnState) {
	if state == http.StateNew {
		return
	}
	if c := inner(outer); c != nil && c.fresh.Load() {
		c.fresh.Store(false)
	}
}

// inner returns the conn beneath TLS, or nil if there is none.
func inner(outer net.Conn) *conn {
	if wrapped, ok := outer.(interface{ NetConn() net.Conn }); ok {
		outer = wrapped.NetConn()
	}
	c, _ := outer.(*conn)
	return c
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

// waitEmpty waits until no client is connected, or ctx is done. It returns how
// many still are.
func (r *roster) waitEmpty(ctx context.Context) int64 {
	for {
		left := r.clients.Load()
		if left == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return left
		case <-r.changed:
		}
	}
}

// settle waits until every connection has had its first request, closing those
// that have been silent for longer than silence, and at ctx's end the rest.
func (r *roster) settle(ctx context.Context, silence time.Duration) {
	ticker := time.NewTicker(silence / 8)
	defer ticker.Stop()
	for {
		fresh := r.each(func(c *conn) bool { return c.fresh.Load() })
		if len(fresh) == 0 {
			return
		}
		limit := int64(time.Since(r.began) - silence)
		for _, c := range fresh {
			if ctx.Err() != nil || c.heard.Load() < limit {
				_ = c.Close()
			}
		}
		if ctx.Err() != nil {
			return
		}
		select {
		case <-ctx.Done():
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

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.fresh.Load() {
		c.heard.Store(int64(time.Since(c.roster.began)))
	}
	return n, err
}

// ReadFrom keeps sendfile and splice in reach of plain connections.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if to, ok := c.Conn.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{c.Conn}, r)
}

// CloseWrite is how net/http ends a connection whose client is still sending.
func (c *conn) CloseWrite() error {
	if to, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return to.CloseWrite()
	}
	return nil
}

// Close closes the connection and takes it off the roster, once.
func (c *conn) Close() error {
	err := c.Conn.Close()
	if c.closed.Swap(true) {
		return err
	}
	r := c.roster
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
	if !c.client {
		return err
	}
	r.slot.Connections.Add(-1)
	r.clients.Add(-1)
	select {
	case r.changed <- struct{}{}:
	default:
	}
	return err
}
