package hook

import (
	"context"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"
)

// maxWaiting bounds the occurrences of one event whose hooks have not run yet.
const maxWaiting = 16

// Batch is the hooks of one occurrence of an event that are still to be run,
// for a successor.
type Batch struct {
	Event    string   `json:"event"`
	Commands []string `json:"commands"` // not started yet
	Stdin    []byte   `json:"stdin"`
	Running  *Record  `json:"running,omitempty"` // started before them
}

// Runner runs hooks: those of one event one after the other in the order given,
// those of different events beside each other. Its methods are safe for use by
// several goroutines and return at once, Close apart.
type Runner struct {
	report func(Outcome)
	ctx    context.Context
	cancel context.CancelFunc
	end    sync.WaitGroup

	mu      sync.Mutex
	waiting map[string][]*batch
	busy    map[string]bool // events that a goroutine attends to
	paused  bool
}

// batch is a Batch at work.
type batch struct {
	Batch
	run *Run // what Running is about
}

// NewRunner returns a Runner that reports the outcome of each hook, from
// goroutines of its own.
func NewRunner(report func(Outcome)) *Runner {
	r := &Runner{report: report, waiting: map[string][]*batch{}, busy: map[string]bool{}}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Run has the hooks of an event run, with what they get on standard input.
func (r *Runner) Run(event string, commands []string, stdin []byte) {
	if len(commands) == 0 {
		return
	}
	r.add(&batch{Batch: Batch{Event: event, Commands: slices.Clone(commands), Stdin: stdin}})
}

func (r *Runner) add(b *batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.run == nil && len(b.Commands) == 0 || r.ctx.Err() != nil {
		return
	}
	if len(r.waiting[b.Event]) >= maxWaiting && b.run == nil {
		refused := Outcome{Event: b.Event, Command: b.Commands[0], Result: "not started: too many hooks wait", Status: -1, Failed: true}
		r.end.Go(func() { r.report(refused) })
		return
	}
	r.waiting[b.Event] = append(r.waiting[b.Event], b)
	r.attend(b.Event)
}

// attend sees to it that the hooks of an event are run. The caller has the lock.
func (r *Runner) attend(event string) {
	if r.busy[event] || r.ctx.Err() != nil {
		return
	}
	r.busy[event] = true
	r.end.Go(func() { // ends with the last hook of the event, or with Close
		for r.step(event) {
		}
	})
}

// step attends to the next hook of an event until its end. It says whether to
// go on.
func (r *Runner) step(event string) bool {
	b, failed := r.next(event)
	if b == nil {
		return false
	}
	if failed != nil {
		r.report(*failed)
		return true
	}
	o := b.run.Wait(r.ctx)
	r.mu.Lock()
	b.run, b.Running = nil, nil
	r.mu.Unlock()
	if o.Released {
		return false
	}
	r.report(o)
	return true
}

// next starts the next hook of an event, unless one runs already. No batch: there
// is none, or none may be started.
func (r *Runner) next(event string) (*batch, *Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting[event]) > 0 {
		b := r.waiting[event][0]
		if b.run != nil {
			return b, nil
		}
		if r.paused || r.ctx.Err() != nil {
			break
		}
		if len(b.Commands) == 0 {
			r.waiting[event] = r.waiting[event][1:]
			continue
		}
		command := b.Commands[0]
		b.Commands = b.Commands[1:]
		run, err := Start(command, event, b.Stdin)
		if err != nil {
			return b, &Outcome{Event: event, Command: command, Result: err.Error(), Status: -1, Failed: true}
		}
		record := run.Record()
		b.run, b.Running = run, &record
		return b, nil
	}
	r.busy[event] = false
	return nil, nil
}

// Pause has no further hook started and returns what a successor needs to
// Adopt: the batches, and the output of each that has a hook running, in their
// order. The files stay the Runner's. It comes before Close.
func (r *Runner) Pause() ([]Batch, []*os.File) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
	var batches []Batch
	var outputs []*os.File
	for _, event := range slices.Sorted(maps.Keys(r.waiting)) {
		for _, b := range r.waiting[event] {
			if b.run == nil && len(b.Commands) == 0 {
				continue
			}
			batches = append(batches, b.Batch)
			if b.run != nil {
				outputs = append(outputs, b.run.Output())
			}
		}
	}
	return batches, outputs
}

// Resume undoes Pause, when there is no successor after all.
func (r *Runner) Resume() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = false
	for event := range r.waiting {
		r.attend(event)
	}
}

// Adopt goes on with what a predecessor's Pause returned. The files become the
// Runner's. The predecessor must have stopped to read from them.
func (r *Runner) Adopt(batches []Batch, outputs []*os.File) {
	for _, given := range batches {
		b := &batch{Batch: given}
		if given.Running != nil && len(outputs) > 0 {
			run, err := Adopt(*given.Running, outputs[0])
			outputs = outputs[1:]
			if err != nil {
				failed := Outcome{Event: given.Event, Command: given.Running.Command, Result: err.Error(), Status: -1, Failed: true}
				r.end.Go(func() { r.report(failed) })
			}
			b.run = run
		}
		if b.run == nil {
			b.Running = nil
		}
		r.add(b)
	}
	for _, f := range outputs {
		_ = f.Close()
	}
}

// Stop has no further hook started and tells those that run to end.
func (r *Runner) Stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = true
	for _, waiting := range r.waiting {
		for _, b := range waiting {
			if b.run != nil && b.run.process != nil {
				_ = b.run.process.SignalGroup(syscall.SIGTERM)
			}
		}
	}
}

// Close returns when no goroutine is left. Hooks that run are left to a
// successor, or to themselves.
func (r *Runner) Close() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.end.Wait()
}
