package bench

import (
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// killed is what the clients met after a kill.
type killed struct {
	probes  int
	failed  int // of the probes
	refused int // of the probes: the dial itself
	lost    int // of the kept connections' requests
	back    time.Duration
}

// kill kills a process under probes and kept connections, waits until back
// returns, which gets the time of the kill, and watches for a second in all.
func (s *subject) kill(pid int, second time.Duration, back func(since time.Time) (time.Duration, error)) (killed, error) {
	c := s.client("http/1.1")
	p, err := c.probe()
	if err != nil {
		return killed{}, err
	}
	load := c.crowd(0, 8)
	since := time.Now()
	sleepUntil(since.Add(100 * time.Millisecond)) // the kept connections are at work
	since = time.Now()
	err = syscall.Kill(pid, syscall.SIGKILL)
	var k killed
	if err == nil {
		k.back, err = back(since)
	}
	sleepUntil(since.Add(second))
	met := p.end()
	_, kept := load.end()
	k.lost = kept.lost
	for _, one := range met {
		if one.dialled.Before(since) && one.err == nil {
			continue
		}
		k.probes++
		if one.err != nil {
			k.failed++
			if reason(one.err) == "dial refused" {
				k.refused++
			}
		}
	}
	return k, err
}

// kills kills a worker of each peer that has several, then the process that its
// operator would signal, or of Handover the master.
func (b *bench) kills(t *testing.T) {
	b.killWorkers(t)
	b.alone(t, nil, func(t *testing.T, p Peer) error {
		if ours(p) {
			return b.killMasters(t, p)
		}
		k, err := begin(t, p, 1, 2).killMain(b.effort.second)
		if err == nil {
			b.add("main refused", p.Name, float64(k.refused))
			b.add("main failed", p.Name, 100*float64(k.failed)/float64(k.probes))
		}
		return err
	})
}

func (b *bench) killWorkers(t *testing.T) {
	subjects := b.start(t, 2, func(p Peer) bool { return !p.OneByOne })
	for range b.effort.heavy {
		b.each(t, subjects, func(s *subject) error {
			if err := s.settle(); err != nil {
				return err
			}
			victim, wanted := s.Workers()[0].Pid, len(s.Workers())
			k, err := s.kill(victim, b.effort.second, func(since time.Time) (time.Duration, error) {
				err := harness.Await(patience, func() error { return s.replaced(victim, wanted) })
				return time.Since(since), err
			})
			if err != nil {
				return err
			}
			b.add("worker failed", s.name(), float64(k.failed+k.lost))
			b.add("worker refused", s.name(), float64(k.refused))
			b.add("worker back", s.name(), milliseconds(k.back))
			return nil
		})
	}
}

// replaced is the condition that as many workers as before are there without one of
// them. Of Handover they serve: its status says so. Of others their processes are
// there, which is less.
func (s *subject) replaced(victim, wanted int) error {
	var pids []int
	if s.Instance != nil {
		status, err := s.Instance.Status()
		if err != nil {
			return err
		}
		if err := harness.Serving(status); err != nil {
			return err
		}
		for _, w := range status.Workers {
			pids = append(pids, w.Pid)
		}
	} else {
		for _, w := range s.Workers() {
			if w.State != "Z" {
				pids = append(pids, w.Pid)
			}
		}
	}
	return harness.Unless(len(pids) == wanted && !slices.Contains(pids, victim), "workers %v, want %d without %d", pids, wanted, victim)
}

// killMasters kills the first master of an instance, a fresh one each time: masters
// that are killed in a row are started again ever later. Another one is ready when a
// further generation serves, and so would take a reload.
func (b *bench) killMasters(t *testing.T, p Peer) error {
	var err error
	for n := 0; n < b.effort.heavy && err == nil; n++ {
		t.Run(fmt.Sprintf("master %d", n+1), func(t *testing.T) { err = b.killMaster(begin(t, p, 1, 2)) })
	}
	return err
}

func (b *bench) killMaster(s *subject) error {
	before, err := s.Instance.Status()
	if err != nil {
		return err
	}
	k, err := s.kill(before.Master.Pid, b.effort.second, func(since time.Time) (time.Duration, error) {
		return s.again(since, before)
	})
	if err != nil {
		return err
	}
	b.add("main refused", s.name(), float64(k.refused))
	b.add("main failed", s.name(), 100*float64(k.failed)/float64(k.probes))
	b.add("main back", s.name(), milliseconds(k.back))
	return nil
}

// again waits until the status speaks of another master and a further generation
// that serves, and says since when it does.
func (s *subject) again(since time.Time, before harness.Status) (took time.Duration, err error) {
	err = harness.Await(patience, func() error {
		now, err := s.Instance.Status()
		if err != nil {
			return err
		}
		took = now.Since.Sub(since)
		return harness.Unless(now.Master.Pid != before.Master.Pid && now.State == "serving" && now.Generation > before.Generation,
			"master %d, generation %d, %s", now.Master.Pid, now.Generation, now.State)
	})
	return took, err
}

// killMain kills what nobody replaces; what counts is who is still answered in the
// second after it.
func (s *subject) killMain(second time.Duration) (killed, error) {
	return s.kill(s.Main(), second, func(time.Time) (time.Duration, error) { return 0, nil })
}
