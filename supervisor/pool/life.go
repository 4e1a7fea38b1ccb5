package pool

import "time"

const (
	// dumping is how long a hung worker may take to write its goroutine dump.
	dumping = 500 * time.Millisecond
	// lateness is how far apart two looks may be, of which one comes every second.
	// More means that whoever looks was itself held up (SIGSTOP, docker pause, a
	// halted virtual machine), and maybe the workers with it: what they did not do
	// meanwhile says nothing, and such a time does not count.
	lateness = 1500 * time.Millisecond
	// stubborn is how long a process may outlive SIGKILL. One that waits in the
	// kernel, for a dead disk for instance, does so for long, and holds no place.
	stubborn = time.Second
)

// Observe takes the last sign of life of a serving worker. It is to be called at
// least once a second, and before Tick.
func (p *Pool) Observe(now time.Time, slot int, alive time.Time) {
	w := p.at(slot)
	if w == nil || !Serves(w.State) {
		return
	}
	if gap := now.Sub(w.looked); !w.looked.IsZero() && gap > lateness {
		w.alive = w.alive.Add(gap)
	}
	w.looked = now
	if alive.After(w.alive) {
		w.alive = alive
	}
}

// forgive moves the ends of what workers were doing while nobody could look.
func (p *Pool) forgive(now time.Time) {
	gap := now.Sub(p.ticked)
	if p.ticked.IsZero() || gap <= lateness {
		p.ticked = now
		return
	}
	p.ticked = now
	for _, w := range p.workers {
		if s := w.State; !w.deadline.IsZero() && (s == Starting || s == Proving || s == Hung) {
			w.deadline = w.deadline.Add(gap)
		}
	}
}

// silentAt returns when a worker counts as hung unless it shows life; zero: never.
func (p *Pool) silentAt(w *Worker) time.Time {
	if p.limits.Silence <= 0 || !Serves(w.State) {
		return time.Time{}
	}
	return w.alive.Add(p.limits.Silence)
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
// going on: only one leaves at a time, only when all that are wanted serve, and
// while no more drain than are wanted. It serves on until its replacement does, or
// retires at once where there is no slot for one.
func (p *Pool) Recycle(now time.Time) []Action {
	if p.count(Serving) != p.want || p.active() != p.want || p.count(Spent) > 0 || p.count(Draining) >= max(1, p.want) {
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

// held counts the workers that are being killed: each holds its place for as long
// as its process can be expected to end.
func (p *Pool) held() int {
	n := 0
	for _, w := range p.workers {
		if (w.State == Ending || w.State == Hung) && !w.stuck {
			n++
		}
	}
	return n
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
	case w.State == Draining || !w.Since.IsZero() && w.State == Ending:
		return Asked
	case Serves(w.State):
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
	wanted := p.want - p.active() - p.held()
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

// Serves says whether a worker in that state accepts clients.
func Serves(s State) bool { return s == Serving || s == Spent }

// Lives says whether a worker in that state serves or is on its way to.
func Lives(s State) bool { return isActive(s) || s == Spent }
