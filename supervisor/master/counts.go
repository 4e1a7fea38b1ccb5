package master

import (
	"maps"
	"time"

	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// The buckets, in seconds. Workers start in some milliseconds or, with much to
// build, in boot_timeout; a reload adds what settling takes.
var (
	bootBounds   = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
	reloadBounds = []float64{0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
)

// noteBoot counts how long a worker took to be ready. Before this master has taken
// over, what it counts would be replaced by what its predecessor left: it waits.
func (m *master) noteBoot(w *worker) {
	m.boots = append(m.boots, time.Since(w.started))
	if m.active() {
		m.countBoots()
		m.keep()
	}
}

func (m *master) countBoots() {
	for _, took := range m.boots {
		m.past.Counts.Boots.Observe(took.Seconds(), bootBounds...)
	}
	m.boots = nil
}

// countReload counts one that has ended. Of the look at the disk that follows every
// rotation by itself only what came of it counts, and that nothing is wrong there
// any more.
func (m *master) countReload(r status.Reload) {
	c := &m.past.Counts
	if r.Unchanged && r.AskedBy == byWatch {
		if c.Failed != status.KindReload { // that may have failed at the config, which this one did not read
			c.Failed = ""
		}
		return
	}
	m.past.Reloads.Add(r.Kind, r.Outcome, 1)
	m.countFindings(r.Checks)
	c.Attempt, c.Failed = r.Finished, r.Kind
	if r.Outcome == status.OutcomeDone {
		c.Success, c.Failed = r.Finished, ""
	}
	if c.ReloadSeconds == nil {
		c.ReloadSeconds = map[string]status.Histogram{}
	}
	h := c.ReloadSeconds[r.Kind]
	h.Observe(r.Finished.Sub(r.Started).Seconds(), reloadBounds...)
	c.ReloadSeconds[r.Kind] = h
}

func (m *master) countFindings(checks []status.Check) {
	for _, c := range checks {
		m.past.Counts.Findings.Add(c.Name, c.Severity, 1)
	}
}

// countWorker adds what a worker of the own generation has counted, once: the next
// one of its slot, should it end before it writes there, would be counted for it.
// The anchor has the sum before the memory loses it, or a master that is killed
// while it starts that next one would take it along.
func (m *master) countWorker(slot int) {
	s, meter := m.counters.Slot(slot), m.meters.Slot(slot)
	m.past.Requests += s.Requests.Load()
	m.past.Counts.ConnectionsLost += uint64(max(0, s.Connections.Load()))
	meter.AddTo(m.measured())
	if m.active() {
		m.keep()
	}
	s.Requests.Store(0)
	s.Connections.Store(0)
	meter.Reset()
}

// measured is what workers that are gone have measured, by name. Names of another
// release are handed on.
func (m *master) measured() map[string]uint64 {
	if m.past.Measured == nil {
		m.past.Measured = map[string]uint64{}
	}
	return m.past.Measured
}

// measure adds what the workers of a draining generation have measured.
func (d *drainRecord) measure(sums map[string]uint64) {
	for _, w := range d.Workers {
		d.meters.Slot(w.Slot).AddTo(sums)
	}
}

// counts is what this master has counted so far, also of lines that are only in
// its memory. No bucket is missing before it counts.
func (m *master) counts() status.Counts {
	c := m.past.Counts.Clone()
	c.LogLost += m.output.lost.Load()
	if c.Boots.Counts == nil {
		c.Boots = status.NewHistogram(bootBounds...)
	}
	for _, kind := range []string{status.KindReload, status.KindRotate, status.KindRollback} {
		if c.ReloadSeconds[kind].Counts == nil {
			c.ReloadSeconds[kind] = status.NewHistogram(reloadBounds...)
		}
	}
	return c
}

// keepLost hands on the number of lost lines, at most once a second.
func (m *master) keepLost() {
	if n := m.output.lost.Swap(0); n > 0 && m.active() {
		m.past.Counts.LogLost += n
		m.keep()
	} else {
		m.output.lost.Add(n)
	}
}

// traffic is what all workers have measured.
func (m *master) traffic() status.Traffic {
	sums := maps.Clone(m.measured())
	if m.pool != nil {
		for slot := range m.workers {
			m.meters.Slot(slot).AddTo(sums)
		}
	}
	for _, d := range m.draining {
		d.measure(sums)
	}
	return trafficOf(sums)
}

// trafficOf puts measures into words.
func trafficOf(sums map[string]uint64) status.Traffic {
	of := func(what wire.Measure) uint64 { return sums[what.String()] }
	t := status.Traffic{
		Responses: map[string]uint64{
			"1xx": of(wire.Responses1xx), "2xx": of(wire.Responses2xx), "3xx": of(wire.Responses3xx),
			"4xx": of(wire.Responses4xx), "5xx": of(wire.Responses5xx),
		},
		Handshakes: map[string]uint64{"1.2": of(wire.Handshakes12), "1.3": of(wire.Handshakes13)},
		Resumed:    map[string]uint64{"1.2": of(wire.Resumed12), "1.3": of(wire.Resumed13)},
		HandshakeErrors: map[string]uint64{
			status.HandshakeGone: of(wire.FailedGone), status.HandshakeTimeout: of(wire.FailedTimeout),
			status.HandshakeName: of(wire.FailedName), status.HandshakeProtocol: of(wire.FailedProtocol),
			status.HandshakeRejected: of(wire.FailedRejected), status.HandshakeClient: of(wire.FailedClientCertificate),
			status.HandshakeOther: of(wire.FailedOther),
		},
		Cut: of(wire.ConnectionsCut), AccessLost: of(wire.AccessLost),
	}
	for i, bound := range wire.DurationBounds() {
		t.Duration.Bounds = append(t.Duration.Bounds, bound.Seconds())
		t.Duration.Counts = append(t.Duration.Counts, of(wire.Duration(i)))
	}
	t.Duration.Counts = append(t.Duration.Counts, of(wire.Duration(len(t.Duration.Bounds))))
	t.Duration.Sum = float64(of(wire.DurationSum)) / 1e6
	return t
}
