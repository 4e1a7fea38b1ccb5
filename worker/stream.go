package worker

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// streamBody is body for HTTP/2, where a connection has many: the deadline is the
// stream's own. To set it for each read would cost a message each; so it is set
// when a timer says that one took too long.
type streamBody struct {
	io.ReadCloser
	pause time.Duration
	timer *time.Timer

	mu      sync.Mutex
	control *http.ResponseController // nil: nothing is watched any more
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

// release ends the watch: the handler has returned, and with it what the control
// leads to, or sees to the time itself.
func (s *streamBody) release() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.control = nil
}

// serveStream serves an HTTP/2 request, whose body may pause for so long; 0: for ever.
func serveStream(handler http.Handler, w *streamResponse, r *http.Request, pause time.Duration) {
	if pause == 0 {
		handler.ServeHTTP(w, r)
		return
	}
	w.body = newStreamBody(w.ResponseWriter, r, pause)
	defer w.body.release()
	withBody(handler, w, r, w.body)
}

// streamResponse is the answer to an HTTP/2 request. A handler reaches all that
// x/net/http2 offers, as with response.
type streamResponse struct {
	http.ResponseWriter
	outcome
	body *streamBody // that is watched; nil: none
}

// WriteHeader writes the header, or an informational one.
func (w *streamResponse) WriteHeader(code int) {
	w.note(code)
	w.ResponseWriter.WriteHeader(code)
}

// Write writes a part of the body.
func (w *streamResponse) Write(b []byte) (int, error) {
	w.note(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// SetReadDeadline is for http.ResponseController.
func (w *streamResponse) SetReadDeadline(t time.Time) error {
	w.body.release()
	return http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
}

// WriteString writes a part of the body without copying it.
func (w *streamResponse) WriteString(s string) (int, error) {
	w.note(http.StatusOK)
	return io.WriteString(w.ResponseWriter, s)
}

// Flush sends what was written so far.
func (w *streamResponse) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *streamResponse) FlushError() error {
	w.note(http.StatusOK)
	w.body.release()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// CloseNotify is that of response.
func (w *streamResponse) CloseNotify() <-chan bool { return closeNotify(w.ResponseWriter) }

// Push sends what the client has not asked for yet.
func (w *streamResponse) Push(target string, options *http.PushOptions) error {
	return push(w.ResponseWriter, target, options)
}

// Unwrap is for http.ResponseController.
func (w *streamResponse) Unwrap() http.ResponseWriter { return w.ResponseWriter }
