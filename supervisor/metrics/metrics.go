package metrics

import (
	"fmt"
	"io"
	"strings"
	"time"

	"example.com/handover/supervisor/status"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// ContentType is what Write writes.
const ContentType = string(expfmt.FmtText)

// What the label of a series may be, so that none is missing before it counts.
var (
	workerStates   = []string{"starting", "proving", "serving", "draining"}
	exitReasons    = []string{status.EndAsked, status.EndRecycled, status.EndExited, status.EndCrashed, status.EndOOM, status.EndSilent, status.EndBoot}
	reloadKinds    = []string{status.KindReload, status.KindRotate, status.KindRollback}
	reloadOutcomes = []string{status.OutcomeDone, status.OutcomeRefused, status.OutcomeFailed}
)

// Write writes s in the text format.
func Write(w io.Writer, s *status.Status) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register(collector{s}); err != nil {
		return fmt.Errorf("collect metrics: %v", err)
	}
	families, err := registry.Gather()
	if err != nil {
		return fmt.Errorf("collect metrics: %v", err)
	}
	text := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, family := range families {
		if err := text.Encode(family); err != nil {
			return err
		}
	}
	return nil
}

// collector is one status as a prometheus.Collector.
type collector struct{ status *status.Status }

// Describe describes nothing: the registry lives for one scrape.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends every metric.
func (c collector) Collect(out chan<- prometheus.Metric) {
	s, e := c.status, emitter(out)
	workers := countWorkers(s)
	e.gauge("handover_generation", "Number of the serving generation.", float64(s.Generation))
	e.gauge("handover_draining_generations", "Older generations that still end their connections.", float64(len(s.Draining)))
	e.gauge("handover_connections", "Open connections of clients, those of draining generations included.", float64(connections(s)))
	e.counter("handover_requests_total", "Requests answered since the service was started.", float64(s.Requests))
	e.each(prometheus.GaugeValue, "handover_workers", "Workers by state.", "state", workers)
	e.each(prometheus.CounterValue, "handover_worker_exits_total", "Ends of workers since the service was started, by reason.", "reason", countExits(s))
	reloads := e.family(prometheus.CounterValue, "handover_reloads_total", "Reloads, rotations and rollbacks that have ended, by outcome.", "kind", "outcome")
	for _, kind := range reloadKinds {
		for _, outcome := range reloadOutcomes {
			reloads(float64(s.Reloads[kind][outcome]), kind, outcome)
		}
	}
	e.each(prometheus.GaugeValue, "handover_certificate_not_after_timestamp_seconds", "When a served certificate, or one of its chain, ends.", "name", ends(s))
}

// countWorkers counts by state. Those of draining generations drain.
func countWorkers(s *status.Status) map[string]float64 {
	n := map[string]float64{}
	for _, state := range workerStates {
		n[state] = 0
	}
	for _, w := range s.Workers {
		n[w.State]++
	}
	for _, d := range s.Draining {
		n["draining"] += float64(len(d.Workers))
	}
	return n
}

func countExits(s *status.Status) map[string]float64 {
	n := map[string]float64{}
	for _, reason := range exitReasons {
		n[reason] = float64(s.Exits[reason])
	}
	return n
}

func connections(s *status.Status) (n int64) {
	for _, w := range s.Workers {
		n += w.Connections
	}
	for _, d := range s.Draining {
		for _, w := range d.Workers {
			n += w.Connections
		}
	}
	return n
}

// ends returns when the certificates of each name end: the earliest, where one
// name has several. A name may be that of a file, and so no UTF-8, which a label
// must be.
func ends(s *status.Status) map[string]float64 {
	first := map[string]time.Time{}
	for _, c := range s.Certificates {
		end := c.NotAfter
		if !c.ChainNotAfter.IsZero() && c.ChainNotAfter.Before(end) {
			end = c.ChainNotAfter
		}
		name := strings.ToValidUTF8(c.Name, "\uFFFD")
		if known, ok := first[name]; !ok || end.Before(known) {
			first[name] = end
		}
	}
	seconds := map[string]float64{}
	for name, end := range first {
		seconds[name] = float64(end.Unix())
	}
	return seconds
}

// emitter sends metrics to a registry.
type emitter chan<- prometheus.Metric

func (e emitter) gauge(name, help string, value float64) {
	e.family(prometheus.GaugeValue, name, help)(value)
}

func (e emitter) counter(name, help string, value float64) {
	e.family(prometheus.CounterValue, name, help)(value)
}

// each sends one series for each value of a label.
func (e emitter) each(t prometheus.ValueType, name, help, label string, values map[string]float64) {
	send := e.family(t, name, help, label)
	for value, n := range values {
		send(n, value)
	}
}

// family returns what sends the series of one name.
func (e emitter) family(t prometheus.ValueType, name, help string, labels ...string) func(value float64, of ...string) {
	desc := prometheus.NewDesc(name, help, labels, nil)
	return func(value float64, of ...string) { e <- prometheus.MustNewConstMetric(desc, t, value, of...) }
}
