package master

import (
	"slices"

	"example.com/handover/supervisor/status"
)

// mostEnded is how many reloads and rotations are remembered. A client can still
// follow them, for one that was cut off by a handover asks the successor, and
// the status shows them.
const mostEnded = 10

// remember keeps a reload that has ended. Only of the last one all is kept: the
// state would grow with the findings of thousands of certificates.
func (m *master) remember(r *reload) {
	if before := m.last(); before != nil {
		before.Record = before.Record.Brief()
	}
	m.ended = append(m.ended, r)
	m.ended = m.ended[max(0, len(m.ended)-mostEnded):]
}

// recent returns reloads that have ended, the newest first.
func recent(ended []*reload) []status.Reload {
	list := make([]status.Reload, 0, len(ended))
	for _, r := range slices.Backward(ended) {
		list = append(list, r.Record.Brief())
	}
	return list
}

// history adds to a published status what came before it and what comes next.
func (m *master) history(s *status.Status) {
	s.Recent = recent(m.ended)
	if last := m.last(); last != nil {
		record := last.Record
		s.LastReload = &record
	}
	if m.current != nil {
		current := m.current.Record.Brief()
		s.CurrentReload = &current
	}
	if released := m.released; !released.IsZero() {
		s.Since = &released
	}
}
