package hook

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"example.com/handover/supervisor/process"
)

// drainLimit bounds the wait for last words that lie in the pipe, where a
// process that has left the group still holds it.
const drainLimit = 100 * time.Millisecond

// unknown is the result of a hook that another process reaped.
const unknown = "ended, nobody knows how"

// Outcome is how a hook ended.
type Outcome struct {
	Event    string
	Command  string
	Result   string // in words: "exit status 3", "killed by SIGKILL", or why it did not start
	Status   int    // the exit status; -1 if there is none, or none is known
	Failed   bool   // it is known not to have succeeded
	TimedOut bool   // it ran into its limit
	Released bool   // ctx ended first: the hook runs on, for a successor to adopt
	Output   string // standard output and error, as bounded, printable text
}

// Wait attends to the hook until it has ended, or until ctx has: then the hook
// is left to a successor. It is called once. Afterwards nothing of the hook's
// process group is left, unless it was released.
func (r *Run) Wait(ctx context.Context) Outcome {
	gone := make(chan struct{})
	go func() { // ends with the shell, or with the Close below
		defer close(gone)
		if r.process != nil {
			r.process.WaitGone()
		}
	}()
	var words window
	drained := make(chan struct{})
	go func() { // ends with the output, or with the deadline below
		defer close(drained)
		_, _ = io.Copy(&words, r.output)
	}()
	o := Outcome{Event: r.record.Event, Command: r.record.Command, Status: -1, Result: unknown}
	ended := r.attend(ctx, gone, &o)
	if ended {
		r.clear(ctx, drained)
	}
	_ = r.output.SetReadDeadline(time.Unix(1, 0))
	<-drained
	o.Output = words.text()
	if ended {
		r.reap(&o)
	}
	if o.Released {
		_ = r.output.SetReadDeadline(time.Time{}) // a successor may have the very file
	} else {
		_ = r.output.Close()
	}
	if r.process != nil {
		_ = r.process.Close()
	}
	<-gone
	return o
}

// attend enforces the time limit. It says whether the hook has ended.
func (r *Run) attend(ctx context.Context, gone <-chan struct{}, o *Outcome) bool {
	timer := time.NewTimer(time.Until(r.record.Deadline))
	defer timer.Stop()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, 0} {
		select {
		case <-gone:
		case <-ctx.Done():
		case <-timer.C:
		}
		if r.process == nil || r.process.Gone() {
			return true // whatever else has come too
		}
		if ctx.Err() != nil {
			o.Released = true
			return false
		}
		o.TimedOut, o.Failed = true, true
		if sig != 0 {
			_ = r.process.SignalGroup(sig)
			timer.Reset(r.grace)
		}
	}
	o.Result = "cannot be killed"
	return false
}

// clear waits for what the shell has left behind in its group, and kills it.
// The shell itself was not reaped yet if it is a child, so the group is its own.
func (r *Run) clear(ctx context.Context, drained <-chan struct{}) {
	limit := time.NewTimer(r.grace)
	defer limit.Stop()
	select {
	case <-drained:
	case <-limit.C:
	case <-ctx.Done():
	}
	if r.process == nil || errors.Is(r.process.SignalGroup(syscall.SIGKILL), os.ErrProcessDone) {
		return
	}
	limit.Reset(drainLimit)
	select {
	case <-drained:
	case <-limit.C:
	}
}

// reap finds out how a child ended.
func (r *Run) reap(o *Outcome) {
	if !r.child {
		return
	}
	status, err := r.process.Wait()
	if err != nil {
		return
	}
	o.Result, o.Status = process.Describe(status), status.ExitStatus()
	o.Failed = o.Failed || o.Status != 0
}
