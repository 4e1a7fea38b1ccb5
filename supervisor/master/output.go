package master

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/journal"
)

// output is where the supervisor writes what it and its workers have to say:
// standard error, or the log file. The loop alone changes where it leads; any
// goroutine may write. That it cannot be written never stops anybody: what was
// lost is counted, and said as soon as something can be said again.
type output struct {
	files  logFiles // owned by the loop
	format string   // text or json; like marks it is fixed once workers have begun
	marks  bool     // lines begin with a priority: they go to standard error, which journald reads

	mu   sync.Mutex
	file *os.File // files.log
	lost int      // lines, since a write failed
	torn bool     // what was written last does not end its line
}

func newOutput() *output {
	return &output{files: logFiles{log: os.Stderr}, file: os.Stderr, format: "text", marks: readByJournal(os.Stderr)}
}

func readByJournal(f *os.File) bool {
	return f == os.Stderr && journal.Reads(f, os.Getenv(journal.Variable))
}

// configure opens what the config names.
func (o *output) configure(c *config.Config) error {
	if c.Log.Format == "json" {
		o.format = "json"
	}
	if err := o.open(c); err != nil {
		return err
	}
	o.marks = readByJournal(o.file)
	return nil
}

// open begins to write to the files as they are found now under their names. On
// an error everything stays as it was.
func (o *output) open(c *config.Config) error {
	files, err := openLogs(c.Log.File, c.Log.Access)
	if err != nil {
		return err
	}
	before := o.files
	o.files = files
	o.mu.Lock()
	o.file = files.log
	o.mu.Unlock()
	closeOwn(before.log)
	closeOwn(before.access)
	return nil
}

// Write writes whole lines from several goroutines. It reports no error: those
// who log have nobody to tell.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lost > 0 {
		o.admit()
	}
	o.put(b)
	return len(b), nil
}

// put writes lines or counts them as lost. The first lost ones are complained of
// on standard error, if that is another place.
func (o *output) put(b []byte) {
	if o.torn {
		b = append([]byte{'\n'}, b...)
	}
	n, err := o.file.Write(b)
	if n > 0 {
		o.torn = b[n-1] != '\n'
	}
	if err == nil {
		return
	}
	if o.lost == 0 && o.file != os.Stderr {
		_, _ = fmt.Fprintf(os.Stderr, "error: log is not written: %v\n", err)
	}
	o.lost += max(1, bytes.Count(b[n:], []byte{'\n'}))
}

// admit says how many lines were lost, if it can be written.
func (o *output) admit() {
	lost := o.lost
	var record bytes.Buffer
	slog.New(o.handler(&record, slog.LevelInfo)).Error("log lines were lost", "lines", lost)
	if o.put(record.Bytes()); o.lost == lost {
		o.lost = 0
	} else {
		o.lost = lost // the record itself was none of them
	}
}

// handler returns a handler of the log's format that writes to w.
func (o *output) handler(w io.Writer, level slog.Level) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	switch {
	case o.marks && o.format == "json":
		return journal.JSON(w, options)
	case o.marks:
		return journal.Text(w, options)
	case o.format == "json":
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
