package worker

import (
	"io"
	"net/http"
	"sync"
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
type body struct {
	io.ReadCloser
	conn  *conn
	pause time.Duration

	// The deadline's mutex guards these.
	waiting int  // how many goroutines wait for a part of it
	late    bool // a read of it has timed out, whoever's it was
}

// Read reads a part, or gives up.
func (b *body) Read(p []byte) (int, error) {
	b.expect()
	defer b.relent()
	return b.ReadCloser.Read(p)
}

// Close has net/http read what is left.
func (b *body) Close() error {
	b.expect()
	defer b.relent()
	return b.ReadCloser.Close()
}

// streamBody is body for HTTP/2, where a connection has many: the deadline is the
// stream's own. To set it for each read would cost a message each; so it is set
// when a timer says that one took too long.
type streamBody struct {
	io.ReadCloser
	pause time.Duration
	timer *time.Timer

	mu      sync.Mutex
	control *http.ResponseController // nil: the handler has returned, and with it what this leads to
}

func newStreamBody(w http.ResponseWriter, r *http.Request, pause time.Duration) *streamBody {
	s := &streamBody{ReadCloser: r.Body, pause: pause, control: http.NewResponseController(w)}
	s.timer = time.AfterFunc(pause, s.cut)
	s.timer.Stop()
	return s
}

// Read reads a part, or gives up.
func (s *streamBody) Read(p []byte) (int, error) {
	s.timer.Reset(s.pause)
	defer s.timer.Stop()
	return s.ReadCloser.Read(p)
}

func (s *streamBody) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control != nil {
		_ = s.control.SetReadDeadline(longAgo)
	}
}

// end is called when the handler has returned.
func (s *streamBody) end() {
	s.timer.Stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.control = nil
}

// withBody calls a handler with a request whose body is another. It is a copy, for
// net/http looks at the body of the one it made; what it looks for in there besides
// is handed back.
func withBody(handler http.Handler, w http.ResponseWriter, r *http.Request, b io.ReadCloser) {
	copied := *r
	copied.Body = b
	defer func() { r.MultipartForm = copied.MultipartForm }()
	handler.ServeHTTP(w, &copied)
}
