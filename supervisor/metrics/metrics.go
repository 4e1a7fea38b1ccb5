package metrics

import (
	"fmt"
	"io"
	"time"

	"example.com/handover/supervisor/status"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// ContentType is what Write writes.
const ContentType = string(expfmt.FmtText)

// Write writes s, as it is now, in the text format.
func Write(w io.Writer, s *status.Status, now time.Time) error {
	registry := prometheus.NewRegistry()
	if err := registry.Register(collector{s, now}); err != nil {
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
type collector struct {
	status *status.Status
	now    time.Time
}

// Describe describes nothing: the registry lives for one scrape.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends every metric.
func (c collector) Collect(out chan<- prometheus.Metric) {
	e := emitter(out)
	service(e, c.status)
	workers(e, c.status)
	traffic(e, c.status)
	reloads(e, c.status)
	certificates(e, c.status.Certificates, c.now)
}
