package outlet_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/outlet"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 20 * time.Second

func text(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }

// pipe returns a pipe whose write end blocks, as a standard error that is one.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err == nil {
		w.Fd() // makes it blocking
		err = r.SetReadDeadline(time.Now().Add(patience))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r, w
}

const lines = 40_000 // of a hundred bytes: many times what a pipe and an outlet hold

func write(o *outlet.Outlet, from, to int) {
	for n := from; n < to; n++ {
		_, _ = fmt.Fprintf(o, "%099d\n", n)
	}
}

func TestWhoWritesNeverWaitsForAReaderAndTheGapIsSaidOnce(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	o := outlet.New(w, outlet.Options{Format: text})
	write(o, 0, lines)
	in := bufio.NewScanner(r)
	lost, next := 0, 0
	for next < lines && in.Scan() {
		if _, rest, found := strings.Cut(in.Text(), `level=ERROR msg="log lines were lost" lines=`); found {
			_, _ = fmt.Sscan(rest, &lost)
			next += lost
			continue
		}
		n := -1
		if _, _ = fmt.Sscanf(in.Text(), "%d", &n); n != next {
			t.Fatalf("got %q, want line %d", in.Text(), next)
		}
		next++
	}
	if next != lines || lost == 0 || lines-lost < (1<<20)/100 {
		t.Errorf("%d lines of %d, and %d of them lost; want all, some lost, and a buffer full that was not", next, lines, lost)
	}
	write(o, lines, lines+1)
	if !in.Scan() || !strings.HasSuffix(in.Text(), fmt.Sprint(lines)) {
		t.Errorf("got %q, %v; want the line after the gap", in.Text(), in.Err())
	}
	o.Close()
}

func TestAReaderThatReadsLosesNothing(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	o := outlet.New(w, outlet.Options{Format: text})
	in := bufio.NewScanner(r)
	for n := 0; n < lines; n += 5000 {
		write(o, n, n+5000)
		for k := range 5000 {
			if want := fmt.Sprintf("%099d", n+k); !in.Scan() || in.Text() != want {
				t.Fatalf("got %q, %v; want %q", in.Text(), in.Err(), want)
			}
		}
	}
	o.Close()
	if in.Scan() {
		t.Errorf("got %q, want the end", in.Text())
	}
}

func TestARegularFileHasALineWhenWriteReturns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	o := outlet.New(f, outlet.Options{Format: text})
	long := strings.Repeat("x", 2<<20) + "\n"
	for n, line := range []string{"half a li", "whole\n", long} {
		_, _ = io.WriteString(o, line)
		want := []string{"half a li", "half a li\nwhole\n", "half a li\nwhole\n" + long}[n]
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("after line %d: %d bytes, %v; want %d", n, len(got), err, len(want))
		}
	}
	o.Close()
}

func TestTheEndOfAProcessWaitsForAReaderAndNotForOneThatHasStopped(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	o := outlet.New(w, outlet.Options{Format: text})
	write(o, 0, 10)
	outlet.Flush(o)
	if n, err := r.Read(make([]byte, 4096)); n != 1000 {
		t.Errorf("after a flush: %d bytes, %v; want 1000", n, err)
	}
	write(o, 0, lines)
	begun := time.Now()
	outlet.Flush(o, o)
	if took := time.Since(begun); took > patience/2 {
		t.Errorf("a flush to a stopped reader took %v", took)
	}
	o.Close()
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("read: %v, want the end once all is written", err)
	}
}

func TestWhoLeavesAStoppedReaderTellsHowManyLinesItNeverGot(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	o := outlet.New(w, outlet.Options{Format: text})
	write(o, 0, lines)
	lost := o.Leave()
	o.Close()
	got, err := io.ReadAll(r)
	read := bytes.Count(got, []byte{'\n'})
	// What was in hand when it left may have been written after all.
	if sum := read + lost; sum < lines || sum > lines+40 || err != nil {
		t.Errorf("%d lines read and %d lost, %v; want %d together", read, lost, err, lines)
	}
	r, w = pipe(t)
	next := outlet.New(w, outlet.Options{Format: text})
	next.Owe(lost)
	write(next, 0, 1)
	next.Close()
	if got, _ := io.ReadAll(r); !strings.Contains(string(got), fmt.Sprintf("lines=%d\n", lost)) {
		t.Errorf("got %q, want that %d lines were lost", got, lost)
	}
}

func TestANonBlockingPipeIsWaitedFor(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	raw, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { _ = unix.SetNonblock(int(fd), true) }); err != nil {
		t.Fatal(err)
	}
	o := outlet.New(w, outlet.Options{Format: text})
	write(o, 0, 5000)
	o.Close()
	got, err := io.ReadAll(r)
	if bytes.Count(got, []byte{'\n'}) != 5000 || err != nil {
		t.Errorf("%d bytes, %v; want 5000 lines", len(got), err)
	}
}

// TestWhatCannotBeWrittenIsCounted has one end of a pipe closed, and writes on.
func TestWhatCannotBeWrittenIsCounted(t *testing.T) {
	t.Parallel()
	r, w := pipe(t)
	_ = r.Close()
	var why []error
	o := outlet.New(w, outlet.Options{Format: text, Failed: func(err error) { why = append(why, err) }})
	for range 3 {
		_, _ = io.WriteString(o, "a line\n")
		outlet.Flush(o)
	}
	lost := o.Close()
	if lost != 3 || len(why) != 1 || !errors.Is(why[0], unix.EPIPE) {
		t.Errorf("%d lost for %v, want 3 and one broken pipe", lost, why)
	}
}
