package pool

import (
	"fmt"
	"slices"
	"time"
)

// Limits are the times a pool works with.
type Limits struct {
	Boot    time.Duration // from a worker's start to its passed proof
	Silence time.Duration // from a serving worker's last sign of life to its end; 0: for ever
	Drain   time.Duration // from being retired to being killed
	Slots   int           // the largest number of a slot
}

// A worker that has served this long is healthy again: earlier failures of its
// slot are forgotten.
const healthy = 10 * time.Second

// The wait before a slot that keeps failing is filled again: none when a worker
// that served is lost, then doubling from the first to the last of these.
const (
	firstDelay = 100 * time.Millisecond
	lastDelay  = 5 * time.Second
)

// Action is one order for one slot.
type Action struct {
	Order Order
	Slot  int
}

// Outcome says how the boot of the generation stands.
type Outcome struct {
	Proved bool   // every wanted worker has passed its proof
	Failed bool   // one has not, and the boot was not over
	Slot   int    // the one that failed
	Reason string // why
}

// Pool is the workers of one generation. It is owned by one goroutine and knows
// the time only from its arguments.
type Pool struct {
	limits    Limits
	want      int
	committed bool
	released  bool
	workers   []*Worker // index is slot-1
	ticked    time.Time
	outcome   Outcome
}

// New returns a pool that wants that many workers.
func New(limits Limits, want int) *Pool { return &Pool{limits: limits, want: want} }

// Workers returns the slots that hold a process, in order. The values are
// copies.
func (p *Pool) Workers() []Worker {
	var live []Worker
	for _, w := range p.workers {
		if w.State != Vacant {
			live = append(live, *w)
		}
	}
	return live
}

// Want returns how many workers are wanted.
func (p *Pool) Want() int { return p.want }

// Outcome returns how the boot stands.
func (p *Pool) Outcome() Outcome {
	o := p.outcome
	if !o.Failed {
		o.Proved = p.count(Proved)+p.Serving() >= p.want
	}
	return o
}

// Serving returns how many workers accept clients.
func (p *Pool) Serving() int { return p.count(Serving, Spent) }

// Fill starts what is missing and retires what is too much.
func (p *Pool) Fill(now time.Time) []Action {
	var actions []Action
	if p.outcome.Failed {
		return nil
	}
	active := p.active()
	for i := len(p.workers) - 1; i >= 0 && active > p.want; i-- {
		if w := p.workers[i]; isActive(w.State) {
			actions = append(actions, p.apply(now, w, Retired)...)
			active--
		}
	}
	if p.count(Serving) >= p.want {
		actions = append(actions, p.relieve(now)...)
	}
	// One that is being killed holds its place, or a slot that keeps failing would
	// be passed over and its wait with it.
	for slot, held := 1, active+p.held(); held < p.want && slot <= p.limits.Slots; slot++ {
		if slot > len(p.workers) {
			p.workers = append(p.workers, &Worker{Slot: slot, State: Vacant})
		}
		w := p.workers[slot-1]
		if w.State != Vacant {
			continue
		}
		held++
		if now.Before(w.again) {
			continue // it holds its place while it waits
		}
		*w = Worker{Slot: slot, State: Starting, Restarts: w.Restarts, failures: w.failures, reason: w.reason, deadline: now.Add(p.limits.Boot)}
		actions = append(actions, Action{Start, slot})
	}
	return actions
}

// Equipped starts the clock of the workers that are starting: until now they
// waited for something of the master's.
func (p *Pool) Equipped(now time.Time) {
	for _, w := range p.workers {
		if w.State == Starting {
			w.deadline = now.Add(p.limits.Boot)
		}
	}
}

// Scale changes the wanted number.
func (p *Pool) Scale(now time.Time, want int) []Action {
	p.want = want
	return p.Fill(now)
}

// Commit ends the boot: whoever is lost from now on is replaced, and fails the
// generation no more.
func (p *Pool) Commit() { p.committed = true }

// Release lets every proved worker accept, now and from now on.
func (p *Pool) Release(now time.Time) []Action {
	p.committed, p.released = true, true
	var actions []Action
	for _, w := range p.workers {
		actions = append(actions, p.apply(now, w, Released)...)
	}
	return actions
}

// Step takes what happened to one worker; reason says why, where it failed. An
// event that cannot happen in the worker's state is returned as an error and
// changes nothing.
func (p *Pool) Step(now time.Time, slot int, t Trigger, reason string) ([]Action, error) {
	if slot < 1 || slot > len(p.workers) {
		return nil, fmt.Errorf("worker %d: %s: no such slot", slot, t)
	}
	w := p.workers[slot-1]
	if _, _, ok := Table.Step(w.State, t); !ok {
		return nil, fmt.Errorf("worker %d: %s while %s: cannot happen", slot, t, w.State)
	}
	before := p.outcome.Failed
	actions := p.step(now, w, t, reason)
	if p.outcome.Failed && !before {
		return actions, nil
	}
	return append(actions, p.Fill(now)...), nil
}

// Tick does what is due. It is to be called at least once a second.
func (p *Pool) Tick(now time.Time) []Action {
	var actions []Action
	p.forgive(now)
	for _, w := range p.workers {
		if w.State != Vacant && !w.deadline.IsZero() && !now.Before(w.deadline) {
			reason := fmt.Sprintf("not ready within %v: a worker must call worker.Serve by then (boot_timeout)", p.limits.Boot)
			if w.State == Proving {
				reason = fmt.Sprintf("did not prove itself within %v (boot_timeout)", p.limits.Boot)
			}
			actions = append(actions, p.step(now, w, Expired, reason)...)
		}
		if end := p.silentAt(w); !end.IsZero() && !now.Before(end) {
			actions = append(actions, p.step(now, w, Silent, fmt.Sprintf("no sign of life for %v (timeout)", p.limits.Silence))...)
		}
	}
	return append(actions, p.Fill(now)...)
}

// Deadline returns when Tick is due next; zero: never.
func (p *Pool) Deadline() time.Time {
	var next time.Time
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	wanted := p.want - p.active() - p.held()
	for _, w := range p.workers {
		switch {
		case w.State != Vacant:
			earlier(w.deadline)
			earlier(p.silentAt(w))
		case wanted > 0:
			earlier(w.again)
		}
	}
	return next
}

// apply steps a worker through a trigger that is allowed in its state.
func (p *Pool) apply(now time.Time, w *Worker, t Trigger) []Action {
	return p.step(now, w, t, "")
}

func (p *Pool) step(now time.Time, w *Worker, t Trigger, reason string) []Action {
	from := w.State
	next, orders, _ := Table.Step(w.State, t)
	w.State = next
	if next != from {
		w.deadline = p.deadlineOf(now, w, from)
	} else if t == Expired {
		w.deadline, w.stuck = time.Time{}, true
	}
	var actions []Action
	for _, o := range orders {
		if o == blame {
			p.blame(now, w, from, reason)
			continue
		}
		actions = append(actions, Action{o, w.Slot})
	}
	w.silent = w.silent || next == Hung
	w.left = w.left || from != Draining && next == Draining && t == Left // one that was told to says so too
	w.recycled = w.recycled || next == Draining && from == Spent && t == Retired
	if next == Serving && from != Serving {
		w.Since, w.alive = now, now
	}
	if next == Proved && p.released {
		actions = append(actions, p.apply(now, w, Released)...)
	}
	return actions
}

// deadlineOf gives the time by which the state just entered must end. Starting
// and Proving share one: the boot timeout counts from the start.
func (p *Pool) deadlineOf(now time.Time, w *Worker, from State) time.Time {
	switch w.State {
	case Proving:
		if from == Starting {
			return w.deadline
		}
	case Draining:
		return now.Add(p.limits.Drain)
	case Hung:
		return now.Add(dumping)
	case Ending:
		return now.Add(stubborn)
	}
	return time.Time{}
}

// blame counts a failure: of the generation while it boots, of the slot
// afterwards.
func (p *Pool) blame(now time.Time, w *Worker, from State, reason string) {
	if !p.committed {
		if !p.outcome.Failed {
			p.outcome = Outcome{Failed: true, Slot: w.Slot, Reason: reason}
		}
		return
	}
	w.Restarts++
	w.reason = reason
	switch {
	case from == Starting || from == Proving:
		w.failures = max(w.failures, 1) + 1 // what does not boot now will hardly do so at once
	case now.Sub(w.Since) >= healthy:
		w.failures = 1
	default:
		w.failures++
	}
	w.again = now.Add(delay(w.failures))
}

func delay(failures int) time.Duration {
	if failures <= 1 {
		return 0
	}
	d := firstDelay
	for range failures - 2 {
		if d *= 2; d >= lastDelay {
			return lastDelay
		}
	}
	return d
}

func isActive(s State) bool {
	return s == Starting || s == Proving || s == Proved || s == Serving
}

func (p *Pool) active() int {
	n := 0
	for _, w := range p.workers {
		if isActive(w.State) {
			n++
		}
	}
	return n
}

func (p *Pool) count(states ...State) int {
	n := 0
	for _, w := range p.workers {
		if slices.Contains(states, w.State) {
			n++
		}
	}
	return n
}
