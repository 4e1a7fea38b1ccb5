package bench

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// calm is how long no new connection must have met the old certificate for a turn
// to count as over. The longest overlap that is known is nginx's, of 100 ms.
const calm = 300 * time.Millisecond

// reloadOnce measures one reload under probes: every pair is another one.
func reloadOnce(s *subject) (passed, error) {
	if err := s.settle(); err != nil { // of the round before
		return passed{}, err
	}
	p, err := s.client("http/1.1").probe()
	if err != nil {
		return passed{}, err
	}
	t, err := s.turnOver(s.changeAll)
	if err == nil {
		err = harness.Await(20*time.Second, func() error { return t.over(p, calm) })
	}
	met := p.end()
	if err != nil {
		return passed{}, err
	}
	return t.passed(met)
}

// reloads adds rounds of reloads, the peers in turn, and the start of one Go worker
// in each round, which the first figure is set to as well.
func (b *bench) reloads(t testing.TB, workers int) {
	t.Helper()
	subjects := b.start(t, workers, func(p Peer) bool { return workers <= 2 || !p.OneByOne })
	if len(subjects) == 0 {
		return
	}
	key := func(name string) string { return fmt.Sprintf("%s, %d workers", name, workers) }
	for range b.effort.rounds {
		yardstick := milliseconds(oneWorker(t, subjects[0].pairs))
		b.add(key("one worker"), "net/http", yardstick)
		b.each(t, subjects, func(s *subject) error {
			got, err := reloadOnce(s)
			if err != nil {
				return err
			}
			b.add(key("first new"), s.name(), milliseconds(got.first))
			b.add(key("first new of workers"), s.name(), milliseconds(got.first)/yardstick)
			b.add(key("last old"), s.name(), milliseconds(got.last))
			b.add(key("mixed"), s.name(), milliseconds(got.mixed))
			b.add(key("failed"), s.name(), float64(got.failed))
			return nil
		})
	}
}

// oneWorker is the yardstick: from before fork and exec of the least TLS server in
// Go to the end of its first handshake. Until it listens a dial is refused, which
// costs next to nothing, so it is asked ten times a millisecond.
func oneWorker(t testing.TB, p *pairs) time.Duration {
	t.Helper()
	address, folder, program := harness.FreeAddress(t), harness.Folder(t), harness.Static(t, "minimal")
	pair := filepath.Join(p.dir(), p.site())
	c := (&subject{Server: &Server{Addr: address}, pairs: p}).client("http/1.1")
	begun := time.Now()
	worker := harness.StartBackground(t, folder, nil, program, address, pair+".crt", pair+".key")
	defer func() { _ = syscall.Kill(worker.Pid, syscall.SIGKILL) }() // it has nothing to end in order
	for next := begun; ; next = next.Add(100 * time.Microsecond) {
		sleepUntil(next)
		conn, err := c.dial()
		if err == nil {
			conn.close()
			return conn.shaken.Sub(begun)
		}
		if time.Since(begun) > patience {
			t.Fatalf("start one worker: no handshake within %v: %v", patience, err)
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
