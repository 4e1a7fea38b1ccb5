package outlet

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"example.com/handover/worker/wire"
)

const (
	// limit bounds the bytes that wait for a reader.
	limit = 1 << 20
	// farewell bounds the wait for them at the end of a process.
	farewell = 500 * time.Millisecond
	// pipeBuf is how much of a pipe's writers the kernel keeps apart (PIPE_BUF).
	pipeBuf = 4096
)

// Options say how an Outlet speaks of itself.
type Options struct {
	Format func(io.Writer) slog.Handler // of the record that says how many lines were lost
	Failed func(error)                  // called of the first line that is lost; nil: nobody to tell
	Lost   int                          // lines that were lost by the one before
	Count  func(lines int)              // called of all that are lost; nil: nobody counts
}

// Outlet writes lines to a file. A regular one has them when Write returns; to all
// else a goroutine writes, so that no caller waits for a reader. Lines that find
// too many before them are lost, and from there on all until those are written:
// the log has one gap, and says how wide it is. Any goroutine may call it.
type Outlet struct {
	file    *os.File
	regular bool
	failed  func(error)
	count   func(int)

	mu      sync.Mutex
	format  func(io.Writer) slog.Handler
	pending []byte
	inHand  []byte        // what is being written
	writing chan struct{} // closed when nothing is pending any more; nil: nothing is
	full    bool          // lose all until then
	lost    int           // lines, since it was last said
	torn    bool          // what was written last does not end its line
	closed  bool          // who writes closes the file
	left    bool          // who writes gives up
}

// New returns an Outlet of a file, which it owns if it is closed.
func New(f *os.File, o Options) *Outlet {
	info, err := f.Stat()
	return &Outlet{file: f, regular: err == nil && info.Mode().IsRegular(), format: o.Format, failed: o.Failed, count: o.Count, lost: o.Lost}
}

// Format has the loss of lines said in another format.
func (o *Outlet) Format(format func(io.Writer) slog.Handler) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.format = format
}

// Write takes whole lines. It reports no error: those who log have nobody to tell.
func (o *Outlet) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.left: // for whom there is nobody to say it
	case o.regular:
		o.pending = b
		o.all()
	case o.full || len(o.pending)+len(o.inHand)+len(b) > limit:
		o.full = o.writing != nil
		o.lose(count(b), errBehind)
	default:
		o.pending = append(o.pending, b...)
		if o.writing == nil {
			o.writing = make(chan struct{})
			go o.run() // ends when nothing is pending, at the latest with the process
		}
	}
	return len(b), nil
}

func (o *Outlet) run() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.all()
	close(o.writing)
	o.writing = nil
	if o.closed {
		_ = o.file.Close()
	}
}

// all writes what is pending, and what comes meanwhile.
func (o *Outlet) all() {
	o.admit()
	for len(o.pending) > 0 && !o.left {
		batch := o.pending
		o.pending = nil
		lost, err := o.put(batch)
		if err != nil {
			o.lose(lost, err)
		}
		if len(o.pending) > 0 {
			continue
		}
		o.full = false
		if err == nil {
			o.admit()
		}
	}
}

// admit says how many lines were lost, if it can be written.
func (o *Outlet) admit() {
	lost := o.lost
	if lost == 0 {
		return
	}
	var record bytes.Buffer
	slog.New(o.format(&record)).Error("log lines were lost", "lines", lost)
	if _, err := o.put(record.Bytes()); err == nil {
		o.lost -= lost
	}
}

// errBehind is why lines are lost that nothing would write for long.
var errBehind = errors.New("what reads it is too slow")

func (o *Outlet) lose(lines int, why error) {
	if o.lost == 0 && o.failed != nil {
		o.failed(why)
	}
	o.lost += lines
	o.tally(lines)
}

func (o *Outlet) tally(lines int) {
	if o.count != nil {
		o.count(lines)
	}
}

func count(b []byte) int { return max(1, bytes.Count(b, []byte{'\n'})) }

// put writes lines, or says how many of them it could not.
func (o *Outlet) put(b []byte) (lost int, err error) {
	defer func() { o.inHand = nil }()
	if o.torn {
		b = append([]byte{'\n'}, b...)
	}
	for len(b) > 0 && !o.left {
		o.inHand = b
		n, err := o.once(o.piece(b))
		if n > 0 {
			o.torn = b[n-1] != '\n'
			b = b[n:]
		}
		if err != nil {
			return count(b), err
		}
	}
	return 0, nil
}

// once writes b. Where it may take long the lock is given up meanwhile.
func (o *Outlet) once(b []byte) (int, error) {
	if !o.regular {
		o.mu.Unlock()
		defer o.mu.Lock()
	}
	return wire.WriteOnce(o.file, b)
}

// piece returns how much of b is written at once. Others write to the same file:
// O_APPEND keeps one write(2) apart from others, a pipe only so much of it.
func (o *Outlet) piece(b []byte) []byte {
	if o.regular || len(b) <= pipeBuf {
		return b
	}
	if end := bytes.LastIndexByte(b[:pipeBuf], '\n'); end >= 0 {
		return b[:end+1]
	}
	return b[:pipeBuf]
}

// Close closes the file when what is pending has been written, and returns how
// many lines were lost.
func (o *Outlet) Close() (lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.writing == nil {
		_ = o.file.Close()
	}
	return o.lost
}

// Leave gives up what is still pending, and returns how many lines are lost with
// it or were before: whoever writes on is to say so.
func (o *Outlet) Leave() (lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lost, o.lost = o.lost, 0
	if o.writing != nil {
		given := bytes.Count(o.inHand, []byte{'\n'}) + bytes.Count(o.pending, []byte{'\n'})
		o.tally(given)
		lost += given
		o.left, o.pending = true, nil
	}
	return lost
}

// Owe has so many lines said to be lost besides the own ones.
func (o *Outlet) Owe(lost int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost += lost
}

// Flush waits until what is pending was written, half a second in all: a reader
// that has stopped must not hold the end of a process.
func Flush(outlets ...*Outlet) {
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	for _, o := range outlets {
		o.mu.Lock()
		writing, left := o.writing, o.left
		o.mu.Unlock()
		if writing == nil || left {
			continue
		}
		select {
		case <-writing:
		case <-timer.C:
			return
		}
	}
}
