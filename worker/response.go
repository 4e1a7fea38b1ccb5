package worker

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// response asks the client to close the connection if a drain has begun by the
// time its header is written. It asks as late as that, so that requests which
// were running when the drain began are told too. SetKeepAlivesEnabled(false)
// is no substitute: it closes idle connections at once, under requests that are
// on their way.
//
// A handler reaches all that net/http offers, by http.ResponseController or by
// type assertion.
type response struct {
	http.ResponseWriter
	outcome
	conn     *conn
	draining *atomic.Bool
	body     *body // of the request; nil: none, or one that may pause for ever
	decided  bool
	duplex   bool
}

func (w *response) decide() {
	if w.decided {
		return
	}
	w.decided = true
	// First be found by settle, then look: one of the two sees the other.
	if !w.conn.phase.CompareAndSwap(asked, kept) {
		return // somebody has taken the connection over
	}
	if w.draining.Load() {
		w.conn.phase.Store(told)
		w.Header().Set("Connection", "close")
	}
}

// WriteHeader writes the header. Informational ones say nothing about the
// connection, and that of a switched protocol says "Upgrade" there.
func (w *response) WriteHeader(code int) {
	switch {
	case code == http.StatusSwitchingProtocols:
		w.decided = true
	case code >= http.StatusOK:
		w.decide()
	}
	w.note(code)
	w.ResponseWriter.WriteHeader(code)
}

// Write writes a part of the body.
func (w *response) Write(b []byte) (int, error) {
	w.decide()
	w.note(http.StatusOK)
	w.body.expect()
	defer w.body.relent()
	return w.ResponseWriter.Write(b)
}

// WriteString writes a part of the body without copying it.
func (w *response) WriteString(s string) (int, error) {
	w.decide()
	w.note(http.StatusOK)
	w.body.expect()
	defer w.body.relent()
	return io.WriteString(w.ResponseWriter, s)
}

// ReadFrom copies r to the body; net/http uses sendfile where it can. While a
// request's own body is watched it is copied piece by piece: see body.
func (w *response) ReadFrom(r io.Reader) (int64, error) {
	w.decide()
	w.note(http.StatusOK)
	if w.body.watched() {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	if to, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		return to.ReadFrom(r)
	}
	return io.Copy(struct{ io.Writer }{w.ResponseWriter}, r)
}

// Flush sends what was written so far.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is Flush for http.ResponseController.
func (w *response) FlushError() error {
	w.decide()
	w.note(http.StatusOK)
	w.body.expect()
	defer w.body.relent()
	if w.duplex {
		defer w.body.release()
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// EnableFullDuplex is for http.ResponseController. Without it net/http is done
// with the body when the answer begins, and there is no conversation.
func (w *response) EnableFullDuplex() error {
	w.duplex = true
	return http.NewResponseController(w.ResponseWriter).EnableFullDuplex()
}

// SetReadDeadline is for http.ResponseController.
func (w *response) SetReadDeadline(t time.Time) error {
	if w.body == nil {
		return http.NewResponseController(w.ResponseWriter).SetReadDeadline(t)
	}
	w.body.release()
	return w.conn.handlerDeadline(t)
}

// Hijack hands the connection to the handler; the drain waits for its end.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.decided = true
	c, buffered, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.take()
	}
	return c, buffered, err
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// CloseNotify is for handlers of the time before http.Request.Context; some assert
// that it is there.
func (w *response) CloseNotify() <-chan bool { return closeNotify(w.ResponseWriter) }

// closeNotify asks a wrapped writer; one that has no such channel never tells.
func closeNotify(w http.ResponseWriter) <-chan bool {
	from, ok := w.(interface{ CloseNotify() <-chan bool })
	if !ok {
		return nil
	}
	return from.CloseNotify()
}

// push asks a wrapped writer to send what the client has not asked for yet.
func push(w http.ResponseWriter, target string, options *http.PushOptions) error {
	to, ok := w.(http.Pusher)
	if !ok {
		return http.ErrNotSupported
	}
	return to.Push(target, options)
}
