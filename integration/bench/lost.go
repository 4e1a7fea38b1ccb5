package bench

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/handover/integration/harness"
)

// crowd is clients at full load that never retry: loops with a connection for each
// request, and connections that are kept until the server announces its leave or
// is seen to have closed between two requests. A request is lost when its answer
// did not come, whatever the reason; so is a connection that was refused or whose
// handshake failed.
type crowd struct {
	client client
	stop   chan struct{} // closed by end
	all    sync.WaitGroup
	mu     sync.Mutex // guards the two
	fresh  tally
	kept   tally
}

// tally is what clients of one kind met.
type tally struct {
	answered  int
	lost      int
	refused   int // of those lost: the dial itself
	clean     int // connections closed between requests and seen in time
	announced int // connections closed after an answer that said so
	reasons   map[string]int
}

func (t *tally) add(err error) {
	if err == nil {
		t.answered++
		return
	}
	t.lost++
	if t.reasons == nil {
		t.reasons = map[string]int{}
	}
	t.reasons[reason(err)]++
	if reason(err) == "dial refused" {
		t.refused++
	}
}

// String lists why requests were lost.
func (t *tally) String() string {
	var list []string
	for _, why := range slices.Sorted(maps.Keys(t.reasons)) {
		list = append(list, fmt.Sprintf("%d × %s", t.reasons[why], why))
	}
	return strings.Join(list, ", ")
}

const think = 2 * time.Millisecond // of a kept connection, at most

// crowd starts so many clients of each kind.
func (c client) crowd(fresh, kept int) *crowd {
	load := &crowd{client: c, stop: make(chan struct{})}
	for range fresh {
		load.all.Go(load.dialling)
	}
	for range kept {
		load.all.Go(load.keeping)
	}
	return load
}

// end lets each client finish its request.
func (l *crowd) end() (fresh, kept tally) {
	close(l.stop)
	l.all.Wait()
	return l.fresh, l.kept
}

// pause waits, or returns false at the end of the load.
func (l *crowd) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.stop:
		return false
	case <-timer.C:
		return true
	}
}

func (l *crowd) note(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f()
}

func (l *crowd) dialling() {
	for rest := time.Duration(0); l.pause(rest); {
		_, err := l.client.once()
		l.note(func() { l.fresh.add(err) })
		if rest = 0; err != nil {
			rest = 20 * time.Millisecond // a refusal must not become a busy loop
		}
	}
}

func (l *crowd) keeping() {
	var c *connection
	for rest := time.Duration(0); l.pause(rest); rest = rand.N(think) {
		if c != nil && c.ended() {
			l.note(func() { l.kept.clean++ })
			c.close()
			c = nil
		}
		var err error
		if c == nil {
			c, err = l.client.dial()
		}
		if err == nil {
			c.patient(patience)
			err = c.ask()
		}
		l.note(func() { l.kept.add(err) })
		if err != nil {
			rest = 20 * time.Millisecond
		} else if c.leaving {
			l.note(func() { l.kept.announced++ })
		}
		if c != nil && (err != nil || c.leaving) {
			c.close()
			c = nil
		}
	}
	if c != nil {
		c.close()
	}
}

// ended says whether the server has closed the connection: a client that looks
// before it writes need not lose its request to that.
func (c *connection) ended() bool {
	raw, err := c.raw.(unixConn).SyscallConn()
	if err != nil {
		return true
	}
	var found error
	var first [1]byte
	_ = raw.Read(func(fd uintptr) bool {
		_, _, found = unix.Recvfrom(int(fd), first[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return true
	})
	if found == unix.EAGAIN {
		return false
	}
	// The end, or an alert that says so; a ticket that came late leaves the read waiting.
	c.patient(50 * time.Millisecond)
	_, err = c.tls.Read(first[:])
	return !isTimeout(err)
}

// losses reloads under full load, each peer by itself: the loads of two would share
// the machine.
func (b *bench) losses(t *testing.T) {
	b.alone(t, nil, func(t *testing.T, p Peer) error {
		s := begin(t, p, 1, 2)
		load := s.client("http/1.1").crowd(8, 16)
		done, err := s.reloadAgainAndAgain(b.effort.reloads)
		fresh, kept := load.end()
		if err != nil {
			return err
		}
		b.progress("    %d reloads: %d answered, lost %d (%v); kept: %d answered, lost %d (%v)", done, fresh.answered, fresh.lost, &fresh, kept.answered, kept.lost, &kept)
		for name, value := range map[string]int{
			"lost new": fresh.lost, "asked new": fresh.answered, "lost kept": kept.lost, "asked kept": kept.answered,
			"clean": kept.clean, "announced": kept.announced, "reloads": done,
		} {
			b.add(name, p.Name, float64(value))
		}
		return nil
	})
}

// reloadAgainAndAgain reloads so often, each time when the one before is over for
// new connections and, within five seconds, for old ones.
func (s *subject) reloadAgainAndAgain(reloads int) (done int, err error) {
	for done = range reloads {
		t, err := s.turnOver(s.changeAll)
		if err != nil {
			return done, err
		}
		if _, err := s.served(); err != nil {
			return done, err
		}
		sleepUntil(t.asked.Add(500 * time.Millisecond))
		_ = harness.Await(5*time.Second, s.Settled)
	}
	return reloads, nil
}
