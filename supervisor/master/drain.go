package master

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/notify"
	"example.com/handover/supervisor/process"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// acceptLimit is how long a worker may take to close its listeners after it was
// told to. It does nothing else first, so one that does not is stopped or hung,
// and may not hold the reload.
const acceptLimit = 10 * time.Second

// stale is how old a heartbeat, which comes every second, is when it counts as
// none.
const stale = 3 * time.Second

// drainRecord is a generation that was told to stop accepting.
type drainRecord struct {
	Generation int        `json:"generation"`
	Since      time.Time  `json:"since"`
	Deadline   time.Time  `json:"deadline"` // its workers end themselves by then
	Workers    []workerID `json:"workers"`

	accepting bool      // some worker of it may still accept
	cutAccept time.Time // when a generation that still accepts counts as hung
	killed    bool      // those of it that did were killed
	cut       time.Time // when the master kills what is left; zero: done
	counters  *wire.Counters
	meters    *wire.Meters
}

// watchDraining begins to watch the end of every other generation.
func (m *master) watchDraining() {
	now := time.Now()
	for _, g := range m.others() {
		if pipeEnded(m.hold.files[ofGeneration(nameGone, g)]) {
			m.countGone(g)
			m.forgetGeneration(g) // it never came to serve, or is gone already
			for _, name := range []string{nameAccepting, nameGone, nameCounters, nameMeters} {
				m.hold.drop(ofGeneration(name, g))
			}
			continue
		}
		d := &drainRecord{Generation: g, accepting: true}
		for _, known := range m.past.Draining {
			if known.Generation == g {
				d.Since, d.Deadline, d.Workers = known.Since, known.Deadline, known.Workers
				if !d.Since.IsZero() { // it had been told to stop
					d.cut = d.Deadline.Add(drainMargin)
				}
			}
		}
		if g == m.past.Generation {
			d.Workers = m.past.Workers
		}
		if m.retired {
			d.retire(now, m.graceful(g))
		}
		m.mapShared(d)
		m.draining[g] = d
		m.await(ofGeneration(nameAccepting, g), func() { m.acceptingEnded(g) })
		m.await(ofGeneration(nameGone, g), func() { m.goneEnded(g) })
	}
	m.dropStrays()
	m.cutOldest()
}

// retire starts the clock of a generation that was told to stop accepting.
func (d *drainRecord) retire(now time.Time, graceful time.Duration) {
	if d.Since.IsZero() {
		d.Since, d.Deadline = now, now.Add(graceful)
		d.cut = d.Deadline.Add(drainMargin)
	}
	d.cutAccept = now.Add(acceptLimit)
}

// pipeEnded says whether the last writer of a pipe is gone.
func pipeEnded(f *os.File) bool {
	poll := []unix.PollFd{{Fd: int32(wire.Descriptor(f)), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return err == nil && n > 0 && poll[0].Revents&unix.POLLHUP != 0
}

func (m *master) graceful(generation int) time.Duration {
	if generation == m.past.Generation && m.past.Graceful > 0 {
		return m.past.Graceful
	}
	return m.config.GracefulTimeout
}

// await posts f when the last writer of a pipe has closed it.
func (m *master) await(name string, f func()) {
	file := m.hold.files[name]
	if file == nil {
		m.post1(f)
		return
	}
	go func() {
		buf := make([]byte, 1)
		for {
			n, err := file.Read(buf)
			if n > 0 {
				continue
			}
			if !errors.Is(err, os.ErrClosed) {
				m.post(f)
			}
			return
		}
	}()
}

func (m *master) acceptingEnded(g int) {
	if d := m.draining[g]; d != nil {
		d.accepting = false
		m.lookCutOver()
	}
}

// lookCutOver ends the reload when no other generation accepts any more: every
// new connection now meets this one.
func (m *master) lookCutOver() {
	if m.machine.State() != handover.Cutover {
		return
	}
	connections := int64(0)
	for _, d := range m.draining {
		if d.accepting {
			return
		}
		connections += d.connections()
	}
	if r := m.current; r != nil {
		m.describeCutover(connections)
		r.Record.Outcome = status.OutcomeDone
	}
	// Not before: "systemctl reload" ends with it, and promises what this reload does.
	// Nor if it is the one of a killed master, which only now begins again.
	if m.current != nil || !m.machine.Pending() {
		m.anchor.say(notify.Message{Ready: true, Status: m.statusLine()})
	}
	m.step(handover.CutOver)
}

func (m *master) describeCutover(connections int64) {
	m.progress("cutover", "generation %d accepts every new connection, %.1f ms after it was released", m.generation, float64(time.Since(m.released).Microseconds())/1000)
	if connections > 0 {
		m.progress("draining", "%s of %s, at most %v", count(int(connections), "connection"), count(len(m.draining), "older generation"), m.config.GracefulTimeout)
	} else {
		m.progress("draining", "no connection is left on older generations")
	}
}

func (d *drainRecord) connections() int64 {
	if d.counters == nil {
		return 0
	}
	var n int64
	for _, w := range d.Workers {
		n += d.counters.Slot(w.Slot).Connections.Load()
	}
	return n
}

// requests is how many its workers have answered.
func (d *drainRecord) requests() (n uint64) {
	if d.counters == nil {
		return 0
	}
	for _, w := range d.Workers {
		n += d.counters.Slot(w.Slot).Requests.Load()
	}
	return n
}

// countGone counts what a generation has done that was gone before anybody came to
// watch its end: it may have been killed with its master.
func (m *master) countGone(g int) {
	d := &drainRecord{Generation: g}
	for _, known := range m.past.Draining {
		if known.Generation == g {
			d.Workers = known.Workers
		}
	}
	if g == m.past.Generation {
		d.Workers = m.past.Workers
	}
	m.mapShared(d)
	m.countDrained(d)
}

// mapShared maps what the workers of a generation count in, as far as it is there.
func (m *master) mapShared(d *drainRecord) {
	if f := m.hold.files[ofGeneration(nameCounters, d.Generation)]; f != nil {
		d.counters, _ = wire.MapCounters(f)
	}
	if f := m.hold.files[ofGeneration(nameMeters, d.Generation)]; f != nil {
		d.meters, _ = wire.MapMeters(f)
	}
}

// countDrained adds up what the workers of a generation have done.
func (m *master) countDrained(d *drainRecord) {
	m.count(status.EndAsked, len(d.Workers))
	m.past.Requests += d.requests()
	m.past.Counts.ConnectionsLost += uint64(max(0, d.connections()))
	d.measure(m.measured())
	if d.counters != nil {
		_ = d.counters.Close()
	}
	_ = d.meters.Close()
}

// goneEnded forgets a generation of which no process is left.
func (m *master) goneEnded(g int) {
	d := m.draining[g]
	if d == nil {
		return
	}
	delete(m.draining, g)
	m.countDrained(d)
	m.forgetGeneration(g)
	for _, name := range []string{nameAccepting, nameGone, nameCounters, nameMeters} {
		m.hold.drop(ofGeneration(name, g))
	}
	m.dropStrays()
	m.log.Debug("generation gone", "gone", g, "after", time.Since(d.Since))
	if m.machine.State() == handover.Stopping {
		m.lookDrained()
		return
	}
	if m.active() {
		m.keep()
	}
	d.accepting = false
	m.lookCutOver()
}

// cutDraining kills what outlived its time.
func (m *master) cutDraining(now time.Time) {
	for _, d := range m.draining {
		switch {
		case d.accepting && !d.cutAccept.IsZero() && !now.Before(d.cutAccept):
			d.cutAccept = now.Add(acceptLimit)
			if d.killed {
				// What outlives SIGKILL waits in the kernel and never comes back to accept.
				m.log.Error("worker cannot be killed: no reload waits for it any longer", "of", d.Generation)
				m.post1(func() { m.acceptingEnded(d.Generation) })
				continue
			}
			d.killed = true
			for _, pid := range d.killStuck() {
				m.log.Warn("worker killed: it did not stop accepting and shows no life", "pid", pid, "of", d.Generation, "after", now.Sub(d.Since))
			}
			continue
		case !d.cut.IsZero() && !now.Before(d.cut):
			d.cut = time.Time{}
			m.log.Warn("draining generation killed", "killed", d.Generation, "after", now.Sub(d.Since))
		default:
			continue
		}
		d.kill()
	}
}

// cutOldest keeps the number of draining generations within max_draining.
func (m *master) cutOldest() {
	var list []int
	for g, d := range m.draining {
		if !d.Since.IsZero() { // one that was not told to stop yet may be all that serves
			list = append(list, g)
		}
	}
	slices.Sort(list)
	for len(list) > m.config.MaxDraining {
		d := m.draining[list[0]]
		m.log.Warn("oldest draining generation cut: more than max_draining", "cut", d.Generation, "max_draining", m.config.MaxDraining)
		d.kill()
		list = list[1:]
	}
}

// killStuck ends the workers that show no sign of life. The others have closed
// their listeners, and answer what they have.
func (d *drainRecord) killStuck() []int {
	var now unix.Timespec
	if d.counters == nil || unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) != nil {
		return nil
	}
	var pids []int
	stuck := drainRecord{}
	for _, w := range d.Workers {
		if beat := d.counters.Slot(w.Slot).Heartbeat.Load(); now.Nano()-beat > stale.Nanoseconds() {
			stuck.Workers = append(stuck.Workers, w)
			pids = append(pids, w.Pid)
		}
	}
	stuck.kill()
	return pids
}

// kill ends the processes, each only if it is still the one that was started.
func (d *drainRecord) kill() {
	for _, w := range d.Workers {
		p, err := process.Find(w.Pid, w.Start)
		if err != nil {
			continue
		}
		_ = p.Signal(syscall.SIGKILL)
		_ = p.Close()
	}
}
