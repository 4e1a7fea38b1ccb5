package master

import (
	"slices"
	"strings"
	"time"

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
	code     int // exit status of a boot that is given up
	deadline time.Time
}

func (m *master) stopAsked(quick bool) {
	m.stop.asked = true
	m.stop.quick = m.stop.quick || quick
	m.step(handover.StopAsked)
}

// drain closes everything that accepts and lets what runs end. The anchor
// closes the serve pipes of all generations when it hears STOPPING=1, or has
// closed them by its death.
func (m *master) drain() {
	m.anchor.say(notify.Message{Stopping: true, Status: "stopping"})
	m.mailbox.stop()
	m.stopReloads()
	m.hooks.Stop()
	// A listener copy left open would queue clients and reset them at the end.
	for name := range m.hold.files {
		if strings.HasPrefix(name, prefixListen) {
			m.hold.drop(name)
		}
	}
	m.hold.upgrader.Stop()
	if m.anchor.gone {
		// Whatever restarts the service must be able to start at once.
		m.closeServer()
		m.removeCreated()
		m.hold.drop(nameControl)
		m.hold.drop(namePidFile)
		m.created = nil
	}
	_ = m.ends.accepting.Close()
	_ = m.ends.gone.Close()
	states := map[int]pool.State{}
	for _, w := range m.pool.Workers() {
		states[w.Slot] = w.State
	}
	for slot, w := range m.workers {
		if s := states[slot]; s != pool.Serving && s != pool.Draining {
			w.kill() // it has met no client
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
	m.removeCreated()
	m.log.Info("stopped")
	m.step(handover.Drained)
}
