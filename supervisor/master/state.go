package master

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/hook"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// state is what one master knows and the next one needs. It lies in a memfd
// that is never changed: each change makes a new one. A neighbouring release may
// have written it, or read it next, so a field that is missing means as much as
// one that was never set, and a field that another release has added is passed
// over: see "Neighbouring releases" in package wire.
type state struct {
	Version     int                  `json:"v"`
	Generation  int                  `json:"generation"`
	Started     time.Time            `json:"started"` // of the service
	Want        int                  `json:"want"`
	WantConfig  int                  `json:"want_config"`       // what the config said when Want was set
	Scaled      bool                 `json:"scaled"`            // Want was set by hand
	Quieten     bool                 `json:"quieten,omitempty"` // to be quiet once what runs has ended
	Quiet       bool                 `json:"quiet"`             // no workers until the next reload
	Graceful    time.Duration        `json:"graceful"`          // how long the workers of this generation drain
	Workers     []workerID           `json:"workers"`
	Draining    []drainRecord        `json:"draining"`
	Current     *reload              `json:"current,omitempty"`
	Next        *reload              `json:"next,omitempty"`
	Ended       []*ended             `json:"ended,omitempty"` // the last ones, for clients that still follow
	Rotations   []*reload            `json:"rotations,omitempty"`
	Deferred    *deferral            `json:"deferred,omitempty"`
	Judged      string               `json:"judged,omitempty"`   // the config by which the bundle "judged" was
	Changed     []int                `json:"changed,omitempty"`  // pairs of that bundle which are not served yet, as far as they are proven one by one
	Held        map[string]cert.Held `json:"held,omitempty"`     // what was rolled back to
	Degraded    string               `json:"degraded,omitempty"` // why the bundle is not what lay on disk at the start
	Tickets     *ring                `json:"tickets,omitempty"`
	Hooks       []hook.Batch         `json:"hooks,omitempty"`    // for a successor
	Exits       status.Exits         `json:"exits,omitempty"`    // of workers, by reason
	Told        map[string]int       `json:"told,omitempty"`     // how near its end each certificate was said to be, by fingerprint
	Leaving     time.Time            `json:"leaving,omitzero"`   // when a stop that was asked for begins to drain
	Requests    uint64               `json:"requests,omitempty"` // answered by workers that are gone
	Reloads     status.Tally         `json:"reloads,omitempty"`  // that have ended
	Measured    map[string]uint64    `json:"measured,omitempty"` // by workers that are gone: see wire.Measure
	Counts      status.Counts        `json:"counts,omitzero"`
	Unsaid      int                  `json:"unsaid,omitempty"` // lines of the log that were lost, at the end of a master that hands over
	Admin       string               `json:"admin,omitempty"`  // addresses and paths, so that a change is noticed
	Control     string               `json:"control"`
	PidFile     string               `json:"pidfile"`
	Sockets     []string             `json:"sockets"` // unix sockets that we made
	Descriptors []string             `json:"descriptors"`
}

// workerID names a process for good: a number alone is used again.
type workerID struct {
	Slot  int    `json:"slot"`
	Pid   int    `json:"pid"`
	Start uint64 `json:"start"`
}

func decodeState(b []byte) (state, error) {
	var s state
	err := json.Unmarshal(b, &s)
	if err != nil {
		// What a distant release wrote may not even have the same types.
		var head struct {
			Version int `json:"v"`
		}
		if json.Unmarshal(b, &head) != nil {
			return state{}, fmt.Errorf("decode state: %v", err)
		}
		s.Version = head.Version
	}
	if distant := wire.Judge("state", s.Version, wire.HintRestart); distant != nil {
		return state{}, distant
	}
	if err != nil {
		return state{}, fmt.Errorf("decode state: %v", err)
	}
	s.Ended = slices.DeleteFunc(s.Ended, func(e *ended) bool { return e == nil })
	return s, nil
}

func readState(f *os.File) (state, error) {
	b, err := wire.ReadSealed(f)
	if err != nil {
		return state{}, err
	}
	return decodeState(b)
}

// snapshot returns what this master knows now.
func (m *master) snapshot() state {
	s := state{
		Version: wire.Version, Generation: m.generation, Started: m.past.Started, Current: m.current, Next: m.next, Ended: m.ended,
		Want: m.past.Want, WantConfig: m.past.WantConfig, Scaled: m.past.Scaled,
		Quieten: m.past.Quieten, Quiet: m.quiet, Graceful: m.config.GracefulTimeout, Rotations: m.rotations, Deferred: m.deferred,
		Held: m.held, Degraded: m.degraded, Tickets: m.past.Tickets, Told: m.past.Told, Exits: m.past.Exits,
		Leaving: m.stop.drainAt, Requests: m.past.Requests, Reloads: m.past.Reloads,
		Measured: m.past.Measured, Counts: m.past.Counts,
		Admin: m.config.Admin.Address, Control: m.config.ControlSocket(), PidFile: m.config.PidFile, Sockets: m.created,
	}
	for _, w := range m.workers {
		s.Workers = append(s.Workers, w.id())
	}
	for _, d := range m.draining {
		s.Draining = append(s.Draining, *d)
	}
	return s
}

// encode seals the state.
func (s state) encode() ([]byte, *os.File, error) {
	b, err := s.text()
	if err != nil {
		return nil, nil, fmt.Errorf("encode state: %v", err)
	}
	f, err := wire.Seal(nameState, b)
	return b, f, err
}

// text is the state in JSON. What has ended is most of it, and stands there as the
// text that it is already: encoding/json would go through it each time.
func (s state) text() ([]byte, error) {
	all := s.Ended
	s.Ended = nil
	b, err := json.Marshal(s)
	if err != nil || len(all) == 0 {
		return b, err
	}
	b = append(b[:len(b)-1], `,"ended":[`...)
	for i, e := range all {
		text, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, text...)
	}
	return append(b, "]}"...), nil
}

// keep has the anchor store the present state. Only the current master does.
func (m *master) keep() {
	_, f, err := m.snapshot().encode()
	if err != nil {
		m.log.Error("keep state", "error", err)
		return
	}
	m.anchor.store(nameState, f)
	_ = f.Close()
	m.stirred = time.Now()
}
