package metrics

import (
	"example.com/handover/supervisor/status"
)

var (
	classes    = []string{"1xx", "2xx", "3xx", "4xx", "5xx"}
	versions   = []string{"1.2", "1.3"}
	tlsReasons = []string{
		status.HandshakeGone, status.HandshakeTimeout, status.HandshakeName, status.HandshakeProtocol,
		status.HandshakeRejected, status.HandshakeClient, status.HandshakeOther,
	}
)

func traffic(e *emitter, s *status.Status) {
	t := s.Traffic
	e.gauge("handover_connections", "Open connections of clients, those of draining generations included.", float64(connections(s)))
	e.each(counter, "handover_connections_cut_total", "Connections of clients that were open at graceful_timeout, or when their worker ended.", "reason", map[string]float64{
		"graceful_timeout": float64(t.Cut), "worker_ended": float64(s.Counts.ConnectionsLost),
	})
	e.counter("handover_requests_total", "Requests answered since the service was started.", s.Requests)
	e.each(counter, "handover_responses_total", "Answers by the class of their status.", "class", counted(classes, t.Responses))
	e.histogram("handover_request_duration_seconds", "How long handlers took, but for those that took their connection over.")(t.Duration)
	shaken := e.family(counter, "handover_tls_handshakes_total", "Completed handshakes of clients.", "resumed", "version")
	for _, version := range versions {
		shaken(float64(t.Handshakes[version]), "no", version)
		shaken(float64(t.Resumed[version]), "yes", version)
	}
	e.each(counter, "handover_tls_handshake_errors_total", "Handshakes of clients that failed, by reason.", "reason", counted(tlsReasons, t.HandshakeErrors))
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
