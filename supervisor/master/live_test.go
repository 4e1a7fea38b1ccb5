package master

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/page"
	"example.com/handover/supervisor/status"
)

// seen is the text of a view.
func seen(t *testing.T, v *page.View) string {
	t.Helper()
	var b strings.Builder
	if err := page.Write(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAViewerWhoReadsSlowlySeesTheNewestAndHoldsUpNobody(t *testing.T) {
	t.Parallel()
	now := time.Now()
	m := &master{machine: handover.New(false), output: newOutput(), events: make(chan func(), 64), over: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	views := m.attendPage(ctx, now)
	m.attendPage(t.Context(), now)
	for n := range 100 { // nobody reads
		m.degraded = strings.Repeat("x", n)
		m.live.cost = 0 // of this machine
		m.show(now.Add(time.Duration(n) * time.Second))
	}
	if !m.showDue().IsZero() {
		t.Errorf("due at %v, want nothing due after all was shown", m.showDue())
	}
	m.live.cost = 0
	m.past.Started = now.Add(-1000 * time.Hour)
	m.generation = 77
	m.show(now.Add(99*time.Second + shownApart/2))
	if got, want := m.showDue(), now.Add(99*time.Second+shownApart); !got.Equal(want) {
		t.Errorf("a change just after another: due at %v, want %v", got, want)
	}
	m.show(now.Add(99*time.Second + shownApart))
	if text := seen(t, <-views); !strings.Contains(text, "Up 41 days") {
		t.Errorf("got %s, want the newest view", text)
	}
	m.live.cost = time.Second // of ever so many workers
	for n := range 1000 {
		m.generation = n
		m.show(now.Add(100*time.Second + time.Duration(n)*time.Millisecond))
	}
	if got, want := m.showDue(), now.Add(99*time.Second+shownApart+shownShare*time.Second); !got.Equal(want) {
		t.Errorf("a thousand changes after a look that took a second: due at %v, want %v", got, want)
	}
	cancel()
	(<-m.events)()
	if got := len(m.live.viewers); got != 1 {
		t.Errorf("%d viewers after one of two has gone, want 1", got)
	}
}

// pipes is a listener for connections that hold nothing back.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}
func (p pipes) Close() error   { return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{} }

func TestAViewerWhoReadsNothingIsDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		views := make(chan *page.View, 1)
		views <- page.Of(&status.Status{State: "serving", Generation: 1}, time.Now())
		a := &admin{oriented: make(chan struct{})}
		a.leaving, a.part = context.WithCancel(context.Background())
		close(a.oriented)
		p := &pages{admin: a, log: slog.New(slog.DiscardHandler), places: make(chan struct{}, 1), live: func(context.Context) (<-chan *page.View, error) { return views, nil }}
		ended := make(chan time.Time, 1)
		server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.follow(w, r)
			ended <- time.Now()
		})}
		l := make(pipes, 1)
		client, peer := net.Pipe()
		l <- peer
		close(l)
		served := make(chan struct{})
		go func() { // ends with the listener
			defer close(served)
			_ = server.Serve(l)
		}()
		begun := time.Now()
		if _, err := io.WriteString(client, "GET /events HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		if took := (<-ended).Sub(begun); took < viewerLimit || took > viewerLimit+time.Second {
			t.Errorf("dropped after %v, want %v", took, viewerLimit)
		}
		_ = client.Close()
		_ = server.Close()
		<-served
	})
}

func TestAMasterThatLeavesEndsItsStreams(t *testing.T) {
	t.Parallel()
	a := &admin{oriented: make(chan struct{}), l: pipes(nil)}
	a.leaving, a.part = context.WithCancel(context.Background())
	close(a.oriented)
	begun := make(chan struct{})
	p := &pages{admin: a, log: slog.New(slog.DiscardHandler), places: make(chan struct{}, 1), live: func(context.Context) (<-chan *page.View, error) {
		close(begun)
		return make(chan *page.View), nil
	}}
	w := &flushed{header: http.Header{}}
	ended := make(chan struct{})
	go func() { // ends with the stream
		defer close(ended)
		p.follow(w, (&http.Request{Method: http.MethodGet}).WithContext(t.Context()))
	}()
	<-begun
	a.leave(nil)
	<-ended
	if got := w.String(); got != page.Greeting {
		t.Errorf("got %q, want the greeting alone", got)
	}
}

// flushed is an answer that is kept.
type flushed struct {
	strings.Builder
	header http.Header
}

func (f *flushed) Header() http.Header              { return f.header }
func (f *flushed) WriteHeader(int)                  {}
func (f *flushed) Flush()                           {}
func (f *flushed) SetWriteDeadline(time.Time) error { return nil }

func TestWhoeverAsksHasTheMasterGiveBackMemoryAfterwards(t *testing.T) {
	t.Parallel()
	m := benchMaster(t, 1, time.Now().Add(time.Hour))
	m.stirred = time.Time{} // it has, since something last happened
	m.publish()
	if m.stirred.IsZero() {
		t.Error("got nothing to give back, want it done when nobody asks any more")
	}
}
