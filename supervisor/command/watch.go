package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
	"golang.org/x/sys/unix"
)

const (
	// watchPause lies between two looks at an instance: what happens is seen as
	// soon as an eye would, and costs the master next to nothing.
	watchPause = 250 * time.Millisecond

	// watchPatience is how long an answer may take before the screen says so. A
	// handover may hold one up.
	watchPatience = 2 * time.Second

	// countPause is how often numbers alone, which always change, are worth a line.
	countPause = time.Second
)

// watcher shows what an instance says about itself, over and over. It belongs to
// one goroutine.
type watcher struct {
	path   string
	out    Output
	client *control.Client

	last  *status.Status // nil: none was seen yet
	seen  time.Time      // when
	away  error          // why there is none now, if that is so
	since time.Time      // when that began

	shown   string // the last line or text that went to a pipe
	state   string // and what of it matters
	shownAt time.Time
}

// Watch shows the status of an instance again and again, until ctx ends or
// somebody interrupts it: in place on a terminal, else once for each change. An
// instance that is not there is waited for.
func Watch(ctx context.Context, path string, out Output) error {
	client, err := Instance(path)
	if err != nil {
		return err
	}
	ctx, end := signal.NotifyContext(ctx, unix.SIGINT, unix.SIGTERM)
	defer end()
	// A second signal does what it always does: one who does not read what is written
	// would hold this process for ever.
	context.AfterFunc(ctx, end)
	w := &watcher{path: path, out: out, client: client}
	if out.JSON || !redraws(out.File) {
		return w.follow(ctx, w.print)
	}
	page := screen{out.File}
	page.enter()
	err = w.follow(ctx, func(now time.Time) error { return page.draw(w.head(now) + w.text(now)) })
	page.leave()
	fmt.Fprint(out, w.text(time.Now())) // what was seen last stays
	return err
}

// follow looks and shows until ctx ends, which is as it should be.
func (w *watcher) follow(ctx context.Context, show func(time.Time) error) error {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGWINCH, unix.SIGTSTP)
	defer signal.Stop(signals)
	tick := time.NewTicker(watchPause)
	defer tick.Stop()
	for {
		if err := w.look(ctx); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if err := show(time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case s := <-signals:
			if s == unix.SIGTSTP {
				w.suspend()
			}
		}
	}
}

// suspend stops the process as Ctrl-Z does, with the terminal left as it was.
func (w *watcher) suspend() {
	page := screen{w.out.File}
	redrawn := !w.out.JSON && redraws(w.out.File)
	if redrawn {
		page.leave()
	}
	// The call may return before all threads are stopped.
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, unix.SIGCONT)
	_ = unix.Kill(unix.Getpid(), unix.SIGSTOP)
	<-continued
	signal.Stop(continued)
	if redrawn {
		page.enter()
	}
}

// look asks for the status. What is bound to pass is no error: that nothing
// runs, or that an answer takes long.
func (w *watcher) look(ctx context.Context) error {
	asked, cancel := context.WithTimeout(ctx, watchPatience)
	defer cancel()
	s, err := w.client.Status(asked)
	now := time.Now()
	switch {
	case err == nil:
		w.last, w.seen, w.away, w.since = s, now, nil, time.Time{}
		return nil
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, control.ErrNotRunning):
		// It may come back with another control socket.
		if client, err := Instance(w.path); err == nil {
			w.client = client
		}
	case errors.Is(err, control.ErrTimeout):
		err = fmt.Errorf("no answer within %v", watchPatience)
	default:
		return err
	}
	if w.away = err; w.since.IsZero() {
		w.since = now
	}
	return nil
}

// head is the line on top of a terminal.
func (w *watcher) head(now time.Time) string {
	return now.Format(time.TimeOnly) + "  Ctrl-C ends\n\n"
}

func (w *watcher) text(now time.Time) string {
	var b strings.Builder
	if w.away != nil {
		status.WriteAway(&b, w.away, w.since, now, w.out.look())
	}
	switch {
	case w.last == nil:
	case w.away == nil:
		status.Write(&b, w.last, now, w.out.look())
	default:
		fmt.Fprintln(&b, "\nwhat it said last:")
		status.Write(&b, w.last, w.seen, w.out.look())
	}
	return b.String()
}

// print writes what goes to a pipe, if it is news.
func (w *watcher) print(now time.Time) error {
	line, state := w.line()
	news := state != w.state || line != w.shown && now.Sub(w.shownAt) >= countPause
	if !news {
		return nil
	}
	first := w.shownAt.IsZero()
	w.shown, w.state, w.shownAt = line, state, now
	if w.out.JSON {
		_, err := fmt.Fprintln(w.out, line)
		return err
	}
	gap := map[bool]string{false: "\n"}[first]
	_, err := fmt.Fprintf(w.out, "%s== %s\n%s", gap, now.UTC().Format(time.RFC3339), w.text(now))
	return err
}

// away is the line for an instance that does not answer.
type away struct {
	State string `json:"state"`
	Error string `json:"error"`
}

// line returns what there is as a line of JSON, and what of it matters: numbers
// that only count change all the time.
func (w *watcher) line() (line, state string) {
	text := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			panic("BUG: " + err.Error()) // a status holds nothing that JSON has no word for
		}
		return inert(string(b))
	}
	switch {
	case errors.Is(w.away, control.ErrNotRunning):
		line = text(away{State: "not running", Error: w.away.Error()})
	case w.away != nil:
		line = text(away{State: "no answer", Error: w.away.Error()})
	default:
		return text(w.last), text(w.last.WithoutCounts())
	}
	return line, line
}
