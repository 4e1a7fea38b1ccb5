package master

import (
	"errors"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/status"
)

// refused notes how the judgement of the current reload or rotation failed, and
// whether it is to be tried again by itself.
func (m *master) refused(j judgement) {
	m.note(j.checks)
	f := explain(j.err)
	outcome := status.OutcomeRefused
	if f.Code != status.ExitRefused && f.Code != status.ExitConfig {
		outcome = status.OutcomeFailed
	}
	m.refuse(outcome, f.Error(), f.Hint(), f.Code)
	m.deferIf(j.err)
}

// deferIf plans the next attempt of what was refused for nothing but a
// certificate whose time has not come.
func (m *master) deferIf(err error) {
	var refusal *cert.Refusal
	if !errors.As(err, &refusal) || m.current.Rollback != nil {
		return // the files were not judged: what waits there still does
	}
	m.deferred = nil
	if until, ok := refusal.Deferred(); ok {
		m.deferred = &deferral{Until: until, Kind: m.current.Record.Kind}
		m.log.Info("certificates wait for their time", "until", until)
	}
}

// deferral is something that is tried again by itself.
type deferral struct {
	Until time.Time `json:"until"`
	Kind  string    `json:"kind"` // of a reload
}

// resume tries again what was deferred, once its time has come.
func (m *master) resume(now time.Time) {
	d := m.deferred
	if d == nil || now.Before(d.Until) || m.machine.State() != handover.Active {
		return
	}
	m.deferred = nil
	if d.Kind == status.KindReload {
		m.reloadAsked(byDeferral, nil)
		return
	}
	m.rotateAsked(newRotation(byDeferral, nil))
}
