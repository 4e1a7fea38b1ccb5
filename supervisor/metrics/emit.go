package metrics

import (
	"strings"
	"time"

	"example.com/handover/supervisor/status"
	"github.com/prometheus/client_golang/prometheus"
)

// emitter sends metrics to a registry.
type emitter chan<- prometheus.Metric

func (e emitter) gauge(name, help string, value float64) {
	e.family(prometheus.GaugeValue, name, help)(value)
}

func (e emitter) counter(name, help string, value uint64) {
	e.family(prometheus.CounterValue, name, help)(float64(value))
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

// histogram returns what sends the histograms of one name.
func (e emitter) histogram(name, help string, labels ...string) func(h status.Histogram, of ...string) {
	desc := prometheus.NewDesc(name, help, labels, nil)
	return func(h status.Histogram, of ...string) {
		buckets, count := map[float64]uint64{}, uint64(0)
		for i, n := range h.Counts {
			count += n
			if i < len(h.Bounds) {
				buckets[h.Bounds[i]] = count
			}
		}
		e <- prometheus.MustNewConstHistogram(desc, count, h.Sum, buckets, of...)
	}
}

// printable makes a label of what a certificate says, or the name of its file: it
// must be UTF-8.
func printable(label string) string { return strings.ToValidUTF8(label, "\uFFFD") }

// counted returns a count for each value of a label, so that none is missing before
// it counts.
func counted(values []string, n map[string]uint64) map[string]float64 {
	all := map[string]float64{}
	for _, value := range values {
		all[value] = float64(n[value])
	}
	return all
}

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// seconds is a moment as Prometheus has it; 0: there was none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
