package worker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"example.com/handover/worker/wire"
)

// conn is one connection of the roster, beneath TLS, so that hijacking and
// HTTP/2 change nothing about when it ends. Whoever serves it writes its phase;
// a drain reads it.
type conn struct {
	net.Conn
	roster *roster
	client bool          // and not a probe
	began  time.Duration // since roster.began
	probe  wire.Probe    // how one is to be served; not changed after its start
	closed atomic.Bool
	phase  atomic.Int32
	since  atomic.Int64 // of waiting alone: when it began, since roster.began
	heard  atomic.Int64 // of waiting alone: when it began or a byte last arrived
	framed atomic.Pointer[framedConn]
	chosen atomic.Pointer[tls.Certificate] // nil without TLS, and until its client has spoken
	owing  atomic.Bool                     // the client has said hello, and this side has not answered yet

	// Of the handshake.
	visit   bool         // the client is the master
	refused bool         // no certificate is for it
	alert   atomic.Int32 // that came in the clear: one more than its number; 0: none

	until   deadline
	turning atomic.Bool // has one of the roster's turns
}

// The phases. To http.Server.Shutdown some of them look alike: it drops a request
// whose header is still arriving, on a new connection or an idle one, and it ends
// a connection after an answer although the client was not told.
const (
	waiting = iota // for a request, which may be on its way
	asked          // a handler has the request; a drain can still say close in the answer
	told           // the answer says close
	kept           // the answer does not: the client may come again
	apart          // hijacked, or HTTP/2, which has ways of its own
)

// await begins to wait for a request. A part of it may have been read before, with
// the last one, so this counts as if a byte had arrived.
func (c *conn) await() {
	now := c.roster.now()
	c.since.Store(int64(now))
	c.heard.Store(int64(now))
	c.forgive()
	c.phase.Store(waiting)
}

// observe is http.Server.ConnState. net/http passes what its listener gave,
// x/net/http2 what it serves: TLS may be around it. That net/http is active says
// nothing: it may yet drop the request.
func observe(outer net.Conn, state http.ConnState) {
	c := inner(outer)
	if c == nil {
		return
	}
	switch {
	case state == http.StateHijacked, state == http.StateActive && c.framed.Load() != nil:
		c.phase.Store(apart)
	case state == http.StateIdle && c.framed.Load() == nil:
		c.await()
	}
}

// inner returns the conn beneath TLS, or nil if there is none.
func inner(outer net.Conn) *conn {
	if c, ok := outer.(*conn); ok { // first: it is asked for twice a request
		return c
	}
	if wrapped, ok := outer.(interface{ NetConn() net.Conn }); ok {
		c, _ := wrapped.NetConn().(*conn)
		return c
	}
	return nil
}

// open says whether http.Server.Shutdown would do this connection harm: its client
// was not told to close.
func (c *conn) open() bool {
	phase := c.phase.Load()
	return phase == waiting || phase == kept
}

// over says whether a request need not be waited for any longer: the grace has
// passed, and none is arriving, or too slowly. A drain waits since settling. That
// nothing arrives from a client whom this side owes its half of a handshake says
// nothing: to sign with a large key on a busy machine takes more than a second.
func (c *conn) over(now, settling, grace time.Duration) bool {
	if c.phase.Load() != waiting {
		return false
	}
	end := time.Duration(c.since.Load()) + grace
	return now >= end && (!c.owing.Load() && now-time.Duration(c.heard.Load()) > silence || now > max(settling, end)+settleTimeout)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.read(b)
	if n > 0 && c.phase.Load() == waiting {
		c.heard.Store(int64(c.roster.now()))
		c.noteAlert(b[:n])
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.late()
	}
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	if c.owing.Load() {
		// crypto/tls writes its whole flight at once, when it has signed it.
		c.heard.Store(int64(c.roster.now()))
		c.owing.Store(false)
	}
	c.letGo()
	return c.Conn.Write(b)
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
	if !c.closed.Swap(true) {
		c.roster.remove(c)
	}
	return err
}
