package harness

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// BodySize is how large a posted body is.
const BodySize = 16 << 10

// Load says which clients ask at once.
type Load struct {
	New     int           // a connection for each request, GET and POST in turn
	Kept    int           // keep-alive, POST
	Think   time.Duration // of a keep-alive client, at most
	Streams int           // concurrent HTTP/2 streams on each of H2 connections, GET and POST in turn
	H2      int
	Rest    time.Duration // of a new-connection client between requests
}

// Running is a load at work. Stop ends it; a test that fails before is stopped
// by its cleanup.
type Running struct {
	*record
	i       *Instance
	load    Load
	ctx     context.Context
	cancel  context.CancelFunc
	clients sync.WaitGroup
}

// Load starts clients and returns when each kind has been answered.
func (i *Instance) Load(t testing.TB, l Load) *Running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &Running{record: &record{}, i: i, load: l, ctx: ctx, cancel: cancel}
	t.Cleanup(func() { r.Stop() })
	for range l.New {
		r.clients.Go(r.dialling)
	}
	for range l.Kept {
		r.clients.Go(r.keeping)
	}
	for range l.H2 {
		r.clients.Go(r.streaming)
	}
	Until(t, "first answers", 20*time.Second, func() error {
		got := r.report()
		return Unless(got.Requests >= l.New+l.Kept+l.H2 || len(got.Losses) > 0, "%d answers", got.Requests)
	})
	return r
}

// Stop lets each client finish its request, and reports.
func (r *Running) Stop() Report {
	r.cancel()
	r.clients.Wait()
	return r.report()
}

// Reached waits for so many answers.
func (r *Running) Reached(t testing.TB, requests int, limit time.Duration) {
	t.Helper()
	Until(t, fmt.Sprintf("%d answers", requests), limit, func() error {
		got := r.report()
		return Unless(got.Requests >= requests, "%d", got.Requests)
	})
}

// SoFar is the report of a load that goes on.
func (r *Running) SoFar() Report { return r.report() }

// More waits for another so many answers, so that the load is known to run.
func (r *Running) More(t testing.TB, requests int) {
	t.Helper()
	r.Reached(t, r.report().Requests+requests, 30*time.Second)
}

// pause waits up to limit, a random time, or until the load ends.
func (r *Running) pause(limit time.Duration) {
	if limit <= 0 {
		return
	}
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
	}
}

// dialling is a client that connects for each request.
func (r *Running) dialling() {
	for n := 0; r.ctx.Err() == nil; n++ {
		c, err := r.i.Dial()
		if err != nil {
			r.lost("new", err, Sighting{})
			r.pause(20 * time.Millisecond) // a refusal must not become a busy loop
			continue
		}
		r.connected(c.Sighting)
		if err := ask(c.Do, n); err != nil {
			r.lost("new", err, c.Sighting)
		} else {
			r.answered()
		}
		c.Close()
		r.pause(r.load.Rest)
	}
}

// keeping is a client that keeps its connection until the server announces the
// end. A connection that ends otherwise costs the next request.
func (r *Running) keeping() {
	var c *Conn
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for n := 0; r.ctx.Err() == nil; n++ {
		if c == nil {
			dialled, err := r.i.Dial()
			if err != nil {
				r.lost("kept", err, Sighting{})
				r.pause(20 * time.Millisecond)
				continue
			}
			c = dialled
			r.connected(c.Sighting)
		}
		announced := false
		err := ask(func(method, path string, body []byte) (Answer, error) {
			a, err := c.Do(method, path, body)
			announced = a.Close
			return a, err
		}, n|1)
		if err != nil {
			r.lost("kept", err, c.Sighting)
		} else {
			r.answered()
		}
		if err != nil || announced {
			c.Close()
			c = nil
		}
		r.pause(r.load.Think)
	}
}

// ask sends a GET for even n, else a POST whose answer must be its body.
func ask(do func(method, path string, body []byte) (Answer, error), n int) error {
	method, path, body := "GET", "/health", []byte(nil)
	if n%2 == 1 {
		method, path, body = "POST", "/", Body()
	}
	a, err := do(method, path, body)
	switch {
	case err != nil:
		return err
	case a.Status != 200:
		return fmt.Errorf("%s %s: status %d: %.80s", method, path, a.Status, a.Body)
	case body != nil && !bytes.Equal(a.Body, body):
		return fmt.Errorf("%s %s: %d bytes came back for %d, or others", method, path, len(a.Body), len(body))
	}
	return nil
}

// Body is a random body, so that an answer cannot be somebody else's.
func Body() []byte {
	b := make([]byte, BodySize)
	for n := 0; n < len(b); n += 8 {
		v := rand.Uint64()
		for k := range 8 {
			b[n+k] = byte(v >> (8 * k))
		}
	}
	return b
}
