package master

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/journal"
	"example.com/handover/supervisor/outlet"
)

// output is where the supervisor writes what it and its workers have to say:
// standard error, or the log file. The loop alone changes where it leads; any
// goroutine may write. That it cannot be written never stops anybody: what was
// lost is counted, and said as soon as something can be said again.
type output struct {
	style           // fixed once workers have begun
	files  logFiles // owned by the loop
	stderr *outlet.Outlet
	lost   atomic.Uint64 // lines, since the loop counted them

	mu sync.Mutex
	to *outlet.Outlet // into files.log
}

// style is how lines look.
type style struct {
	format string // text or json
	marks  bool   // they begin with a priority: they go to standard error, which journald reads
}

func newOutput() *output {
	o := &output{style: style{"text", readByJournal(os.Stderr)}, files: logFiles{log: os.Stderr}}
	o.stderr = outlet.New(os.Stderr, outlet.Options{Format: o.records, Count: o.count})
	o.to = o.stderr
	return o
}

func readByJournal(f *os.File) bool {
	return f == os.Stderr && journal.Reads(f, os.Getenv(journal.Variable))
}

// configure opens what the config names.
func (o *output) configure(c *config.Config) error {
	if c.Log.Format == "json" {
		o.format = "json"
	}
	return o.open(c)
}

// open begins to write to the files as they are found now under their names. On
// an error everything stays as it was.
func (o *output) open(c *config.Config) error {
	files, err := openLogs(c.Log.File, c.Log.Access)
	if err != nil {
		return err
	}
	before := o.files
	o.files, o.marks = files, readByJournal(files.log)
	o.lead(files.log)
	closeOwn(before.access)
	return nil
}

// lead has all that is written from here on go to f. The file before it is closed
// when it has what was meant for it.
func (o *output) lead(f *os.File) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lost := 0
	if o.to != o.stderr {
		lost = o.to.Close()
	}
	if f == os.Stderr {
		o.to = o.stderr
		o.to.Format(o.records)
		return
	}
	o.to = outlet.New(f, outlet.Options{Format: o.records, Failed: o.complain, Lost: lost, Count: o.count})
}

func (o *output) count(lines int) { o.lost.Add(uint64(lines)) }

// complain says on standard error that the log file is not written.
func (o *output) complain(err error) {
	_, _ = fmt.Fprintf(o.stderr, "error: log is not written: %v\n", err)
}

// Write writes whole lines from several goroutines. It reports no error: those
// who log have nobody to tell.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(b)
}

// flush has what was written come out, before somebody else writes on or nobody
// does.
func (o *output) flush() { outlet.Flush(o.to, o.stderr) }

// leave gives up what nobody has read, and returns how many lines a successor is to
// say were lost.
func (o *output) leave() int { return o.to.Leave() }

// records returns a handler of the log's format for all that matters.
func (s style) records(w io.Writer) slog.Handler { return s.handler(w, slog.LevelInfo) }

// handler returns a handler of the log's format that writes to w.
func (s style) handler(w io.Writer, level slog.Level) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	switch {
	case s.marks && s.format == "json":
		return journal.JSON(w, options)
	case s.marks:
		return journal.Text(w, options)
	case s.format == "json":
		return slog.NewJSONHandler(w, options)
	default:
		return slog.NewTextHandler(w, options)
	}
}

func (o *output) logger(c *config.Config) *slog.Logger {
	level := slog.LevelInfo
	if c != nil {
		_ = level.UnmarshalText([]byte(c.Log.Level))
	}
	return slog.New(o.handler(o, level))
}

// say prints a line for a human.
func (o *output) say(format string, args ...any) {
	o.print(slog.LevelInfo, fmt.Appendf(nil, format+"\n", args...))
}

// print writes lines for a human.
func (o *output) print(level slog.Level, text []byte) {
	if o.marks {
		text = journal.Mark(level, text)
	}
	_, _ = o.Write(text)
}
