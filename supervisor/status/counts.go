package status

import (
	"slices"
	"time"
)

// Counts is what the master has counted since the service was started. It is handed
// on from master to master, so none of it goes back.
type Counts struct {
	Boots           Histogram            `json:"worker_boot_seconds"`        // of workers, from their start until they said ready
	ReloadSeconds   map[string]Histogram `json:"reload_seconds,omitempty"`   // by kind, from when it was asked for
	Findings        Tally                `json:"findings,omitempty"`         // of the certificate checks, by check, then by severity
	MasterRestarts  uint64               `json:"master_restarts,omitempty"`  // masters that ended unasked, and were replaced
	LogLost         uint64               `json:"log_lines_lost,omitempty"`   // that nobody read, or that found a full disk
	ConnectionsLost uint64               `json:"connections_lost,omitempty"` // open when their worker ended
	Attempt         time.Time            `json:"last_attempt,omitzero"`      // when the last reload, rotation or rollback ended
	Success         time.Time            `json:"last_success,omitzero"`      // when the last one ended that was done
	Failed          string               `json:"last_failed,omitempty"`      // the kind of the last one, if it was not done
}

// Clone returns a copy that shares nothing.
func (c Counts) Clone() Counts {
	c.Boots = c.Boots.Clone()
	c.Findings = c.Findings.Clone()
	seconds := map[string]Histogram{}
	for kind, h := range c.ReloadSeconds {
		seconds[kind] = h.Clone()
	}
	c.ReloadSeconds = seconds
	return c
}

// Traffic is what the workers have counted since the service was started.
type Traffic struct {
	Responses       map[string]uint64 `json:"responses"`                // by class, 1xx to 5xx
	Duration        Histogram         `json:"request_duration_seconds"` // of requests but those that took their connection over
	Handshakes      map[string]uint64 `json:"handshakes"`               // in full, by version of TLS
	Resumed         map[string]uint64 `json:"handshakes_resumed"`       // likewise
	HandshakeErrors map[string]uint64 `json:"handshake_errors"`         // by reason
	Cut             uint64            `json:"connections_cut"`          // at graceful_timeout
	AccessLost      uint64            `json:"access_log_lines_lost"`
}

// Why handshakes fail.
const (
	HandshakeGone     = "client_gone"
	HandshakeTimeout  = "timeout"
	HandshakeName     = "unknown_name"         // sni refuses it
	HandshakeProtocol = "protocol"             // no TLS, or none that both sides speak
	HandshakeRejected = "certificate_rejected" // by the client
	HandshakeClient   = "client_certificate"   // that was not given, or not accepted
	HandshakeOther    = "other"
)

// Histogram counts observations by size, each in the first bucket that holds it.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper ones, all but the last
	Counts []uint64  `json:"counts"` // one more
	Sum    float64   `json:"sum"`
}

// NewHistogram returns one without observations.
func NewHistogram(bounds ...float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

// Observe counts v. One of other bounds, of a neighbouring release, begins anew.
func (h *Histogram) Observe(v float64, bounds ...float64) {
	if !slices.Equal(h.Bounds, bounds) || len(h.Counts) != len(bounds)+1 {
		*h = NewHistogram(bounds...)
	}
	i, _ := slices.BinarySearch(h.Bounds, v)
	h.Counts[i]++
	h.Sum += v
}

// Clone returns a copy that shares nothing.
func (h Histogram) Clone() Histogram {
	h.Bounds, h.Counts = slices.Clone(h.Bounds), slices.Clone(h.Counts)
	return h
}

// Add counts so many more.
func (t *Tally) Add(first, second string, n uint64) {
	if *t == nil {
		*t = Tally{}
	}
	if (*t)[first] == nil {
		(*t)[first] = map[string]uint64{}
	}
	(*t)[first][second] += n
}

// Unconfirmed says whether clients of the public addresses were found not to get
// what was taken last: what was refused after that has changed nothing.
func (s *Status) Unconfirmed() bool {
	for _, r := range s.Recent {
		if r.Outcome == OutcomeDone && !r.Unchanged {
			return r.Confirmed != "" && r.Confirmed != confirmed
		}
	}
	return false
}
