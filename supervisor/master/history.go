package master

import (
	"bytes"
	"encoding/json"
	"slices"

	"example.com/handover/supervisor/status"
)

// mostEnded is how many reloads and rotations are remembered. A client can still
// follow them, for one that was cut off by a handover asks the successor, and
// the status shows them.
const mostEnded = 10

// ended is a reload that has ended: of the last ones, in the order of their ends,
// as text until somebody asks. A handover writes and reads several states, each of
// them holds ten, and what has ended is most of it.
type ended struct {
	reload *reload         // nil: not decoded yet
	text   json.RawMessage // nil: reload may have changed since
}

// MarshalJSON returns the text that is known, or makes it.
func (e *ended) MarshalJSON() ([]byte, error) {
	if e.text != nil {
		return e.text, nil
	}
	return json.Marshal(e.reload)
}

// UnmarshalJSON keeps the text.
func (e *ended) UnmarshalJSON(text []byte) error {
	e.text = bytes.Clone(text)
	return nil
}

// get decodes it, once. Of what another release may have written differently there
// is what could be understood.
func (e *ended) get() *reload {
	if e.reload == nil {
		e.reload = new(reload)
		_ = json.Unmarshal(e.text, e.reload)
	}
	return e.reload
}

// remember keeps a reload that has ended. Only of the last one all is kept: the
// state would grow with the findings of thousands of certificates.
func (m *master) remember(r *reload) {
	if n := len(m.ended); n > 0 {
		before := m.ended[n-1].get()
		before.Record = before.Record.Brief()
		m.ended[n-1].text, _ = json.Marshal(before) // on an error it is made each time
	}
	m.ended = append(m.ended, &ended{reload: r})
	m.ended = m.ended[max(0, len(m.ended)-mostEnded):]
}

// rewrite has the state hold what has come to be known of a reload that has ended,
// although another one may have since.
func (m *master) rewrite(r *reload) {
	for _, e := range m.ended {
		if e.reload == r {
			e.text = nil
		}
	}
}

// last returns the one that ended last, which may still be confirmed; nil if there
// was none.
func (m *master) last() *reload {
	if len(m.ended) == 0 {
		return nil
	}
	e := m.ended[len(m.ended)-1]
	r := e.get()
	e.text = nil
	return r
}

// recent returns reloads that have ended, the newest first.
func recent(all []*ended) []status.Reload {
	list := make([]status.Reload, 0, len(all))
	for _, e := range slices.Backward(all) {
		list = append(list, e.get().Record.Brief())
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
