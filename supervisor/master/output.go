package master

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// output is where the supervisor and its workers write: standard error, or the
// log file.
type output struct {
	file   *os.File
	format string // text or json
	mu     sync.Mutex
}

func newOutput() *output { return &output{file: os.Stderr, format: "text"} }

// configure opens what the config names.
func (o *output) configure(c *config.Config) error {
	if c.Log.Format == "json" {
		o.format = "json"
	}
	return o.open(c.Log.File)
}

// open begins to write to a file, or to standard error where path is empty. On
// an error everything stays as it was.
func (o *output) open(path string) error {
	file := os.Stderr
	if path != "" {
		f, err := openLog(path)
		if err != nil {
			return fmt.Errorf("open log file: %w", err)
		}
		file = f
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file != os.Stderr {
		_ = o.file.Close()
	}
	o.file = file
	return nil
}

// openLog opens a file or a device. A named pipe would block whoever writes into
// it, or opens it, for as long as nobody reads.
func openLog(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0o640)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var stat unix.Stat_t
	var fs unix.Statfs_t
	// An anonymous pipe, such as /dev/stdout may lead to, has a reader.
	named := unix.Fstatfs(fd, &fs) != nil || fs.Type != unix.PIPEFS_MAGIC
	if err := unix.Fstat(fd, &stat); err == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO && named {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("found a named pipe at %q, expected a file", path)
	}
	_ = unix.SetNonblock(fd, false)
	return os.NewFile(uintptr(fd), path), nil
}

// Write writes whole lines from several goroutines.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.file.Write(b)
}

func (o *output) logger(c *config.Config) *slog.Logger {
	level := slog.LevelInfo
	if c != nil {
		_ = level.UnmarshalText([]byte(c.Log.Level))
	}
	options := &slog.HandlerOptions{Level: level}
	if o.format == "json" {
		return slog.New(slog.NewJSONHandler(o, options))
	}
	return slog.New(slog.NewTextHandler(o, options))
}

// say prints a line for a human.
func (o *output) say(format string, args ...any) { _, _ = fmt.Fprintf(o, format+"\n", args...) }

// wordsWait bounds the wait for the last output of an ended worker whose own
// children still hold its standard error.
const wordsWait = 100 * time.Millisecond

// wordsKept is how many of the last lines are remembered.
const wordsKept = 8

// words relays what a worker writes to its standard error until it is told
// "go": from then on it writes to ours, since this master may leave before it.
type words struct {
	file  *os.File
	ended chan struct{}
	lines []string // owned by the reader until ended is closed
}

// listenToWords returns the end that the worker gets.
func (w *worker) listenToWords(to io.Writer, name string) (*os.File, error) {
	r, end, err := wire.Pipe("stderr")
	if err != nil {
		return nil, err
	}
	// What the worker inherits must block, or its writes would be lost when the
	// pipe is full.
	if err := unix.SetNonblock(wire.Descriptor(end), false); err != nil {
		_ = r.Close()
		_ = end.Close()
		return nil, err
	}
	w.words = &words{file: r, ended: make(chan struct{})}
	go w.words.relay(to, name)
	return end, nil
}

func (w *words) relay(to io.Writer, name string) {
	defer close(w.ended)
	reader := bufio.NewReaderSize(w.file, 4096)
	for {
		line, err := reader.ReadSlice('\n')
		if text := strings.TrimRight(string(line), "\r\n"); text != "" {
			_, _ = fmt.Fprintf(to, "%s: %s\n", name, text)
			w.lines = append(w.lines, text)
			if len(w.lines) > wordsKept {
				w.lines = w.lines[1:]
			}
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

// finish ends the relay and returns the last words, in one line.
func (w *words) finish() string {
	if w == nil {
		return ""
	}
	_ = w.file.SetReadDeadline(time.Now().Add(wordsWait))
	<-w.ended
	_ = w.file.Close()
	return lastWords(w.lines)
}

// lastWords picks what tells most: the panic or fatal error if there is one,
// and the last line otherwise.
func lastWords(lines []string) string {
	for _, l := range lines {
		if strings.HasPrefix(l, "panic: ") || strings.HasPrefix(l, "fatal error: ") {
			return l
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}
