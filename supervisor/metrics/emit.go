package metrics

import (
	"strings"
	"time"

	"example.com/handover/supervisor/status"
)

// emitter collects families, in any order.
type emitter struct{ families []*family }

func (e *emitter) gauge(name, help string, value float64) {
	e.family(gauge, name, help)(value)
}

func (e *emitter) counter(name, help string, value uint64) {
	e.family(counter, name, help)(float64(value))
}

// each sends one series for each value of a label.
func (e *emitter) each(k kind, name, help, label string, values map[string]float64) {
	send := e.family(k, name, help, label)
	for value, n := range values {
		send(n, value)
	}
}

// family returns what sends the series of one name. Its labels are in alphabetical
// order.
func (e *emitter) family(k kind, name, help string, labels ...string) func(value float64, of ...string) {
	f := e.add(k, name, help, labels)
	return func(value float64, of ...string) {
		f.series = append(f.series, series{of, []sample{{value: value}}})
	}
}

// histogram returns what sends the histograms of one name.
func (e *emitter) histogram(name, help string, labels ...string) func(h status.Histogram, of ...string) {
	f := e.add(histogram, name, help, labels)
	return func(h status.Histogram, of ...string) {
		var samples []sample
		count := uint64(0)
		for i, n := range h.Counts {
			count += n
			if i < len(h.Bounds) {
				samples = append(samples, sample{"_bucket", number(h.Bounds[i]), float64(count)})
			}
		}
		samples = append(samples, sample{"_bucket", "+Inf", float64(count)}, sample{"_sum", "", h.Sum}, sample{"_count", "", float64(count)})
		f.series = append(f.series, series{of, samples})
	}
}

func (e *emitter) add(k kind, name, help string, labels []string) *family {
	f := &family{kind: k, name: name, help: help, labels: labels}
	e.families = append(e.families, f)
	return f
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
