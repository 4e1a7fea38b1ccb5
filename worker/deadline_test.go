package worker

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// reminded counts how often it is told of a deadline for reading, and says when
// somebody reads.
type reminded struct {
	net.Conn
	told    atomic.Int64
	reading chan struct{} // nil: nobody wants to know
}

func (r *reminded) SetReadDeadline(t time.Time) error {
	r.told.Add(1)
	return r.Conn.SetReadDeadline(t)
}

func (r *reminded) Read(b []byte) (int, error) {
	if r.reading != nil {
		r.reading <- struct{}{}
	}
	return r.Conn.Read(b)
}

// both returns the two ends of a connection.
func both(t *testing.T) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = l.Close() }()
	theirs, err = net.Dial("tcp", l.Addr().String())
	check(t, err)
	ours, err = l.Accept()
	check(t, err)
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return ours, theirs
}

func TestADeadlineCountsForReadsUnderWayAndForThoseToCome(t *testing.T) {
	t.Parallel()
	ours, theirs := both(t)
	beneath := &reminded{Conn: ours, reading: make(chan struct{}, 1)}
	c := newRoster(new(wire.Slot), nil, limitsOf(wire.Limits{})).add(beneath, false)
	var b [1]byte
	read := func() error {
		_, err := c.Read(b[:])
		<-beneath.reading
		return err
	}
	check(t, c.SetReadDeadline(longAgo))
	if err := read(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read after its deadline: got %v, want that it is over", err)
	}
	check(t, c.SetReadDeadline(time.Now().Add(time.Hour)))
	check(t, c.SetReadDeadline(time.Time{}))
	ended := make(chan error)
	go func() { // ends with the deadline
		_, err := c.Read(b[:])
		ended <- err
	}()
	<-beneath.reading
	check(t, c.SetReadDeadline(longAgo))
	if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read under way: got %v, want it ended by its deadline", err)
	}
	check(t, c.SetReadDeadline(time.Time{}))
	_, err := io.WriteString(theirs, "x")
	check(t, err)
	if err := read(); err != nil || b[0] != 'x' {
		t.Errorf("a read after the deadline was taken back: got %q, %v", b, err)
	}
	check(t, c.Close())
	if err := c.SetReadDeadline(time.Time{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("deadline of a closed connection: got %v, want that it is closed", err)
	}
}

// reminding is a listener for one connection, which it counts the deadlines of.
type reminding struct {
	net.Listener
	*roster
	last chan *reminded
}

func (l reminding) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	beneath := &reminded{Conn: raw}
	l.last <- beneath
	return l.add(beneath, true), nil
}

func TestAConnectionIsToldOfADeadlineNoMoreOftenThanItIsReadOrInterrupted(t *testing.T) {
	t.Parallel()
	s := &server{boot: &boot{slot: new(wire.Slot), log: slog.New(slog.DiscardHandler)}, handlers: newTally()}
	s.roster = newRoster(s.slot, nil, limitsOf(wire.Limits{}))
	s.http = s.serving(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello\n") }))
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	l := reminding{inner, s.roster, make(chan *reminded, 1)}
	served := make(chan struct{})
	go func() { // ends with the server
		defer close(served)
		_ = s.http.Serve(l)
	}()
	defer func() { _ = s.http.Close(); <-served }()
	c, err := net.Dial("tcp", inner.Addr().String())
	check(t, err)
	defer func() { _ = c.Close() }()
	beneath, answers := <-l.last, bufio.NewReader(c)
	const requests = 50
	for range requests {
		_, err := fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		check(t, err)
		response, err := http.ReadResponse(answers, nil)
		check(t, err)
		_, err = io.Copy(io.Discard, response.Body)
		check(t, err)
	}
	// Two reads each, of the request and of what might come behind it, and the end of the second.
	if got := beneath.told.Load(); got > 3*requests+1 {
		t.Errorf("%d requests: told %d times, want 3 each at most", requests, got)
	}
}
