package hook

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"syscall"
	"time"

	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// Limit is how long a hook may take.
const Limit = 30 * time.Second

// grace is what a hook gets after each step of its end: after SIGTERM, and for
// what its shell has left behind.
const grace = 2 * time.Second

// shell runs the command lines.
const shell = "/bin/sh"

// eventVariable tells a hook what happened.
const eventVariable = "HANDOVER_EVENT"

// Record is what a successor needs to attend to a hook, besides its output.
type Record struct {
	Event    string    `json:"event"`
	Command  string    `json:"command"`
	Pid      int       `json:"pid"`
	Start    uint64    `json:"start"` // in clock ticks since boot, tells it from a later process of that number
	Deadline time.Time `json:"deadline"`
}

// Run is a hook that was started. Somebody must Wait for it, or its time limit
// does not hold; everything else is safe for use by several goroutines.
type Run struct {
	record  Record
	process *process.Process // nil: it had ended before it was adopted
	output  *os.File
	child   bool // this process is its parent and reaps it
	grace   time.Duration
}

// Start starts a command line for an event: done, refused or expiring.
func Start(command, event string, stdin []byte) (*Run, error) {
	return start(command, event, stdin, Limit)
}

func start(command, event string, stdin []byte, limit time.Duration) (*Run, error) {
	input, err := wire.Seal("hook", stdin)
	if err != nil {
		return nil, fmt.Errorf("start hook %.200q: %v", command, err)
	}
	defer func() { _ = input.Close() }()
	// The position belongs to the open file, which the hook shares.
	if _, err := input.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("start hook %.200q: %v", command, err)
	}
	output, end, err := outputPipe()
	if err != nil {
		return nil, fmt.Errorf("start hook %.200q: %v", command, err)
	}
	r := &Run{
		record: Record{Event: event, Command: command, Deadline: time.Now().Add(limit)},
		output: output, child: true, grace: grace,
	}
	err = r.fork(input, end)
	_ = end.Close()
	if err != nil {
		_ = output.Close()
		return nil, fmt.Errorf("start hook %.200q: %v", command, err)
	}
	return r, nil
}

// outputPipe returns a pipe whose writing end blocks, as programs expect of
// their standard output.
func outputPipe() (r, w *os.File, err error) {
	if r, w, err = wire.Pipe("hook"); err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(wire.Descriptor(w), false); err != nil {
		return nil, nil, errors.Join(err, r.Close(), w.Close())
	}
	return r, w, nil
}

// fork starts the shell. os/exec is of no use here: it would wait for it.
func (r *Run) fork(input, end *os.File) error {
	// What this process was itself given open by mistake would go on to the hook.
	_ = unix.CloseRange(wire.FirstDescriptor, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	to := uintptr(wire.Descriptor(end))
	pid, _, err := syscall.StartProcess(shell, []string{shell, "-c", r.record.Command}, &syscall.ProcAttr{
		Env:   append(process.Environment(os.Environ()), eventVariable+"="+r.record.Event),
		Files: []uintptr{uintptr(wire.Descriptor(input)), to, to},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	runtime.KeepAlive(input)
	runtime.KeepAlive(end)
	if err != nil {
		return err
	}
	// It is this process's child: until it is reaped nobody else has its number.
	found, err := process.Find(pid, 0)
	if err != nil {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
		_, _ = syscall.Wait4(pid, nil, 0, nil)
		return err
	}
	r.process, r.record.Pid, r.record.Start = found, found.Pid, found.Start
	return nil
}

// Adopt attends to a hook that a predecessor started and has stopped to read
// from. The output, which becomes the Run's, is the reading end of a pipe.
func Adopt(record Record, output *os.File) (*Run, error) {
	r := &Run{record: record, output: output, grace: grace}
	if err := output.SetReadDeadline(time.Time{}); err != nil {
		_ = output.Close()
		return nil, fmt.Errorf("adopt hook %.200q: its output is no pipe: %v", record.Command, err)
	}
	found, err := process.Find(record.Pid, record.Start)
	switch {
	case err == nil && record.Start != 0:
		r.process = found
	case errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM):
		_ = output.Close()
		return nil, fmt.Errorf("adopt hook %.200q: %v", record.Command, err)
	case err == nil: // which process it was cannot be told
		_ = found.Close()
	}
	return r, nil
}

// Record returns what a successor needs to adopt the hook.
func (r *Run) Record() Record { return r.record }

// Output is the reading end of the hook's output, to be passed to a successor.
// It stays the Run's.
func (r *Run) Output() *os.File { return r.output }
