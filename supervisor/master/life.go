package master

import (
	"errors"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/pool"
	"golang.org/x/sys/unix"
)

// How often a serving worker is asked for its health path: often enough that
// several answers fall into a timeout, and seldom enough to cost nothing.
const (
	asksPerTimeout = 6
	askAtLeast     = 5 * time.Second
)

// weighEvery is how often the memory of workers is looked at, and ripe how long one
// has served by then: a limit below what the program needs anyway must not have it
// started over and over.
const (
	weighEvery = time.Second
	ripe       = 10 * time.Second
)

// vital is what a master knows of the life of a serving worker.
type vital struct {
	asking   bool      // a health request is on its way
	asked    time.Time // when the last one was sent
	answered time.Time // when the last one came back, whatever it said
	health   string    // what was wrong with it; empty: nothing
	weighed  time.Time
}

// observe tells the pool when each serving worker last showed life: when it
// last wrote its heartbeat and, with a health path, when it last answered, the
// earlier of the two. Neither says anything of how busy it is.
func (m *master) observe(now time.Time) {
	if m.config.Timeout <= 0 {
		return
	}
	var clock unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &clock); err != nil {
		return
	}
	for _, s := range m.pool.Workers() {
		w := m.workers[s.Slot]
		if w == nil || !pool.Serves(s.State) {
			continue
		}
		beat := m.counters.Slot(s.Slot).Heartbeat.Load()
		alive := now.Add(time.Duration(beat - clock.Nano()))
		if m.config.HealthPath != "" {
			m.askHealth(w, now)
			if w.vital.answered.Before(alive) {
				alive = w.vital.answered
			}
		}
		m.pool.Observe(now, s.Slot, alive)
	}
}

// askHealth sends the next health request when its time has come and the last
// one is back. Any answer is a sign of life: a worker that answers 503 because
// a database is down serves nobody better by being killed.
func (m *master) askHealth(w *worker, now time.Time) {
	v := &w.vital
	if v.answered.IsZero() {
		v.answered, v.asked = now, now // it has just proved itself
	}
	if v.asking || now.Sub(v.asked) < min(m.config.Timeout/asksPerTimeout, askAtLeast) {
		return
	}
	v.asking, v.asked = true, now
	p := m.healthProof()
	go func() {
		err := p.health(w.probe)
		m.post(func() { m.healthAnswered(w, err) })
	}()
}

func (m *master) healthAnswered(w *worker, err error) {
	v := &w.vital
	v.asking = false
	if m.workers[w.slot] != w || isSilence(err) || err != nil && w.process.Gone() {
		return
	}
	v.answered = time.Now()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && v.health == "" {
		m.log.Warn("worker is not well", "worker", w.slot, "pid", w.process.Pid, "health_path", m.config.HealthPath, "error", text)
	}
	if text == "" && v.health != "" {
		m.log.Info("worker is well again", "worker", w.slot, "pid", w.process.Pid)
	}
	v.health = text
}

// isSilence says whether a health request ended because nothing came. A refusal,
// or the end of the connection, comes from somebody who lives.
func isSilence(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// dump has a hung worker say what all its goroutines do, and end by it.
func (m *master) dump(w *worker) {
	m.log.Error("worker is hung: dumped and replaced", "worker", w.slot, "pid", w.process.Pid, "timeout", m.config.Timeout,
		"hint", "its goroutine dump follows in the log, if it could still write it")
	_ = w.process.Signal(syscall.SIGQUIT)
}

// drawRequests draws after how many requests a worker is to be recycled.
func (m *master) drawRequests() int {
	if m.config.MaxRequests == 0 {
		return 0
	}
	return m.config.MaxRequests + rand.IntN(m.config.MaxJitter+1)
}

// recycle marks the workers that have served enough, and has the next one
// replaced. It waits for a reload or a rotation to end.
func (m *master) recycle(now time.Time) {
	if m.machine.State() != handover.Active || m.quiet {
		return
	}
	if m.config.MaxRequests > 0 || m.config.MaxMemory > 0 {
		for _, s := range m.pool.Workers() {
			if w := m.workers[s.Slot]; w != nil && s.State == pool.Serving {
				m.weigh(w, s.Since, now)
			}
		}
	}
	m.obey(m.pool.Recycle(now))
}

// weigh looks at what a worker has used up. One that counts its own requests has
// said so earlier; a program of another release does not.
func (m *master) weigh(w *worker, since, now time.Time) {
	if now.Sub(w.vital.weighed) < weighEvery {
		return
	}
	w.vital.weighed = now
	if n := m.counters.Slot(w.slot).Requests.Load(); w.settings.MaxRequests > 0 && n >= uint64(w.settings.MaxRequests) {
		m.worn(w, "max_requests", n)
	}
	if limit := int64(m.config.MaxMemory); limit > 0 && now.Sub(since) >= ripe {
		if size := residentSize(w.process.Pid); size > limit {
			m.worn(w, "max_memory", size)
		}
	}
}

// worn marks a worker that is to be recycled.
func (m *master) worn(w *worker, limit string, reached any) {
	if m.workers[w.slot] == w && m.pool.Wear(w.slot) {
		m.log.Info("worker is recycled", "worker", w.slot, "pid", w.process.Pid, "limit", limit, "reached", reached)
	}
}
