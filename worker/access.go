package worker

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"example.com/handover/worker/wire"
)

const (
	// accessPending bounds the lines that wait for the access log to be written. A
	// file takes them at once; the reader of a pipe may be slow, or stopped.
	accessPending = 1 << 20
	// accessFlush bounds the wait for them at the end of a drain.
	accessFlush = time.Second
	// pipeBuf is how much of a pipe's writers the kernel keeps apart (PIPE_BUF). It
	// is no less than a line may be long.
	pipeBuf = 4096
)

// accessLog writes the lines of all requests. Who has one and finds nobody writing
// writes it, and what came meanwhile is written by a goroutine: so a file has the
// line before its request is over, but for those that came during one write(2),
// which are what a killed worker loses. To what is no file, and so may not be
// taking anything, the goroutine writes all. No request waits for it; lines that
// find too many before them are dropped, and so is what a full disk does not take.
type accessLog struct {
	log   *slog.Logger
	how   accessFormat
	meter *wire.Meter // nil: the master has none

	mu      sync.Mutex
	idle    sync.Cond // nobody writes
	file    *os.File
	next    *os.File // to take its place when who writes has done so; nil: none
	regular bool
	pending []byte
	spare   []byte // the other one of two buffers, to be filled again
	writing bool
	torn    bool // what was written last does not end its line
	lost    int  // lines, since something was last written
}

func newAccessLog(f *os.File, settings wire.Settings, log *slog.Logger) *accessLog {
	l := &accessLog{log: log, file: f, regular: isRegular(f), how: newAccessFormat(settings)}
	l.idle.L = &l.mu
	return l
}

func isRegular(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular()
}

// move goes on in another file. What is being written goes to the one before.
func (l *accessLog) move(f *os.File) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		_ = l.next.Close()
	}
	l.next = f
	if !l.writing {
		l.change()
	}
}

// change does what move has asked for, while nobody writes.
func (l *accessLog) change() {
	if l.next != nil {
		_ = l.file.Close()
		l.file, l.regular, l.next = l.next, isRegular(l.next), nil
	}
}

// write takes a line, which it does not keep.
func (l *accessLog) write(line []byte) {
	l.mu.Lock()
	if len(l.pending)+len(line) > accessPending {
		l.lose(1, errBehind)
		l.mu.Unlock()
		return
	}
	l.pending = append(l.pending, line...)
	if l.writing {
		l.mu.Unlock()
		return
	}
	l.writing = true
	if l.regular {
		l.once()
	}
	more := len(l.pending) > 0
	if !more {
		l.rest()
	}
	l.mu.Unlock()
	if more {
		go l.all() // ends when nothing is pending
	}
}

// all writes what is pending, and what comes meanwhile.
func (l *accessLog) all() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) > 0 {
		l.once()
	}
	l.rest()
}

// rest ends the writing.
func (l *accessLog) rest() {
	l.change()
	l.writing = false
	l.idle.Broadcast()
}

// once writes what is pending, with the lock given up meanwhile.
func (l *accessLog) once() {
	l.change()
	batch, file, regular, torn := l.pending, l.file, l.regular, l.torn
	l.pending = l.spare[:0]
	l.mu.Unlock()
	n, err := 0, error(nil)
	if torn {
		_, err = wire.WriteOnce(file, []byte{'\n'})
	}
	if err == nil {
		n, err = writeLines(file, batch, regular)
		torn = n > 0 && batch[n-1] != '\n'
	}
	l.mu.Lock()
	l.torn, l.spare = torn, batch[:0]
	switch {
	case err != nil:
		l.lose(bytes.Count(batch[n:], []byte{'\n'}), err)
	case l.lost > 0:
		l.say("access log is written again", "lost", l.lost)
		l.lost = 0
	}
}

// errBehind is why lines are dropped that nothing would write for long.
var errBehind = errors.New("what reads it is too slow")

// lose counts lines and says so of the first.
func (l *accessLog) lose(lines int, why error) {
	if l.lost == 0 {
		l.say("access log is not written", "error", why)
	}
	l.lost += lines
	l.meter.Add(wire.AccessLost, uint64(lines))
}

// say logs for the operator, in a goroutine that ends when the log has it: the
// log may be what is stuck, and no request waits for it.
func (l *accessLog) say(message string, attributes ...any) { go l.log.Error(message, attributes...) }

// flush waits until what is pending was written, for a while.
func (l *accessLog) flush() {
	if l == nil {
		return
	}
	done := make(chan struct{})
	go func() { // ends when nobody writes, or with the process, which is about to end
		l.mu.Lock()
		defer l.mu.Unlock()
		for l.writing {
			l.idle.Wait()
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(accessFlush):
	}
}

// writeLines writes whole lines and returns how much was. Other workers write to
// the same file: O_APPEND keeps one write(2) apart from others, a pipe only so
// much of it.
func writeLines(f *os.File, b []byte, regular bool) (int, error) {
	done := 0
	for done < len(b) {
		part := b[done:]
		if !regular && len(part) > pipeBuf {
			part = part[:pipeBuf]
			if end := bytes.LastIndexByte(part, '\n'); end >= 0 {
				part = part[:end+1]
			}
		}
		n, err := wire.WriteOnce(f, part)
		done += max(0, n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
