package pool

import "time"

const (
	// dumping is how long a hung worker may take to write its goroutine dump.
	dumping = 500 * time.Millisecond
	// lateness is how far apart two looks at a worker may be. More means that
	// whoever looks was itself held up (SIGSTOP, docker pause, a halted virtual
	// machine), and maybe the worker with it: what it did not do meanwhile says
	// nothing.
	lateness = 3 * time.Second
)

// Observe takes the last sign of life of a serving worker. It is to be called at
// least once a second, and before Tick.
func (p *Pool) Observe(now time.Time, slot int, alive time.Time) {
	w := p.at(slot)
	if w == nil || !serves(w.State) {
		return
	}
	if !w.looked.IsZero() && now.Sub(w.looked) > lateness {
		w.credit = now
	}
	w.looked = now
	if alive.After(w.alive) {
		w.alive = alive
	}
}

// silentAt returns when a worker counts as hung unless it shows life; zero: never.
func (p *Pool) silentAt(w *Worker) time.Time {
	if p.limits.Silence <= 0 || !serves(w.State) {
		return time.Time{}
	}
	last := w.alive
	if w.credit.After(last) {
		last = w.credit
	}
	return last.Add(p.limits.Silence)
}

// Wear marks a serving worker that is to be recycled when its turn comes.
// It returns false if it was marked before, or does not serve.
func (p *Pool) Wear(slot int) bool {
	w := p.at(slot)
	if w == nil || w.State != Serving || w.used {
		return false
	}
	w.used = true
	return true
}

// Recycle begins to replace a marked worker, if there is one and nothing else is
// going on: only one leaves at a time, and only when all that are wanted serve.
// It serves on until its replacement does, or retires at once where there is no
// slot for one.
func (p *Pool) Recycle(now time.Time) []Action {
	if p.count(Serving) != p.want || p.active() != p.want || p.count(Spent) > 0 {
		return nil
	}
	for _, w := range p.workers {
		if !w.used || w.State != Serving {
			continue
		}
		actions := p.apply(now, w, Used)
		if len(p.Workers()) >= p.limits.Slots {
			actions = append(actions, p.apply(now, w, Retired)...)
		}
		return append(actions, p.Fill(now)...)
	}
	return nil
}

// relieve retires the workers whose place others have taken.
func (p *Pool) relieve(now time.Time) []Action {
	var actions []Action
	for _, w := range p.workers {
		if w.State == Spent {
			actions = append(actions, p.apply(now, w, Retired)...)
		}
	}
	return actions
}

// Cause is why a worker ends, as far as the pool can tell.
type Cause string

// The causes.
const (
	Asked    Cause = "asked"    // there were more than wanted
	Recycled Cause = "recycled" // it had served enough
	Silence  Cause = "silent"   // it showed no life, and was killed
	Unborn   Cause = "boot"     // it never came to serve
	Lost     Cause = "lost"     // nobody asked for it
)

// Cause returns why the worker of a slot, which has just ended, did. It is to be
// asked before Step hears of the end.
func (p *Pool) Cause(slot int) Cause {
	w := p.at(slot)
	switch {
	case w == nil:
		return Lost
	case w.silent:
		return Silence
	case w.recycled:
		return Recycled
	case w.left:
		return Lost
	case w.State == Draining || !w.since.IsZero() && w.State == Ending:
		return Asked
	case serves(w.State):
		return Lost
	default:
		return Unborn
	}
}

// Failing is a slot whose workers keep failing.
type Failing struct {
	Slot     int
	Failures int       // in a row
	Reason   string    // of the last one
	Again    time.Time // when it is filled again
}

// Failing returns the slots that are wanted and wait, in order.
func (p *Pool) Failing() []Failing {
	var list []Failing
	wanted := p.want - p.active() - p.count(Ending, Hung)
	for _, w := range p.workers {
		if w.State == Vacant && !w.again.IsZero() && len(list) < wanted {
			list = append(list, Failing{Slot: w.Slot, Failures: w.failures, Reason: w.reason, Again: w.again})
		}
	}
	return list
}

func (p *Pool) at(slot int) *Worker {
	if slot < 1 || slot > len(p.workers) {
		return nil
	}
	return p.workers[slot-1]
}

// serves says whether a worker accepts clients.
func serves(s State) bool { return s == Serving || s == Spent }
