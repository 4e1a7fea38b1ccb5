package metrics

import (
	"time"

	"example.com/handover/supervisor/status"
)

// ContentType is the media type of Text.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// Text is s, as it is now, in the text format of Prometheus
// (prometheus.io/docs/instrumenting/exposition_formats).
func Text(s *status.Status, now time.Time) []byte {
	var e emitter
	service(&e, s)
	workers(&e, s)
	traffic(&e, s)
	reloads(&e, s)
	certificates(&e, s.Certificates, now)
	return exposition(e.families)
}
