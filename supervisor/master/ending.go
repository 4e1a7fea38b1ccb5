package master

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	"example.com/handover/supervisor/cgroup"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/process"
	"example.com/handover/supervisor/status"
)

// endings is what is known of workers that are no more.
type endings struct {
	lastEnds map[int]*status.End // by slot
	oomKills uint64              // of the cgroup, as far as they are accounted for

	killsBefore uint64 // when they were counted last
	killsLooked time.Time
}

// killsEvery is how often the kernel's kills are counted: its count and the end of
// the process are heard within so long of each other.
const killsEvery = 5 * time.Second

// ending is how a process ended.
type ending struct {
	status syscall.WaitStatus
	err    error  // why the status could not be had
	last   string // its last words
}

func (e ending) String() string {
	if e.err != nil {
		return e.err.Error()
	}
	return process.Describe(e.status)
}

// orderly says whether the process was asked to end, or had no bad reason: then
// the last line that it wrote while it served explains nothing.
func (e ending) orderly() bool {
	return e.err == nil && e.status.Exited() && e.status.ExitStatus() == 0
}

// exited notes how a worker ended, and tells the pool why, in the worker's own
// words where it left some.
func (m *master) exited(w *worker, e ending) {
	m.loseReach(w)
	text := e.String()
	switch {
	case w.failed != "":
		text = fmt.Sprintf("%s (%s)", w.failed, text)
	case e.last != "" && !(w.released && e.orderly()):
		text = fmt.Sprintf("%s; last words: %s", text, e.last)
	}
	if m.workers[w.slot] == w {
		m.noteEnd(w, m.reasonOf(w, e), text)
	}
	m.happened(w, pool.Exited, text)
}

// reasonOf tells the ends apart. The pool knows what was asked for; the status,
// and the cgroup's count of kills for memory, say the rest.
func (m *master) reasonOf(w *worker, e ending) string {
	if m.machine.State() == handover.Stopping {
		return status.EndAsked
	}
	cause := m.pool.Cause(w.slot)
	killed := e.status.Signaled() && e.status.Signal() == syscall.SIGKILL
	switch {
	case killed && (cause == pool.Lost || cause == pool.Unborn) && m.memoryRanOut():
		return status.EndOOM
	case cause != pool.Lost:
		return string(cause)
	case e.orderly():
		return status.EndExited
	default:
		return status.EndCrashed
	}
}

// memoryRanOut says whether the kernel has killed for memory in this cgroup, and
// nobody else's end was explained by it yet.
func (m *master) memoryRanOut() bool {
	kills, ok := cgroup.OOMKills()
	if !ok || kills <= m.oomKills {
		return false
	}
	m.oomKills++
	return true
}

// settleKills takes the kernel's kills of a while ago for others': of a hook, or of
// what a handler had started. An end is explained by what is counted around it.
func (m *master) settleKills(now time.Time) {
	if now.Sub(m.killsLooked) < killsEvery {
		return
	}
	m.killsLooked = now
	if kills, ok := cgroup.OOMKills(); ok {
		m.oomKills, m.killsBefore = max(m.oomKills, m.killsBefore), kills
	}
}

func (m *master) noteEnd(w *worker, reason, text string) {
	level := slog.LevelWarn
	switch reason {
	case status.EndAsked:
		level = slog.LevelDebug
	case status.EndRecycled:
		level = slog.LevelInfo
	}
	m.log.Log(context.Background(), level, "worker ended", "worker", w.slot, "pid", w.process.Pid, "reason", reason, "how", text)
	m.count(reason, 1)
	m.lastEnds[w.slot] = &status.End{Reason: reason, Text: text, Pid: w.process.Pid, At: time.Now()}
}

// count adds to the ends of workers, which are counted from the start of the
// service on.
func (m *master) count(reason string, n int) {
	if m.past.Exits == nil {
		m.past.Exits = status.Exits{}
	}
	m.past.Exits[reason] += uint64(n)
}
