package worker

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// deadline is until when a connection may be read from: as whoever serves it has
// set that, and as we have. It is for use by several goroutines.
//
// The connection beneath is told when somebody reads, and not before: net/http sets
// six of them for each request of a connection that is kept alive, and reads twice.
type deadline struct {
	mu      sync.Mutex
	theirs  time.Time
	writes  time.Time // theirs too
	ours    time.Time // of a part of a body or, over HTTP/2, of a header; zero: none
	shaking time.Time // of a handshake, which is no header: the others count afterwards; zero: it is over
	body    *body     // the one that is watched; nil: none
	stalled bool      // a body was not read to its end; what comes later on is no request
	readers int       // how many goroutines read
	beneath time.Time // as the connection beneath has it
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// SetReadDeadline sets the deadline of whoever serves the connection.
//
// Within a request net/http sets one, none, when it has read the body to its end
// and begins to wait for the client's; it says so nowhere else. The other time is
// when it interrupts a read, with a deadline long ago that it takes back.
func (c *conn) SetReadDeadline(t time.Time) error {
	u := &c.until
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.body != nil && !t.Equal(longAgo) && !u.theirs.Equal(longAgo) {
		u.unwatch()
	}
	u.theirs = t
	return c.apply()
}

// SetWriteDeadline sets theirs for writing, which counts after the handshake.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.until.mu.Lock()
	defer c.until.mu.Unlock()
	c.until.writes = t
	if !c.until.shaking.IsZero() {
		return nil
	}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline sets both.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetWriteDeadline(t), c.SetReadDeadline(t))
}

// allow gives the client so much time from now for what it has begun; 0: any.
func (c *conn) allow(d time.Duration) {
	c.until.mu.Lock()
	defer c.until.mu.Unlock()
	c.until.ours = time.Time{}
	if d > 0 {
		c.until.ours = time.Now().Add(d)
	}
	_ = c.apply()
}

// handlerDeadline is SetReadDeadline for a handler.
func (c *conn) handlerDeadline(t time.Time) error {
	c.until.mu.Lock()
	defer c.until.mu.Unlock()
	c.until.theirs = t
	return c.apply()
}

// counts returns the one that counts.
func (u *deadline) counts() time.Time {
	switch {
	case !u.shaking.IsZero():
		return u.shaking
	case !u.ours.IsZero() && (u.theirs.IsZero() || u.ours.Before(u.theirs)):
		return u.ours
	}
	return u.theirs
}

// apply has the one that counts hold for reads that are under way. Those to come see
// to it themselves.
func (c *conn) apply() error {
	if c.until.readers == 0 {
		if c.closed.Load() {
			return net.ErrClosed // as the connection beneath would say
		}
		return nil
	}
	return c.tell()
}

func (c *conn) tell() error {
	t := c.until.counts()
	if t == c.until.beneath { // also if it has passed: then it still has
		return nil
	}
	c.until.beneath = t
	return c.Conn.SetReadDeadline(t)
}

// read reads with the deadline that counts.
func (c *conn) read(b []byte) (int, error) {
	u := &c.until
	u.mu.Lock()
	u.readers++
	_ = c.tell() // else the read fails as well
	u.mu.Unlock()
	n, err := c.Conn.Read(b)
	u.mu.Lock()
	u.readers--
	u.mu.Unlock()
	return n, err
}

// watch begins to watch the body of a request, in which a client may pause for so
// long.
func (c *conn) watch(r io.ReadCloser, pause time.Duration) *body {
	b := &body{ReadCloser: r, conn: c, pause: pause}
	c.until.mu.Lock()
	defer c.until.mu.Unlock()
	c.until.body = b
	return b
}

// unwatch ends that: the body changes nothing any more. A read may outlive its
// request, and then it has no share in the next one.
func (u *deadline) unwatch() {
	u.body = nil
	if !u.stalled {
		u.ours = time.Time{}
	}
}

// late notes that a read has timed out. What of a body is to come is lost then.
func (c *conn) late() {
	c.until.mu.Lock()
	defer c.until.mu.Unlock()
	if b := c.until.body; b != nil {
		b.late = true
	}
}

// forgive ends the watch: the request is over. net/http ignores a timeout in what
// it reads last of a body, and would take the rest for the next request: so
// nothing more is read.
func (c *conn) forgive() {
	u := &c.until
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.body == nil {
		return
	}
	if u.body.late {
		u.stalled, u.ours = true, longAgo
	}
	u.unwatch()
	_ = c.apply()
}

// shake begins the handshake of a client, which has its own time for it. Whoever
// serves the connection does the same a moment later and waits for this one: so
// this holds whoever that is, and net/http's limit for headers begins after it.
// The goroutine ends with the handshake, or at its limit.
func (c *conn) shake(outer *tls.Conn) {
	c.until.mu.Lock()
	c.until.shaking = time.Now().Add(c.roster.limits.Handshake)
	_, _ = c.apply(), c.Conn.SetWriteDeadline(c.until.shaking)
	c.until.mu.Unlock()
	go func() {
		err := outer.Handshake()
		c.letGo()
		c.until.mu.Lock()
		c.until.shaking = time.Time{}
		_, _ = c.apply(), c.Conn.SetWriteDeadline(c.until.writes)
		c.until.mu.Unlock()
		c.shaken(outer, err)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = c.Close()
		}
	}()
}

// turn waits until this client may have its half of the handshake computed. Only
// as many are computed at once as there are CPUs: more would be no faster, and
// each that can run makes the requests of other clients wait for it. Probes need
// not wait.
func (c *conn) turn() error {
	if !c.client || c.turning.Load() {
		return nil
	}
	c.roster.turns <- struct{}{}
	c.turning.Store(true)
	c.until.mu.Lock()
	late := !c.until.shaking.IsZero() && time.Now().After(c.until.shaking)
	c.until.mu.Unlock()
	if late {
		return os.ErrDeadlineExceeded // the client has gone, or will have
	}
	return nil
}

// letGo ends the turn, if there is one.
func (c *conn) letGo() {
	if c.turning.Load() && c.turning.Swap(false) {
		<-c.roster.turns
	}
}
