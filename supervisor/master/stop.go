package master

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/notify"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// quickLimit is how long a worker may take to end after "quit".
const quickLimit = time.Second

// stopping is a stop in progress.
type stopping struct {
	asked    bool
	quick    bool
	code     int       // exit status of a boot that is given up
	drainAt  time.Time // when a stop with a delay begins to drain
	deadline time.Time
}

// longestStop is how long a graceful stop may take, as the anchor is told: from
// the signal on, so with the delay.
func longestStop(c *config.Config) time.Duration {
	return c.ShutdownDelay + c.GracefulTimeout + 2*drainMargin
}

// stopAsked begins a stop, or shortens it. The master itself hears of one stop in
// several ways, so only a quick one shortens: what a second TERM means the anchor
// knows.
func (m *master) stopAsked(quick bool) {
	m.stop.asked = true
	m.stop.quick = m.stop.quick || quick
	if m.config != nil && m.config.ShutdownDelay > 0 && !m.stop.quick && !m.anchor.gone {
		m.step(handover.LeaveAsked)
		return
	}
	m.step(handover.StopAsked)
}

// stopService stops the service for somebody who is no signal. It is done by one:
// so systemd hears of it at once, and a master that is killed meanwhile is not
// started again.
func (m *master) stopService(quick bool) {
	if m.stop.asked && !quick {
		return // a request that is repeated must not shorten the stop
	}
	m.stop.asked = true
	signal := syscall.SIGTERM
	if quick {
		signal = syscall.SIGQUIT
	}
	m.anchor.say(notify.Message{Command: true})
	if pid := anchorPid(); os.Getppid() != pid || syscall.Kill(pid, signal) != nil {
		m.stopAsked(quick)
	}
}

// linger begins a stop with a delay: whoever asks is told that no client should be
// sent here any more, and those that come all the same are served as before. The
// moment is carried on: a successor that wins the race does not begin anew.
func (m *master) linger() {
	if m.stop.drainAt.IsZero() {
		m.stop.drainAt = time.Now().Add(m.config.ShutdownDelay)
		m.log.Info("stopping after a delay, until then clients are served", "shutdown_delay", m.config.ShutdownDelay)
	}
	m.anchor.say(notify.Message{Status: "stopping: drains at " + m.stop.drainAt.Format(time.TimeOnly)})
	m.mailbox.stop()
	m.stopReloads()
	if m.active() {
		m.keep()
	}
}

// resumeStop goes on with the delay that the predecessor had begun.
func (m *master) resumeStop() {
	if at := m.past.Leaving; !at.IsZero() {
		m.stop.drainAt = at
		m.post1(func() { m.stopAsked(false) })
	}
}

// cutLinger begins the drain when its time has come; or at once when the anchor
// has died, for then nobody has asked for a stop, and what is to start the service
// again waits for its end.
func (m *master) cutLinger(now time.Time) {
	if m.machine.State() == handover.Lingering && (m.anchor.gone || !now.Before(m.stop.drainAt)) {
		m.step(handover.StopAsked)
	}
}

// drain closes everything that accepts and lets what runs end. The anchor
// closes the serve pipes of all generations when it hears STOPPING=1, or has
// closed them by its death.
func (m *master) drain() {
	m.anchor.say(notify.Message{Stopping: true, Status: "stopping"})
	m.mailbox.stop()
	m.stopReloads()
	m.hooks.Stop()
	m.dropListeners()
	m.hold.upgrader.Stop()
	if m.anchor.gone {
		// Whatever restarts the service must be able to start at once.
		m.closeServer()
		m.removeCreated()
		m.hold.drop(nameControl)
		m.hold.drop(namePidFile)
		m.admin.leave(nil)
		m.hold.drop(adminName(m.config.Admin.Address))
		m.created = nil
	}
	_ = m.ends.accepting.Close()
	_ = m.ends.gone.Close()
	states := map[int]pool.State{}
	for _, w := range m.pool.Workers() {
		states[w.Slot] = w.State
	}
	for slot, w := range m.workers {
		if s := states[slot]; !pool.Serves(s) && s != pool.Draining {
			w.kill() // it has met no client, or is being killed
		}
	}
	for _, g := range m.others() {
		if m.draining[g] == nil {
			m.watchDraining()
			break
		}
	}
	m.stop.deadline = time.Now().Add(m.config.GracefulTimeout + drainMargin)
	if m.stop.quick {
		m.hasten()
	}
	m.lookDrained()
}

// dropListeners closes the sockets of clients. A copy left open would queue clients
// and reset them at the end of this process.
func (m *master) dropListeners() {
	for name := range m.hold.files {
		if strings.HasPrefix(name, prefixListen) || strings.HasPrefix(name, prefixActivated) {
			m.hold.drop(name)
		}
	}
}

// stopReloads tells those who wait for a reload that there will be none.
func (m *master) stopReloads() {
	for _, r := range slices.Concat(m.rotations, []*reload{m.current, m.next}) {
		if r == nil {
			continue
		}
		r.Record.Outcome, r.Record.Error, r.Record.ExitCode = status.OutcomeFailed, "the service is stopping", status.ExitFailed
		r.Record.Finished, r.Record.Generation = time.Now(), m.generation
		record := r.Record
		r.part(status.Event{End: &record})
	}
	m.current, m.next, m.rotations, m.rotation, m.deferred = nil, nil, nil, nil, nil
}

// hasten makes a graceful stop a quick one.
func (m *master) hasten() {
	if !m.stop.quick {
		return
	}
	for _, w := range m.workers {
		w.say(wire.KindQuit)
	}
	for _, d := range m.draining {
		d.kill()
	}
	m.stop.deadline = time.Now().Add(quickLimit)
}

// cutStop kills what outlived the stop.
func (m *master) cutStop(now time.Time) {
	if m.stop.deadline.IsZero() || now.Before(m.stop.deadline) {
		return
	}
	m.stop.deadline = time.Time{}
	for _, w := range m.workers {
		w.kill()
	}
	for _, d := range m.draining {
		d.kill()
	}
}

// lookDrained ends a stop when no worker of any generation is left.
func (m *master) lookDrained() {
	if m.machine.State() != handover.Stopping || len(m.workers) > 0 || len(m.draining) > 0 {
		return
	}
	m.closeServer()
	m.removeDrained()
	m.stopRelays(true)
	m.log.Info("stopped")
	m.step(handover.Drained)
}
