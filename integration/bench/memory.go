package bench

import (
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// memories measures what each peer costs when it has nothing to do, one reload and
// one request after its start: with 2 workers, and with 16 what each further one
// adds, a fourteenth of the difference.
func (b *bench) memories(t *testing.T) {
	const few = 2
	more := b.effort.more
	b.alone(t, nil, func(t *testing.T, p Peer) error {
		for range min(b.effort.heavy, 2) {
			least, err := b.idleMemory(t, p, few)
			if err != nil {
				return err
			}
			b.add("memory", p.Name, megabytes(least))
			if p.OneByOne {
				continue
			}
			most, err := b.idleMemory(t, p, more)
			if err != nil {
				return err
			}
			b.add("memory worker", p.Name, megabytes(most-least)/float64(more-few))
		}
		return nil
	})
}

func (b *bench) idleMemory(t *testing.T, p Peer, workers int) (size int64, err error) {
	t.Run("workers", func(t *testing.T) { // it ends the server
		s := begin(t, p, 1, workers)
		if _, err = s.taken(s.changeAll); err != nil {
			return
		}
		if _, err = s.client("http/1.1").once(); err != nil {
			return
		}
		size, err = s.steady(2 * b.effort.steady)
	})
	return size, err
}

// steady is the memory of an idle server: when it has not changed by more than a
// hundredth for a while. A process gives back what its start took only once it is
// over.
func (s *subject) steady(while time.Duration) (int64, error) {
	if err := s.settle(); err != nil {
		return 0, err
	}
	last, since := int64(0), time.Now()
	err := harness.Await(time.Minute, func() error {
		if now := harness.PSS(s.Processes()); now > last+last/100 || now < last-last/100 {
			last, since = now, time.Now()
		}
		return harness.Unless(time.Since(since) > while, "wait for a steady size: %d bytes", last)
	})
	return last, err
}

func megabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
