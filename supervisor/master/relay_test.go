package master

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/outlet"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

const patience = 20 * time.Second

// logTo returns an output that writes to a file, and what the file holds.
func logTo(t *testing.T, format string) (*output, func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "log")
	c := &config.Config{Log: config.Log{File: path, Format: format, Level: "info"}}
	o := newOutput()
	if err := o.configure(c); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.to.Close() })
	return o, func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
}

// relaying starts the relay of worker 7.2 and returns it with the write end.
func relaying(t *testing.T, o *output) (*relay, *os.File) {
	t.Helper()
	pipe, end, err := wire.Pipe("words.7.2")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(wire.Descriptor(end), false); err != nil {
		t.Fatal(err)
	}
	r := newRelay(o, 7, 2, pipe, end)
	go r.run()
	t.Cleanup(func() {
		_ = end.Close()
		await(t, r)
		_ = pipe.Close()
	})
	return r, end
}

func await(t *testing.T, r *relay) {
	t.Helper()
	select {
	case <-r.ended:
	case <-time.After(patience):
		t.Error("the relay goes on, want it ended")
	}
}

// relayedText returns what the log holds after a worker has written text and ended.
func relayedText(t *testing.T, format, text string) string {
	t.Helper()
	o, log := logTo(t, format)
	r, end := relaying(t, o)
	if _, err := end.WriteString(text); err != nil {
		t.Fatal(err)
	}
	_ = end.Close()
	await(t, r)
	return log()
}

func TestEveryLineOfAWorkerCarriesItsGenerationAndSlot(t *testing.T) {
	t.Parallel()
	dump := "panic: broken\r\n\ngoroutine 1 [running]:\nmain.main()\n\t/main.go:3 +0x1d\nnot ended"
	want := "worker 7.2: panic: broken\nworker 7.2: goroutine 1 [running]:\nworker 7.2: main.main()\nworker 7.2: \t/main.go:3 +0x1d\nworker 7.2: not ended\n"
	if got := relayedText(t, "text", dump); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBinaryOutputDoesNotBreakTheLog(t *testing.T) {
	t.Parallel()
	want := `worker 7.2: a\x00b\x1b[31m\xff\xc2\x9b é` + "\n"
	if got := relayedText(t, "text", "a\x00b\x1b[31m\xff\u009b é\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAJSONLogStaysJSON(t *testing.T) {
	t.Parallel()
	lines := []string{"plain", `{"own":"json"}`, "\x00\xff\x1b", "panic: broken"}
	levels := []string{"INFO", "INFO", "INFO", "ERROR"}
	log := relayedText(t, "json", strings.Join(lines, "\n"))
	for n, line := range strings.Split(strings.TrimSpace(log), "\n") {
		var record struct {
			Msg, Level, Text   string
			Worker, Generation int
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		want := strings.ToValidUTF8(lines[n], "\uFFFD")
		if record.Msg != "output" || record.Text != want || record.Worker != 2 || record.Generation != 7 || record.Level != levels[n] {
			t.Errorf("got %+v, want %s of worker 7.2 with text %q", record, levels[n], want)
		}
	}
	if got := strings.Count(log, "\n"); got != len(lines) {
		t.Errorf("got %d records, want %d", got, len(lines))
	}
}

func TestALongLineIsCutBetweenCharactersAndLosesNothing(t *testing.T) {
	t.Parallel()
	long := "x" + strings.Repeat("€", 3*pieceSize/3)
	log := relayedText(t, "text", long+"\nshort\n")
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) < 4 || lines[len(lines)-1] != "worker 7.2: short" {
		t.Fatalf("got %d lines that end in %.80q, want pieces and the short one", len(lines), lines[len(lines)-1])
	}
	var whole strings.Builder
	for _, l := range lines[:len(lines)-1] {
		whole.WriteString(strings.TrimPrefix(l, "worker 7.2: "))
		if len(l) > pieceSize+len("worker 7.2: ") {
			t.Errorf("a piece of %d bytes, want at most %d", len(l), pieceSize)
		}
	}
	if whole.String() != long {
		t.Errorf("the pieces are %d bytes together, want the %d that were written", whole.Len(), len(long))
	}
}

func TestTheLastWordsAreThePanicOrTheLastLine(t *testing.T) {
	t.Parallel()
	o, _ := logTo(t, "text")
	r, end := relaying(t, o)
	for _, c := range []struct{ written, want string }{
		{"", ""},
		{"a\nb\n", "b"},
		{"a\nnot ended", "not ended"},
		{"panic: broken\ngoroutine 1 [running]:\n" + strings.Repeat("main.main()\n", 1000), "panic: broken"},
		{"SIGQUIT: quit\nPC=0x1\nrip 0x2\n", "SIGQUIT: quit"},
		{"", ""}, // the next worker of the slot has said nothing yet
	} {
		if _, err := end.WriteString(c.written); err != nil {
			t.Fatal(err)
		}
		if got := r.finish(); got != c.want {
			t.Errorf("last words of %.40q: got %q, want %q", c.written, got, c.want)
		}
	}
}

// TestAChildThatOutlivesItsWorkerIsStillRelayed has the test hold the pipe, as a
// child of the worker would.
func TestAChildThatOutlivesItsWorkerIsStillRelayed(t *testing.T) {
	t.Parallel()
	o, log := logTo(t, "text")
	r, end := relaying(t, o)
	if got := r.finish(); got != "" {
		t.Errorf("last words: got %q, want none", got)
	}
	if _, err := end.WriteString("from the child\n"); err != nil {
		t.Fatal(err)
	}
	if got := r.finish(); got != "from the child" {
		t.Errorf("last words: got %q, want the child's", got)
	}
	if got, want := log(), "worker 7.2: from the child\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestASuccessorRelaysOnWhereItsPredecessorStopped(t *testing.T) {
	t.Parallel()
	o, log := logTo(t, "text")
	r, end := relaying(t, o)
	if _, err := end.WriteString("one\nbegun"); err != nil {
		t.Fatal(err)
	}
	r.stop(t.Context(), true) // so that it is known how far it has read
	await(t, r)
	if _, err := end.WriteString("ended\n" + endMark + "1\ntwo\n"); err != nil {
		t.Fatal(err)
	}
	if err := r.pipe.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	next := newRelay(o, 7, 2, r.pipe, nil)
	go next.run()
	_ = end.Close()
	await(t, next)
	if got, want := log(), "worker 7.2: one\nworker 7.2: begun\nworker 7.2: ended\nworker 7.2: two\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAtAStopWhatLiesInThePipeIsPassedOn(t *testing.T) {
	t.Parallel()
	o, log := logTo(t, "text")
	pipe, end, err := wire.Pipe("words.7.2")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = pipe.Close(), end.Close() }()
	for n := range 100 {
		if _, err := fmt.Fprintln(end, n); err != nil {
			t.Fatal(err)
		}
	}
	r := newRelay(o, 7, 2, pipe, end)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r.empty.Store(true)
	_ = pipe.SetReadDeadline(time.Unix(1, 0)) // before it has read anything
	go r.run()
	r.stop(ctx, true)
	await(t, r)
	if got := strings.Count(log(), "\n"); got != 100 || !strings.HasSuffix(log(), "worker 7.2: 99\n") {
		t.Errorf("got %d lines that end in %.40q, want 100", got, log())
	}
}

// TestAFullDiskLosesLinesAndNothingElse writes to a device that is always full.
func TestAFullDiskLosesLinesAndNothingElse(t *testing.T) {
	t.Parallel()
	o, log := logTo(t, "text")
	good, err := os.OpenFile(o.files.log.Name(), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("SKIPPED, NOT PASSED: no /dev/full")
	}
	o.lead(full)
	for range 3 {
		if n, err := o.Write([]byte("a line\n")); n != 7 || err != nil {
			t.Errorf("write: got %d, %v; want that nobody is told", n, err)
		}
		o.flush()
	}
	o.lead(good)
	o.say("again")
	if got := log(); !strings.Contains(got, `msg="log lines were lost" lines=3`) || !strings.HasSuffix(got, "again\n") {
		t.Errorf("got %q, want the number of lost lines, then the line", got)
	}
	o.say("and again")
	if got := strings.Count(log(), "lost"); got != 1 {
		t.Errorf("the loss was said %d times, want once", got)
	}
}

func TestALineThatAFullDiskToreIsEnded(t *testing.T) {
	t.Parallel()
	o, log := logTo(t, "text")
	_, _ = o.Write([]byte("half a li"))
	_, _ = o.Write([]byte("whole\n"))
	if got, want := log(), "half a li\nwhole\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAFailedReopeningLeavesBothLogsAsTheyWere(t *testing.T) {
	t.Parallel()
	o, log := logTo(t, "text")
	dir := t.TempDir()
	before := o.files
	err := o.open(&config.Config{Log: config.Log{File: filepath.Join(dir, "new"), Access: filepath.Join(dir, "no", "such")}})
	if err == nil || !strings.Contains(err.Error(), "open access log") {
		t.Errorf("got %v, want an error of the access log", err)
	}
	o.say("still here")
	if o.files != before || !strings.Contains(log(), "still here") {
		t.Errorf("got %+v and %q, want the files from before", o.files, log())
	}
}

func TestEachLineForTheJournalBeginsWithItsPriority(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stream")
	for format, want := range map[string][]string{
		"text": {"<6>one", "<6>two", "<4>level=WARN msg=w", "<6>worker 7.2: hello", "<3>worker 7.2: panic: broken"},
		"json": {"<6>one", "<6>two", "<4>{", "<6>{", "<3>{"},
	} {
		stderr, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		o := &output{style: style{format: format, marks: true}}
		o.stderr = outlet.New(stderr, outlet.Options{Format: o.records})
		o.to = o.stderr
		r, w, err := wire.Pipe("words.7.2")
		if err != nil {
			t.Fatal(err)
		}
		relay := newRelay(o, 7, 2, r, w)
		o.say("one\ntwo")
		o.logger(nil).Warn("w")
		go relay.run()
		_, _ = w.WriteString("hello\npanic: broken\n")
		_ = w.Close()
		await(t, relay)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Split(strings.TrimSpace(string(b)), "\n")
		if !slices.EqualFunc(got, want, strings.HasPrefix) {
			t.Errorf("%s: got %q, want lines that begin with %q", format, got, want)
		}
		_, _ = stderr.Close(), r.Close()
	}
}

func TestPipesOfWordsAreKnownByTheirNames(t *testing.T) {
	t.Parallel()
	if g, s, ok := parseWords(wordsName(12, 3)); g != 12 || s != 3 || !ok {
		t.Errorf("got %d, %d, %v; want 12, 3", g, s, ok)
	}
	for _, name := range []string{"words.1", "words.x.1", "gone.1", "words.1.y", "words."} {
		if _, _, ok := parseWords(name); ok {
			t.Errorf("%q was taken for a pipe of words", name)
		}
	}
	if got := generationOf(wordsName(12, 3)); got != 0 {
		t.Errorf("generation of a pipe of words: got %d, want none: it outlives its generation", got)
	}
}
