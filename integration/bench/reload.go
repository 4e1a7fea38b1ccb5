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
// in each round, at rest and under the same probes. The first figure is set to the
// latter as well: cores that are busy make both of them slower.
func (b *bench) reloads(t testing.TB, workers int) {
	t.Helper()
	subjects := b.start(t, workers, func(p Peer) bool { return workers <= 2 || !p.OneByOne })
	if len(subjects) == 0 {
		return
	}
	key := func(name string) string { return fmt.Sprintf("%s, %d workers", name, workers) }
	for range b.effort.rounds {
		b.add(key("one worker"), "net/http", milliseconds(oneWorker(t, subjects[0].pairs)))
		yardstick, err := workerUnderProbes(t, subjects[0])
		if err != nil {
			t.Fatal(err)
		}
		b.add(key("one worker, probes"), "net/http", yardstick)
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

// workerUnderProbes is the yardstick, in milliseconds, while a server is probed as it
// is during a reload.
func workerUnderProbes(t testing.TB, s *subject) (float64, error) {
	t.Helper()
	if err := s.settle(); err != nil {
		return 0, err
	}
	p, err := s.client("http/1.1").probe()
	if err != nil {
		return 0, err
	}
	defer p.end()
	return milliseconds(oneWorker(t, s.pairs)), nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
