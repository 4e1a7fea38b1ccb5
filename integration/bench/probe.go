package bench

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"example.com/handover/integration/harness"
)

// sighting is what one probe met: a new connection, one request, the end.
type sighting struct {
	dialled     time.Time // when it was begun
	shown       time.Time // when its handshake had ended
	fingerprint string    // of what it was shown; "": it came to no handshake
	err         error
}

// probes is a light load of new connections, paced: each goroutine has its own
// times, so that one that has to wait delays no other.
type probes struct {
	client client
	stop   chan struct{} // closed by end
	all    sync.WaitGroup
	mu     sync.Mutex // guards met
	met    []sighting
}

const (
	probesPerSecond = 500
	probers         = 8
)

// probe starts the load and returns when it has been answered.
func (c client) probe() (*probes, error) {
	p := &probes{client: c, stop: make(chan struct{})}
	for n := range probers {
		p.all.Go(func() { p.run(time.Duration(n) * time.Second / probesPerSecond) })
	}
	err := harness.Await(patience, func() error {
		met := p.seen()
		if n, err := failures(met); n > 0 {
			return fmt.Errorf("%d of %d probes failed, such as: %v", n, len(met), err)
		}
		return harness.Unless(len(met) > probers, "%d probes have come back", len(met))
	})
	if err != nil {
		p.end()
	}
	return p, err
}

func (p *probes) run(delay time.Duration) {
	const apart = probers * time.Second / probesPerSecond
	for next := time.Now().Add(delay); ; next = next.Add(apart) {
		sleepUntil(next)
		select {
		case <-p.stop:
			return
		default:
		}
		if late := time.Since(next); late > apart {
			next = next.Add(late.Truncate(apart)) // what was missed is not made up for in a burst
		}
		p.one()
	}
}

func (p *probes) one() {
	s := sighting{dialled: time.Now()}
	var c *connection
	if c, s.err = p.client.once(); c != nil {
		s.shown, s.fingerprint = c.shaken, c.fingerprint()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.met = append(p.met, s)
}

// seen returns what was met so far, in no order.
func (p *probes) seen() []sighting {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.met)
}

// end ends the load and returns what was met.
func (p *probes) end() []sighting {
	close(p.stop)
	p.all.Wait()
	return p.seen()
}

// failures counts the probes that got no answer, and returns what one met.
func failures(met []sighting) (count int, example error) {
	for _, s := range met {
		if s.err != nil {
			count, example = count+1, s.err
		}
	}
	return count, example
}

// among says whether a fingerprint is one that may be shown in a turn.
func (t turn) among(fingerprint string) error {
	return harness.Unless(fingerprint == t.old || fingerprint == t.fresh,
		"shown %.12s, neither the old %.12s nor the new %.12s", fingerprint, t.old, t.fresh)
}

// passed is what probes met of a turn.
type passed struct {
	first  time.Duration // from asking to the end of the first handshake with the new certificate
	last   time.Duration // from asking to the last dial that met the old one, 0 if there was none
	mixed  time.Duration // from the first dial that met the new one to the last that met the old one; less than from a dial to the next is not seen
	failed int
}

func (t turn) passed(met []sighting) (passed, error) {
	var firstShown, firstNew, lastOld time.Time
	var p passed
	var example error
	p.failed, example = failures(met)
	for _, s := range met {
		switch {
		case s.fingerprint == "":
		case t.among(s.fingerprint) != nil:
			return p, t.among(s.fingerprint)
		case s.fingerprint == t.old && s.dialled.After(lastOld):
			lastOld = s.dialled
		case s.fingerprint == t.fresh:
			firstNew, firstShown = earlier(firstNew, s.dialled), earlier(firstShown, s.shown)
		}
	}
	if firstNew.IsZero() {
		return p, fmt.Errorf("wait for the new certificate: none of %d probes was shown it, %d failed, such as: %v", len(met), p.failed, example)
	}
	p.first = max(0, firstShown.Sub(t.asked)) // one that reads the files for each connection may be ahead
	p.last = max(0, lastOld.Sub(t.asked))
	p.mixed = max(0, lastOld.Sub(firstNew))
	return p, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// over is the condition that a turn is over: the new certificate has been met, and
// the old one no more for a while.
func (t turn) over(p *probes, quiet time.Duration) error {
	seen := p.seen()
	got, err := t.passed(seen)
	if err != nil {
		return err
	}
	since := time.Since(t.asked) - max(got.first, got.last)
	return harness.Unless(since > quiet, "the old certificate was met %v ago", since)
}
