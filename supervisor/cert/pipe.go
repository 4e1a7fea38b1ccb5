package cert

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"
)

// newPipe returns the two ends of a connection in memory. Unlike net.Pipe's,
// its writes never wait for a reader: a side that gives a handshake up says so
// while the other may still be writing, and the two would wait for each other.
func newPipe() (a, b net.Conn) {
	there, back := newStream(), newStream()
	return &end{in: back, out: there}, &end{in: there, out: back}
}

// stream is one direction, safe for use by several goroutines.
type stream struct {
	mu      sync.Mutex
	changed *sync.Cond
	buffer  bytes.Buffer
	closed  bool
}

func newStream() *stream {
	s := &stream{}
	s.changed = sync.NewCond(&s.mu)
	return s
}

func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.changed.Broadcast()
}

// end is one end of the pipe.
type end struct{ in, out *stream }

// Read returns what was written before the other end closed, then io.EOF.
func (e *end) Read(p []byte) (int, error) {
	e.in.mu.Lock()
	defer e.in.mu.Unlock()
	for e.in.buffer.Len() == 0 && !e.in.closed {
		e.in.changed.Wait()
	}
	return e.in.buffer.Read(p)
}

func (e *end) Write(p []byte) (int, error) {
	e.out.mu.Lock()
	defer e.out.mu.Unlock()
	if e.out.closed {
		return 0, io.ErrClosedPipe
	}
	e.out.changed.Broadcast()
	return e.out.buffer.Write(p)
}

func (e *end) Close() error {
	e.in.close()
	e.out.close()
	return nil
}

// Deadlines are not needed: Close ends every wait.
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }
func (e *end) LocalAddr() net.Addr              { return &net.UnixAddr{} }
func (e *end) RemoteAddr() net.Addr             { return &net.UnixAddr{} }
