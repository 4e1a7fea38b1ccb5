package worker

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"
)

// statusGone is what nginx calls it when a handler has answered nothing because
// its client has gone.
const statusGone = 499

// recorded has each client's request written to the access log, if there is one:
// when the handler returns, or takes the connection over.
func (s *server) recorded(handler http.Handler) http.Handler {
	if s.access == nil {
		return handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !connOf(r).client {
			handler.ServeHTTP(w, r)
			return
		}
		rec := &recorder{ResponseWriter: w, log: s.access, entry: newAccessEntry(r, time.Now())}
		defer rec.end(r)
		if r.ProtoMajor == 1 {
			handler.ServeHTTP(hijackable{rec}, r)
		} else {
			handler.ServeHTTP(pushing{rec}, r)
		}
		rec.returned = true
	})
}

// recorder notes what a handler answers. A handler reaches all that net/http
// offers, by http.ResponseController or by type assertion: what it has no part in
// by Unwrap, and only over HTTP/1 is it an http.Hijacker, over HTTP/2 an
// http.Pusher.
type recorder struct {
	http.ResponseWriter
	log      *accessLog
	entry    accessEntry
	status   int // of the answer; 0: none yet
	bytes    int64
	returned bool // the handler did not panic
	written  bool
}

// end writes the line. It is deferred, and does not recover: what a panic does to
// the connection is net/http's.
func (w *recorder) end(r *http.Request) {
	switch {
	case w.written:
		return
	case !w.returned:
		w.entry.aborted = true
		w.began(http.StatusInternalServerError)
	case r.Context().Err() != nil:
		w.began(statusGone)
	default:
		w.began(http.StatusOK)
	}
	if r.Method == http.MethodHead {
		w.bytes = 0 // net/http takes a body and drops it
	}
	w.write()
}

func (w *recorder) write() {
	w.written = true
	w.entry.status, w.entry.bytes = w.status, w.bytes
	w.entry.duration = time.Since(w.entry.began)
	var buf [512]byte
	w.log.write(w.log.how.line(buf[:0], &w.entry))
}

// began notes the status of an answer, once.
func (w *recorder) began(status int) {
	if w.status == 0 {
		w.status = status
	}
}

// WriteHeader writes the header, or an informational one, which is no answer.
func (w *recorder) WriteHeader(code int) {
	if code >= http.StatusOK || code == http.StatusSwitchingProtocols {
		w.began(code)
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write writes a part of the body.
func (w *recorder) Write(b []byte) (int, error) {
	w.began(http.StatusOK)
	n, err := w.ResponseWriter.Write(b)
	w.bytes += int64(n)
	return n, err
}

// WriteString writes a part of the body without copying it.
func (w *recorder) WriteString(s string) (int, error) {
	w.began(http.StatusOK)
	n, err := io.WriteString(w.ResponseWriter, s)
	w.bytes += int64(n)
	return n, err
}

// ReadFrom copies r to the body; net/http uses sendfile where it can.
func (w *recorder) ReadFrom(r io.Reader) (int64, error) {
	w.began(http.StatusOK)
	to, ok := w.ResponseWriter.(io.ReaderFrom)
	if !ok {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	n, err := to.ReadFrom(r)
	w.bytes += n
	return n, err
}

// Flush sends what was written so far.
func (w *recorder) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *recorder) FlushError() error {
	w.began(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// CloseNotify is that of response.
func (w *recorder) CloseNotify() <-chan bool { return closeNotify(w.ResponseWriter) }

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// hijackable is a recorder over HTTP/1.
type hijackable struct{ *recorder }

// Hijack hands the connection to the handler. What passes over it from here on is
// nobody's to count, and may last for days: so the line is written now.
func (w hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && !w.written {
		w.began(http.StatusSwitchingProtocols)
		w.write()
	}
	return c, buffered, err
}

// pushing is a recorder over HTTP/2.
type pushing struct{ *recorder }

// Push sends what the client has not asked for yet.
func (w pushing) Push(target string, options *http.PushOptions) error {
	return push(w.ResponseWriter, target, options)
}
