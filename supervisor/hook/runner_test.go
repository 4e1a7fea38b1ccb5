package hook

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// runner returns a Runner whose outcomes can be awaited.
func runner(t *testing.T) (*Runner, <-chan Outcome) {
	t.Helper()
	outcomes := make(chan Outcome, 100)
	r := NewRunner(func(o Outcome) { outcomes <- o })
	t.Cleanup(r.Close)
	return r, outcomes
}

func next(t *testing.T, outcomes <-chan Outcome) Outcome {
	t.Helper()
	select {
	case o := <-outcomes:
		return o
	case <-time.After(patience):
		t.Fatalf("no outcome within %v", patience)
		return Outcome{}
	}
}

// running waits until so many hooks run at once.
func running(t *testing.T, r *Runner, want int) {
	t.Helper()
	until(t, fmt.Sprintf("%d hooks run", want), func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		n := 0
		for _, waiting := range r.waiting {
			n += len(slices.DeleteFunc(slices.Clone(waiting), func(b *batch) bool { return b.run == nil }))
		}
		return n == want
	})
}

// gate is a command that ends when open is called.
func gate(t *testing.T) (command string, open func()) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "open")
	return "while [ ! -e " + path + " ]; do sleep 0.01; done; echo open", func() {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
}

func TestHooksOfAnEventRunInOrderAndThoseOfOthersBesideThem(t *testing.T) {
	t.Parallel()
	r, outcomes := runner(t)
	wait, open := gate(t)
	r.Run("done", []string{wait, "echo two; exit 2", "cat"}, []byte("first"))
	r.Run("done", []string{"cat"}, []byte("second"))
	r.Run("done", nil, []byte("none"))
	r.Run("refused", []string{"echo $HANDOVER_EVENT"}, nil)
	if o := next(t, outcomes); o.Event != "refused" || o.Output != "refused" {
		t.Errorf("first ended %+v; want the other event's", o)
	}
	open()
	var got []string
	for range 4 {
		got = append(got, next(t, outcomes).Output)
	}
	if want := []string{"open", "two", "first", "second"}; !slices.Equal(got, want) {
		t.Errorf("hooks said %q; want %q", got, want)
	}
}

func TestOccurrencesThatPileUpAreRefusedAndSaid(t *testing.T) {
	t.Parallel()
	r, outcomes := runner(t)
	wait, open := gate(t)
	r.Run("done", []string{wait}, nil)
	for range maxWaiting {
		r.Run("done", []string{"true"}, nil)
	}
	if o := next(t, outcomes); !o.Failed || !strings.Contains(o.Result, "too many") {
		t.Errorf("outcome %+v; want one too many", o)
	}
	open()
	for range maxWaiting {
		if o := next(t, outcomes); o.Failed {
			t.Errorf("outcome %+v; want it done", o)
		}
	}
}

func TestASuccessorGoesOnWhereItsPredecessorPaused(t *testing.T) {
	t.Parallel()
	r, outcomes := runner(t)
	wait, open := gate(t)
	r.Run("done", []string{wait, "cat"}, []byte("handed on"))
	r.Run("refused", []string{wait}, nil)
	running(t, r, 2)
	batches, outputs := r.Pause()
	r.Run("expiring", []string{"echo late"}, nil)
	if len(batches) != 2 || len(outputs) != 2 || batches[0].Running == nil || len(batches[0].Commands) != 1 {
		t.Fatalf("%d batches, %d outputs, %+v; want two at work", len(batches), len(outputs), batches)
	}
	text, err := json.Marshal(batches)
	if err != nil {
		t.Fatal(err)
	}
	var passed []*os.File
	for _, f := range outputs {
		f, err := wire.Duplicate(f)
		if err != nil {
			t.Fatal(err)
		}
		passed = append(passed, f)
	}
	r.Close() // as if it had left
	select {
	case o := <-outcomes:
		t.Errorf("outcome %+v of what was left to the successor", o)
	default:
	}
	var read []Batch
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	s, outcomes := runner(t)
	s.Adopt(read, passed)
	open()
	got := map[string]bool{}
	for range 3 {
		o := next(t, outcomes)
		got[o.Event+": "+o.Output] = !o.Failed
	}
	want := map[string]bool{"done: open": true, "refused: open": true, "done: handed on": true}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the successor reports %v; want %v", got, want)
	}
	for _, b := range batches {
		_, _ = syscall.Wait4(b.Running.Pid, nil, 0, nil) // the predecessor's end would have done it
	}
	for _, f := range outputs {
		_ = f.Close()
	}
}

func TestWithoutASuccessorAfterAllItGoesOnItself(t *testing.T) {
	t.Parallel()
	r, outcomes := runner(t)
	r.Pause()
	r.Run("done", []string{"echo on"}, nil)
	r.Resume()
	if o := next(t, outcomes); o.Output != "on" {
		t.Errorf("outcome %+v; want it run", o)
	}
}

func TestStopEndsWhatRunsAndStartsNothing(t *testing.T) {
	t.Parallel()
	r, outcomes := runner(t)
	r.Run("done", []string{"echo on; sleep 1000", "echo never"}, nil)
	running(t, r, 1)
	r.Stop()
	if o := next(t, outcomes); o.Result != "killed by SIGTERM" {
		t.Errorf("outcome %+v; want it told to end", o)
	}
	if batches, _ := r.Pause(); len(batches) != 1 || batches[0].Running != nil {
		t.Errorf("batches %+v; want the other hook not started", batches)
	}
}
