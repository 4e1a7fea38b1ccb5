package watch

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// Interval is how often everything is looked at, events or not.
const Interval = 5 * time.Second

const (
	pause = 5 * time.Millisecond // between two looks
	rest  = 4                    // times as long as a look took: a large folder must not keep a CPU busy
	turns = 8                    // looks at one path whose folders come and go meanwhile
)

// Watcher watches paths. One goroutine owns everything below done; its methods
// are safe for use by several goroutines.
type Watcher struct {
	changed chan struct{}
	set     chan request
	close   sync.Once
	closing chan struct{}
	done    chan struct{} // closed by the goroutine when it ends

	log      *slog.Logger
	interval time.Duration
	notify   *fsnotify.Watcher   // nil: the poll is all there is
	trails   map[string]*trail   // by path
	index    map[string][]string // paths whose trail has this name, or a directory of this name
	folders  map[string][]string // paths that stand for what is in this folder
	armed    map[string]bool     // directories
	fresh    map[string]bool     // directories armed by the present look
	dirty    map[string]bool     // paths to be looked at
	next     time.Time           // when the next look may be
	looks    int
	warned   map[string]bool

	mu       sync.Mutex
	warnings []string
}

// request is a call of Set on its way to the goroutine.
type request struct {
	paths []string
	done  chan struct{}
}

// New watches files and folders, which need not exist, from the moment it
// returns on. It looks at all of them every interval, whatever inotify says.
func New(paths []string, interval time.Duration, log *slog.Logger) *Watcher {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		notify = nil
	}
	return begin(paths, interval, log, notify, err)
}

// begin takes what fsnotify gave.
func begin(paths []string, interval time.Duration, log *slog.Logger, notify *fsnotify.Watcher, err error) *Watcher {
	w := &Watcher{
		changed: make(chan struct{}, 1), set: make(chan request), closing: make(chan struct{}), done: make(chan struct{}),
		log: log, interval: interval, notify: notify,
		trails: map[string]*trail{}, armed: map[string]bool{}, dirty: map[string]bool{}, warned: map[string]bool{},
	}
	if notify == nil {
		w.warn("", err)
	}
	w.replace(paths)
	go w.run()
	return w
}

// Changed has a value when something may have changed since the last one was
// taken.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Set watches other paths. When it returns, a change of any of them will be
// signalled. That takes some microseconds for each new path.
func (w *Watcher) Set(paths []string) {
	r := request{slices.Clone(paths), make(chan struct{})}
	select {
	case w.set <- r:
		<-r.done
	case <-w.done:
	}
}

// Warnings returns why changes may be seen late, each reason once.
func (w *Watcher) Warnings() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.warnings)
}

// Close ends the watch. When it returns, nothing is left of it.
func (w *Watcher) Close() {
	w.close.Do(func() { close(w.closing) })
	<-w.done
}

func (w *Watcher) run() {
	defer close(w.done)
	var events <-chan fsnotify.Event
	var failures <-chan error
	if w.notify != nil {
		defer func() { _ = w.notify.Close() }()
		events, failures = w.notify.Events, w.notify.Errors
	}
	poll, look := time.NewTimer(w.interval), time.NewTimer(time.Hour)
	defer poll.Stop()
	defer look.Stop()
	for {
		select {
		case <-w.closing:
			return
		case r := <-w.set:
			w.replace(r.paths)
			close(r.done)
		case e := <-events:
			w.mark(e.Name)
		case err := <-failures:
			if !errors.Is(err, fsnotify.ErrEventOverflow) {
				w.warn("", err)
			}
			w.markAll() // events were lost
		case <-poll.C:
			w.markAll()
			poll.Reset(w.interval)
		case <-look.C:
		}
		if len(w.dirty) == 0 {
			continue
		}
		if wait := time.Until(w.next); wait > 0 {
			look.Reset(wait)
			continue
		}
		began := time.Now()
		w.look()
		ended := time.Now()
		w.next = ended.Add(max(pause, rest*ended.Sub(began)))
	}
}

// mark notes what an event is about: most are about nothing of ours.
func (w *Watcher) mark(name string) {
	name = filepath.Clean(name) // in the root it begins with two slashes
	for _, paths := range [][]string{w.index[name], w.folders[name], w.folders[filepath.Dir(name)]} {
		for _, path := range paths {
			w.dirty[path] = true
		}
	}
}

func (w *Watcher) markAll() {
	for path := range w.trails {
		w.dirty[path] = true
	}
}

// look follows the marked paths anew.
func (w *Watcher) look() {
	w.looks++
	w.fresh = map[string]bool{}
	moved := false
	for path := range w.dirty {
		before := w.trails[path]
		now := w.follow(path, before)
		w.trails[path] = now
		moved = moved || !now.watched(before)
	}
	clear(w.dirty)
	if moved {
		w.reindex()
	}
}

// replace is Set, in the goroutine.
func (w *Watcher) replace(paths []string) {
	w.fresh = map[string]bool{}
	trails := map[string]*trail{}
	for _, path := range paths {
		if absolute, err := filepath.Abs(path); err == nil {
			path = absolute
		}
		if before, ok := w.trails[path]; ok {
			trails[path] = before
		} else {
			trails[path] = w.follow(path, nil)
		}
	}
	w.trails = trails
	for path := range w.dirty {
		if trails[path] == nil {
			delete(w.dirty, path)
		}
	}
	w.reindex()
}

// follow looks at a path, signals if it is not as it was, and arms what its
// trail needs. If that is more than before, it looks again: something may have
// changed before it was armed. A path that is new has no trail before.
func (w *Watcher) follow(path string, before *trail) *trail {
	t := follow(path)
	for range turns {
		if before != nil && !t.same(before) {
			w.signal()
		}
		w.arm(t)
		if before != nil && t.same(before) && t.watched(before) {
			break
		}
		before, t = t, follow(path)
	}
	if t.left <= 0 {
		w.warn(path, fmt.Errorf("holds more than %d entries", maxEntries))
	}
	return t
}

func (w *Watcher) signal() {
	select {
	case w.changed <- struct{}{}:
	default: // the last one was not taken yet
	}
}

// arm watches the directories of a trail. Those that are armed are armed again:
// the kernel forgets a directory that was deleted, and fsnotify one that was
// moved, and another may be in its place.
func (w *Watcher) arm(t *trail) {
	if w.notify == nil {
		return
	}
	for _, dir := range t.directories() {
		if w.fresh[dir] {
			continue
		}
		err := w.notify.Add(dir)
		switch {
		case err == nil:
			w.armed[dir], w.fresh[dir] = true, true
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
			w.warn(dir, err)
		}
	}
}

// reindex makes the tables that mark needs, and gives up watches that nothing
// needs any more.
func (w *Watcher) reindex() {
	w.index, w.folders = map[string][]string{}, map[string][]string{}
	wanted := map[string]bool{}
	for path, t := range w.trails {
		for _, name := range t.names {
			w.index[name] = append(w.index[name], path)
		}
		for _, dir := range t.folders {
			w.folders[dir] = append(w.folders[dir], path)
		}
		for _, dir := range t.directories() {
			w.index[dir] = append(w.index[dir], path)
			wanted[dir] = true
		}
	}
	for dir := range w.armed {
		if !wanted[dir] {
			_ = w.notify.Remove(dir) // it may be gone already
			delete(w.armed, dir)
		}
	}
}

// warn says each reason once: the poll goes on.
func (w *Watcher) warn(path string, err error) {
	reason := err.Error()
	if errno := unwrap(err); errno != nil {
		reason = errno.Error()
	}
	if w.warned[reason] {
		return
	}
	w.warned[reason] = true
	w.log.Warn("changes of files may be seen late", "path", path, "error", reason, "interval", w.interval)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.warnings = append(w.warnings, fmt.Sprintf("changes may be seen %v late: %.200s", w.interval, reason))
}
