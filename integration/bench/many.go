package bench

import (
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// many measures reloads of many certificates: from the signal to the end of the
// first handshake that shows the new one of the last name, looked for every four
// milliseconds at first; once with that pair changed alone and once with all of them.
// Memory is the sum over all processes: idle, before the first reload, and at its
// most in two further ones, which are not timed: to look that often slows them down.
func (b *bench) many(t *testing.T) {
	for _, count := range b.effort.counts {
		b.progress("  %d certificates", count)
		laid := newPairs(t, count)
		b.alone(t, func(p Peer) bool { return p.MaxSites == 0 || count <= p.MaxSites }, func(t *testing.T, p Peer) error {
			return b.manyOf(on(t, p, laid, Setup{Workers: 2}))
		})
	}
}

func (b *bench) manyOf(s *subject) error {
	idle, err := s.steady(b.effort.steady)
	if err != nil {
		return err
	}
	b.add(key("idle", s.count), s.name(), megabytes(idle))
	for range min(b.effort.heavy, 2) {
		for name, change := range s.changes() {
			took, err := s.taken(change)
			if err != nil {
				return err
			}
			b.add(key(name, s.count), s.name(), milliseconds(took))
		}
	}
	most := harness.Peak(s.Processes)
	for _, change := range s.changes() {
		if _, err = s.taken(change); err != nil {
			break
		}
	}
	if peak := most(); err == nil {
		b.add(key("peak", s.count), s.name(), megabytes(peak))
	}
	return err
}

func (p *pairs) changes() map[string]func() {
	return map[string]func(){"one": p.changeOne, "all": p.changeAll}
}

// taken changes pairs and returns how long it takes until they are served; it
// returns when nothing of the older generation is left.
func (s *subject) taken(change func()) (time.Duration, error) {
	t, err := s.turnOver(change)
	if err != nil {
		return 0, err
	}
	first, err := s.served()
	if err != nil {
		return 0, err
	}
	return first.Sub(t.asked), s.settle()
}
