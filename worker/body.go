package worker

import (
	"io"
	"net/http"
	"slices"
	"time"
)

// body is that of an HTTP/1 request. A client that pauses for too long ends it;
// one that goes on sending may take as long as it needs, and a handler may think
// for as long as it likes between two reads.
//
// net/http reads from it as well, what a handler left, when it writes the header
// of the answer, when the body is closed and after the handler: so those are
// watched too. Once it is read to its end it must not be watched: then net/http
// waits on the connection for its end, all through the handler. Only the
// connection hears of that: see conn.SetReadDeadline.
//
// A handler that sets a read deadline sees to the time itself. One that flushes in
// full duplex is in a conversation, in which both may be silent. Of these bodies
// only what net/http reads last is watched.
type body struct {
	io.ReadCloser
	conn  *conn
	pause time.Duration

	// The deadline's mutex guards these.
	waiting  int  // how many goroutines wait for a part of it
	released bool // the handler sees to the time itself
	late     bool // a read of it has timed out, whoever's it was
}

// Read reads a part, or gives up.
func (b *body) Read(p []byte) (int, error) {
	b.expect()
	defer b.relent()
	return b.ReadCloser.Read(p)
}

// Close has net/http read what is left.
func (b *body) Close() error {
	b.expectRest()
	defer b.relent()
	return b.ReadCloser.Close()
}

// watched says whether the handler may have to wait for some of it.
func (b *body) watched() (yes bool) {
	b.change(func(*deadline) { yes = !b.released })
	return yes
}

// expect gives the client until a pause from now to send a part, unless the
// handler sees to that.
func (b *body) expect() {
	b.change(func(u *deadline) {
		if b.waiting++; !b.released {
			u.ours = b.due()
		}
	})
}

// expectRest does so in any case: what is left is read by net/http.
func (b *body) expectRest() {
	b.change(func(u *deadline) {
		b.waiting++
		u.ours = b.due()
	})
}

// relent takes one of these back.
func (b *body) relent() {
	b.change(func(u *deadline) {
		if b.waiting--; b.waiting == 0 {
			u.ours = time.Time{}
		}
	})
}

// release has the handler see to the time.
func (b *body) release() {
	b.change(func(u *deadline) {
		b.released = true
		u.ours = time.Time{}
	})
}

func (b *body) due() time.Time {
	if b.late {
		return longAgo
	}
	return time.Now().Add(b.pause)
}

// change changes the deadline, as long as this is the body that counts.
func (b *body) change(f func(*deadline)) {
	if b == nil {
		return
	}
	u := &b.conn.until
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.body == b {
		f(u)
		_ = b.conn.apply()
	}
}

// withBody calls a handler with a request whose body is another. It is a copy, for
// net/http looks at the body of the one it made; what it looks for in there besides
// is handed back. Trailers that were not declared it puts there too, at the end of
// the body: so the two share the map for them.
func withBody(handler http.Handler, w http.ResponseWriter, r *http.Request, b io.ReadCloser) {
	if r.Trailer == nil && slices.Contains(r.TransferEncoding, "chunked") {
		r.Trailer = http.Header{}
	}
	copied := *r
	copied.Body = b
	defer func() { r.MultipartForm = copied.MultipartForm }()
	handler.ServeHTTP(w, &copied)
}
