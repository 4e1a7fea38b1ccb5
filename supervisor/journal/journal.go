package journal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable that names the journal's stream.
const Variable = "JOURNAL_STREAM"

// Reads says whether journald reads f: stream, which Variable holds, names the
// device and inode of its socket. Both are compared, as systemd.exec(5) asks: the
// variable is inherited by processes whose output was redirected since.
func Reads(f *os.File, stream string) bool {
	raw, err := f.SyscallConn()
	if err != nil || stream == "" {
		return false
	}
	var stat unix.Stat_t
	found := false
	err = raw.Control(func(fd uintptr) { found = unix.Fstat(int(fd), &stat) == nil })
	return err == nil && found && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// The priorities of syslog(3) that a level can have.
const (
	priorityError   = 3
	priorityWarning = 4
	priorityInfo    = 6
	priorityDebug   = 7
)

func priority(level slog.Level) int {
	switch {
	case level >= slog.LevelError:
		return priorityError
	case level >= slog.LevelWarn:
		return priorityWarning
	case level >= slog.LevelInfo:
		return priorityInfo
	default:
		return priorityDebug
	}
}

// Prefix appends the priority of a level, as a line begins with it.
func Prefix(to []byte, level slog.Level) []byte {
	to = append(to, '<')
	to = strconv.AppendInt(to, int64(priority(level)), 10)
	return append(to, '>')
}

// Mark gives each line of a text the priority of level.
func Mark(level slog.Level, text []byte) []byte {
	marked := make([]byte, 0, len(text)+16)
	for line := range bytes.Lines(text) {
		marked = append(Prefix(marked, level), line...)
	}
	return marked
}

// levels are the ones that a record is rounded down to.
var levels = []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}

// Handler marks each record by its level. There is a handler within for every
// priority: each writes through a writer of its own, which knows what to put
// before the line.
type Handler struct {
	within  map[int]slog.Handler
	untimed bool
}

// Text returns a Handler that writes records as text, without their time.
func Text(to io.Writer, options *slog.HandlerOptions) Handler {
	return newHandler(true, to, func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) })
}

// JSON returns a Handler that writes records as JSON behind the priority, which
// the journal takes off again.
func JSON(to io.Writer, options *slog.HandlerOptions) Handler {
	return newHandler(false, to, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) })
}

func newHandler(untimed bool, to io.Writer, within func(io.Writer) slog.Handler) Handler {
	h := Handler{within: map[int]slog.Handler{}, untimed: untimed}
	for _, level := range levels {
		h.within[priority(level)] = within(marker{to, level})
	}
	return h
}

// Enabled is for slog.
func (h Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.within[priority(level)].Enabled(ctx, level)
}

// Handle writes one record.
func (h Handler) Handle(ctx context.Context, r slog.Record) error {
	if h.untimed {
		r.Time = time.Time{} // which slog leaves out
	}
	return h.within[priority(r.Level)].Handle(ctx, r)
}

// WithAttrs is for slog.
func (h Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.each(func(within slog.Handler) slog.Handler { return within.WithAttrs(attrs) })
}

// WithGroup is for slog.
func (h Handler) WithGroup(name string) slog.Handler {
	return h.each(func(within slog.Handler) slog.Handler { return within.WithGroup(name) })
}

func (h Handler) each(f func(slog.Handler) slog.Handler) Handler {
	other := Handler{within: map[int]slog.Handler{}, untimed: h.untimed}
	for p, within := range h.within {
		other.within[p] = f(within)
	}
	return other
}

// marker gives what is written to it the priority of a level.
type marker struct {
	to    io.Writer
	level slog.Level
}

func (m marker) Write(b []byte) (int, error) {
	if _, err := m.to.Write(Mark(m.level, b)); err != nil {
		return 0, err
	}
	return len(b), nil
}
