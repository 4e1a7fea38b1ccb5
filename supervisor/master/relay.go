package master

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/handover/supervisor/journal"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// pieceSize is where a line is cut that does not end, and so how much of a
// worker's output a master holds in memory. One that is killed takes no more than
// that along: what it has read and not yet written.
const pieceSize = 16 << 10

// wordsWait bounds the wait for the last words of an ended worker, of which only a
// log that is not being written makes use: they pass through the same pipe.
const wordsWait = 2 * time.Second

// endMark begins the line that a master writes into the pipe of a worker that has
// ended: what stands before it is that worker's. It is no text that a program
// would write, and is passed on by no master.
const endMark = "\x00handover: ended "

// relay passes on what the workers of one slot write to their descriptors 1 and
// 2, line by line and with their name. The pipe outlives workers and masters: of
// an ended worker its children may hold it, of a killed master the anchor does,
// and a successor reads on where its predecessor stopped.
type relay struct {
	generation, slot int

	to      *output
	pipe    *os.File      // read end
	end     *os.File      // write end; nil of another master's generation
	ended   chan struct{} // closed when run has returned
	stored  bool          // with the anchor; owned by the loop
	empty   atomic.Bool   // at a stop: pass on what lies in the pipe
	eof     bool          // no writer is left; read once ended
	records *slog.Logger  // into out; nil: as text
	prefix  []byte        // of each line of text
	fatal   []byte        // in place of prefix, of one that begins an end
	out     bytes.Buffer

	mu    sync.Mutex
	words words
	marks map[string]chan string // who waits for the last words, by mark
	count int                    // of marks
}

func newRelay(to *output, generation, slot int, pipe, end *os.File) *relay {
	r := &relay{
		generation: generation, slot: slot, to: to, pipe: pipe, end: end,
		ended: make(chan struct{}), marks: map[string]chan string{},
	}
	if to.format == "json" {
		r.records = slog.New(to.handler(&r.out, slog.LevelDebug)).With("worker", slot, "generation", generation)
		return r
	}
	if to.marks {
		r.prefix, r.fatal = journal.Prefix(nil, slog.LevelInfo), journal.Prefix(nil, slog.LevelError)
	}
	r.prefix = fmt.Appendf(r.prefix, "worker %d.%d: ", generation, slot)
	r.fatal = fmt.Appendf(r.fatal, "worker %d.%d: ", generation, slot)
	return r
}

// run relays until no writer is left, or stop.
func (r *relay) run() {
	defer close(r.ended)
	buf := make([]byte, pieceSize)
	held, read := 0, r.pipe.Read
	for {
		n, err := read(buf[held:])
		held = r.pass(buf[:held+n])
		switch {
		case err == nil:
			continue
		case errors.Is(err, os.ErrDeadlineExceeded) && r.empty.Load():
			read = r.rest(pipeSize)
			continue
		}
		r.eof = !errors.Is(err, os.ErrDeadlineExceeded)
		if held > 0 {
			r.line(buf[:held])
			r.flush()
		}
		return
	}
}

// rest reads what lies in the pipe without waiting for more. The limit is for
// children of workers, which may write for ever.
func (r *relay) rest(limit int) func([]byte) (int, error) {
	return func(b []byte) (int, error) {
		n, err := 0, error(unix.EINTR)
		for limit > 0 && errors.Is(err, unix.EINTR) {
			n, err = unix.Read(wire.Descriptor(r.pipe), b)
		}
		if err != nil || n <= 0 {
			r.empty.Store(false)
			return 0, os.ErrDeadlineExceeded
		}
		limit -= n
		return n, nil
	}
}

// pass passes on the lines in b, and returns the length of the one begun, which
// it moves to the front.
func (r *relay) pass(b []byte) int {
	rest := b
	for {
		line, after, whole := bytes.Cut(rest, []byte{'\n'})
		if !whole {
			break
		}
		r.line(line)
		rest = after
		if r.out.Len() > grown {
			r.flush()
		}
	}
	if len(rest) == cap(b) {
		n := cut(rest)
		r.line(rest[:n])
		rest = rest[n:]
	}
	r.flush()
	return copy(b, rest)
}

// cut returns where a line may be cut that is too long: between characters.
func cut(b []byte) int {
	for n := 1; n < utf8.UTFMax && n < len(b); n++ {
		if at := len(b) - n; utf8.RuneStart(b[at]) {
			if utf8.FullRune(b[at:]) {
				break
			}
			return at
		}
	}
	return len(b)
}

// line writes one line into out. Empty ones say nothing.
func (r *relay) line(b []byte) {
	b = bytes.TrimRight(b, "\r\n")
	if len(b) == 0 || r.heard(b) {
		return
	}
	text := string(b)
	r.mu.Lock()
	r.words.note(text)
	r.mu.Unlock()
	level, prefix := slog.LevelInfo, r.prefix
	if isFatal(text) {
		level, prefix = slog.LevelError, r.fatal
	}
	if r.records != nil {
		r.records.Log(context.Background(), level, "output", "text", text)
		return
	}
	r.out.Write(prefix)
	r.out.WriteString(printable(text))
	r.out.WriteByte('\n')
}

// grown bounds out: short lines take many times their length.
const grown = 64 << 10

func (r *relay) flush() {
	if r.out.Len() > 0 {
		_, _ = r.to.Write(r.out.Bytes())
		r.out.Reset()
	}
}

// printable shows what is no text, so that no output ends a line of the log,
// moves a terminal's cursor, or makes a binary file of it.
func printable(text string) string {
	control := func(c rune) bool { return c != '\t' && unicode.IsControl(c) }
	if utf8.ValidString(text) && strings.IndexFunc(text, control) < 0 {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		c, size := utf8.DecodeRuneInString(text)
		if control(c) || c == utf8.RuneError && size == 1 {
			for _, octet := range []byte(text[:size]) {
				fmt.Fprintf(&b, `\x%02x`, octet)
			}
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// finish returns the last words of a worker that has ended, in one line. It asks
// for them through the pipe, behind all that the worker has written.
func (r *relay) finish() string {
	last := make(chan string, 1)
	r.mu.Lock()
	r.count++
	mark := fmt.Sprintf("%s%d", endMark, r.count)
	r.marks[mark] = last
	r.mu.Unlock()
	go func() { _, _ = r.end.Write([]byte("\n" + mark + "\n")) }() // ends when there is room, at the latest with the process
	timer := time.NewTimer(wordsWait)
	defer timer.Stop()
	select {
	case words := <-last:
		return words
	case <-r.ended:
	case <-timer.C:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.marks, mark)
	return r.words.telling()
}

// heard says whether a line is the mark behind the output of an ended worker, and
// answers who waits for it. One of another master is nobody's.
func (r *relay) heard(line []byte) bool {
	if !bytes.HasPrefix(line, []byte(endMark)) {
		return false
	}
	r.flush() // the end is told after what was said before it
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.marks[string(line)]; ok {
		last <- r.words.telling()
		delete(r.marks, string(line))
	}
	r.words = words{}
	return true
}

// stop ends the relay, which a successor takes up, or with empty after it has
// passed on what lies in the pipe. A log that cannot be written must not hold a
// handover: the wait is bounded.
func (r *relay) stop(ctx context.Context, empty bool) {
	r.empty.Store(empty)
	_ = r.pipe.SetReadDeadline(time.Unix(1, 0))
	select {
	case <-r.ended:
	case <-ctx.Done():
	}
}
