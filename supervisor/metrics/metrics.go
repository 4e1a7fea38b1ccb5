package metrics

import (
	"io"
	"time"

	"example.com/handover/supervisor/status"
)

// ContentType is what Write writes.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Write writes s, as it is now, in the text format of Prometheus
// (prometheus.io/docs/instrumenting/exposition_formats).
func Write(w io.Writer, s *status.Status, now time.Time) error {
	var e emitter
	service(&e, s)
	workers(&e, s)
	traffic(&e, s)
	reloads(&e, s)
	certificates(&e, s.Certificates, now)
	_, err := w.Write(exposition(e.families))
	return err
}
