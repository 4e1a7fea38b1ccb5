package master

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/handover/supervisor/page"
	"example.com/handover/supervisor/status"
)

func TestALoopThatDoesNotTurnIsAnAilment(t *testing.T) {
	t.Parallel()
	now, a := time.Now(), &admin{}
	a.seen.Store(&presence{at: now})
	if got := a.ailment(now.Add(turning)); got != "" {
		t.Errorf("a turn %v ago: got %q, want well", turning, got)
	}
	if got := a.ailment(now.Add(10 * time.Second)); !strings.Contains(got, "10s") {
		t.Errorf("a turn 10 s ago: got %q, want an ailment that says so", got)
	}
}

// listening returns a listening socket as an admin server takes it, and its address.
func listening(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, l.Addr().String()
}

// TestAMasterThatLeavesWithAllConnectionsOpenLogsNoFailure has every connection
// that may be open be open, so that the accept loop waits for one to end.
func TestAMasterThatLeavesWithAllConnectionsOpenLogsNoFailure(t *testing.T) {
	t.Parallel()
	f, address := listening(t)
	var lines strings.Builder
	log := slog.New(slog.NewTextHandler(&lines, nil))
	a, err := newAdmin(f, log, func(context.Context) (*status.Status, error) { return &status.Status{}, nil })
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{}, adminConnections)
	counted := a.http.ConnState
	a.http.ConnState = func(c net.Conn, s http.ConnState) {
		if counted(c, s); s == http.StateNew {
			opened <- struct{}{}
		}
	}
	a.start(log)
	for range adminConnections {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		<-opened
	}
	a.leave(nil)
	a.finish()
	a.open.Wait()
	if lines.Len() > 0 {
		t.Errorf("got %q, want no word of a failure", &lines)
	}
}

// TestARequestWhoseBodyNeverComesHoldsNoConnection has clients announce a body and
// send none: on all connections that may be open they would lock everybody out.
func TestARequestWhoseBodyNeverComesHoldsNoConnection(t *testing.T) {
	t.Parallel()
	f, _ := listening(t)
	for _, path := range []string{"/healthz", "/metrics", "/nothing", "/events"} {
		synctest.Test(t, func(t *testing.T) {
			log := slog.New(slog.DiscardHandler)
			a, err := newAdmin(f, log, func(context.Context) (*status.Status, error) { return &status.Status{}, nil })
			if err != nil {
				t.Fatal(err)
			}
			_ = a.l.Close()
			client, peer := net.Pipe()
			connections := make(pipes, 1)
			connections <- peer
			a.l = connections
			a.seen.Store(&presence{at: time.Now()})
			close(a.oriented)
			p := &pages{admin: a, log: log, places: make(chan struct{}, 1), live: func(context.Context) (<-chan *page.View, error) { return nil, errLeaving }}
			a.mux.HandleFunc("GET "+page.Events, p.follow)
			a.start(log)
			begun := time.Now()
			if _, err := io.WriteString(client, "GET "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, client)
			if took := time.Since(begun); took > adminTimeout {
				t.Errorf("%s: ended after %v, want at most %v", path, took, adminTimeout)
			}
			_ = client.Close()
			close(connections)
			a.finish()
		})
	}
}
