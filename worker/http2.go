package worker

// x/net/http2 is deprecated in favour of the copy inside net/http. That copy
// cannot be given a connection of our own and so cannot say the first GOAWAY.
//lint:file-ignore SA1019 the replacement loses requests in flight at a drain

import (
	"context"
	"crypto/tls"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
)

// framedConn is an HTTP/2 connection into which a drain slips its farewell.
type framedConn struct {
	*tls.Conn
	leaving atomic.Bool // say farewell at the next place for it
	told    func()      // called once it was said; may be nil

	mu       sync.Mutex // one write at a time
	frames   follower
	patience time.Duration // how long the client may take nothing of what it is sent
	until    time.Time     // when that ends, as the connection beneath has it

	// Of the goroutine that reads.
	beneath *conn
	preface int // bytes of it to come
	heard   follower
	pending bool
}

// Read reads what the client says, and gives it its time for a header: from its
// first byte, in however many frames it comes.
//
// x/net/http2 would have it answer a ping, which it cannot within a frame. But nor
// can it before it has read all that was sent before, and that may be megabytes
// which lie in the sockets: a slow client was cut in the middle of its download.
// That a client has gone without a word is for TCP to find out, as over HTTP/1.
func (c *framedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	skip := min(c.preface, n)
	c.preface -= skip
	was, places := c.pending, c.heard.places
	c.heard.follow(b[skip:n])
	c.pending = c.heard.pending()
	switch another := c.heard.places != places; {
	case c.pending && (another || !was):
		c.beneath.allow(c.beneath.roster.limits.Header)
	case was && !c.pending:
		c.beneath.allow(0)
	}
	return n, err
}

// Write writes what the server says. Until a drain begins it only counts.
func (c *framedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.leaving.Load() {
		c.frames.follow(b)
		return c.send(b)
	}
	before := c.frames.goneBye
	if _, err := c.send(c.frames.splice(b)); err != nil {
		return 0, err // of TLS: final, so how far it came does not matter
	}
	if c.frames.goneBye && !before && c.told != nil {
		c.told()
	}
	return len(b), nil
}

// send writes with a deadline. It is put off only now and then, so that a client has
// a sixteenth less time at worst: x/net/http2 would set it before each write, and take
// it back after.
func (c *framedConn) send(b []byte) (int, error) {
	if now := time.Now(); c.until.Sub(now) < c.patience-c.patience/16 {
		c.until = now.Add(c.patience)
		if err := c.Conn.SetWriteDeadline(c.until); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(b)
}

// leave says farewell: at once on an idle connection, otherwise with the write
// that ends the frame. A client that does not read blocks it, for as long as any
// other write.
func (c *framedConn) leave() {
	c.leaving.Store(true)
	_, _ = c.Write(nil)
}

// What an HTTP/2 client is held to besides.
const (
	streamsEach  = 250
	frameSize    = 16 << 10    // the least that is allowed; each connection keeps a buffer of the largest it has seen
	writeTimeout = time.Minute // in which it takes nothing of what it is sent
)

// configureHTTP2 puts x/net/http2 in place of net/http's own, over framedConns.
// It is told of another server's Shutdown: the second GOAWAY does not wait for
// HTTP/1 clients.
func (s *server) configureHTTP2() error {
	s.streams = &http.Server{IdleTimeout: s.roster.limits.Idle}
	h2 := &http2.Server{
		MaxConcurrentStreams: streamsEach,
		MaxReadFrameSize:     frameSize,
	}
	if err := http2.ConfigureServer(s.streams, h2); err != nil {
		return err
	}
	serve := func(hs *http.Server, c *tls.Conn, h http.Handler) {
		framed := &framedConn{Conn: c, beneath: inner(c), preface: len(http2.ClientPreface), patience: writeTimeout}
		// First be found by announce, then look: one of the two sees the other.
		framed.beneath.framed.Store(framed)
		h2 := h2
		if s.draining.Load() {
			h2 = s.late(h2, framed)
			framed.leaving.Store(true)
		}
		opts := &http2.ServeConnOpts{BaseConfig: hs, Handler: h}
		// net/http passes the connection's context by a method of its handler.
		if with, ok := h.(interface{ BaseContext() context.Context }); ok {
			opts.Context = with.BaseContext()
		}
		h2.ServeConn(framed, opts)
	}
	s.http.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){http2.NextProtoTLS: serve}
	return nil
}

// late gives a connection that registers in a drain a server of its own, and so a
// second GOAWAY of its own, a whole grace after the first: that of all the others
// may come at any moment, before this client can have read the first.
func (s *server) late(like *http2.Server, c *framedConn) *http2.Server {
	streams := &http.Server{IdleTimeout: s.streams.IdleTimeout}
	h2 := *like
	if err := http2.ConfigureServer(streams, &h2); err != nil {
		return like // impossible: that one was configured just so
	}
	c.told = func() {
		time.AfterFunc(s.settings.KeepaliveGrace, func() { _ = streams.Shutdown(context.Background()) })
	}
	return &h2
}

// announce tells every HTTP/2 client to open no more streams here. Each is told
// by a goroutine of its own, for one may not be reading.
func (s *server) announce() {
	for _, c := range s.roster.each(func(c *conn) bool { return c.framed.Load() != nil }) {
		go c.framed.Load().leave()
	}
}
