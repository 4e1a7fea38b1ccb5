package bench

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// work is what one client of a kind does until a moment; it returns how many
// requests were answered.
type work struct {
	key      string
	protocol string
	clients  int
	do       func(c client, until time.Time) (int, error)
}

var works = []work{
	{"new", "http/1.1", 8, dialAgainAndAgain},
	{"kept", "http/1.1", 16, askAgainAndAgain},
	{"h2", "h2", 4, streamAgainAndAgain},
}

// dialAgainAndAgain makes a connection for each request, with a full handshake.
func dialAgainAndAgain(c client, until time.Time) (answered int, err error) {
	for time.Now().Before(until) {
		if _, err := c.once(); err != nil {
			return answered, err
		}
		answered++
	}
	return answered, nil
}

// askAgainAndAgain asks over one connection, and over the next when the server
// announces that it leaves, as some do after so many requests.
func askAgainAndAgain(c client, until time.Time) (answered int, err error) {
	for time.Now().Before(until) {
		n, err := c.askOver(until)
		answered += n
		if err != nil {
			return answered, err
		}
		if n == 1 && time.Now().Before(until) {
			return answered, fmt.Errorf("keep a connection: the server closes it after one request")
		}
	}
	return answered, nil
}

func (c client) askOver(until time.Time) (answered int, err error) {
	conn, err := c.dial()
	if err != nil {
		return 0, err
	}
	defer conn.close()
	conn.patient(time.Until(until) + patience)
	for !conn.leaving {
		if err := conn.ask(); err != nil {
			return answered, err
		}
		answered++
		// The time is looked at now and then: it costs as much as a part of a request.
		if answered%16 == 0 && time.Now().After(until) {
			break
		}
	}
	return answered, nil
}

// measureWork returns requests a second and the server's CPU for each. Clocks
// start before the first dial and stop when the last client is done.
func (s *subject) measureWork(w work, span time.Duration) (perSecond float64, cpu time.Duration, err error) {
	c := s.client(w.protocol)
	var all sync.WaitGroup
	var answered atomic.Int64
	failed := make(chan error, w.clients)
	before, begun := cpuOf(s.Processes()), time.Now()
	for range w.clients {
		all.Go(func() {
			n, err := w.do(c, begun.Add(span))
			answered.Add(int64(n))
			if err != nil {
				failed <- err
			}
		})
	}
	all.Wait()
	took := time.Since(begun)
	cpu = cpuOf(s.Processes()) - before
	close(failed)
	n := answered.Load()
	if err := <-failed; err != nil || n == 0 {
		return 0, 0, fmt.Errorf("measure %s: %d answered: %v", w.key, n, err)
	}
	return float64(n) / took.Seconds(), cpu / time.Duration(n), nil
}

// clockTick is how the kernel counts CPU time in /proc, on every architecture.
const clockTick = 10 * time.Millisecond

// cpuOf is the CPU time that processes have used, and those of their children that
// have ended: what goes from one to the other stays in the sum.
func cpuOf(processes []harness.Process) time.Duration {
	var sum time.Duration
	for _, p := range processes {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.Pid))
		if err != nil {
			continue // it has ended; its parent has its time
		}
		// utime, stime, cutime and cstime of proc_pid_stat(5), counted after the name.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:15] {
			n, _ := strconv.ParseInt(field, 10, 64)
			sum += time.Duration(n) * clockTick
		}
	}
	return sum
}

// throughput measures each kind of work in rounds, the peers in turn.
func (b *bench) throughput(t *testing.T) {
	subjects := b.start(t, 2, nil)
	for _, w := range works {
		for n := range b.effort.heavy {
			b.progress("  %s, round %d", w.key, n+1)
			b.each(t, able(subjects, w), func(s *subject) error {
				rate, cpu, err := s.measureWork(w, b.effort.span)
				if err != nil {
					return err
				}
				b.add(w.key, s.name(), rate)
				b.add(w.key+" CPU", s.name(), float64(cpu)/float64(time.Microsecond))
				return nil
			})
		}
		for _, s := range subjects {
			s.failed = false // who keeps no connection may still do the next kind
		}
	}
}

// able returns those who speak the protocol of a work.
func able(subjects []*subject, w work) []*subject {
	var found []*subject
	for _, s := range subjects {
		if w.protocol != "h2" || s.Peer.HTTP2 {
			found = append(found, s)
		}
	}
	return found
}
