package master

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"example.com/handover/supervisor/archive"
	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
)

// saving lets one goroutine at a time write to the state_dir.
type saving struct{ sync.Mutex }

// adopted keeps a copy of what has come to be served, if there is a place for
// it. What was rolled back to is no news, and what was served for want of better
// comes from there.
func (m *master) adopted(askedBy string) {
	dir := m.config.StateDir
	if dir == "" || m.degraded != "" {
		return
	}
	b, held, now := m.bundle, maps.Clone(m.held), time.Now()
	log := m.log
	go func() {
		m.saving.Lock()
		defer m.saving.Unlock()
		a, err := archive.Open(dir)
		if err == nil {
			err = errors.Join(a.Save(b, askedBy, now), a.Hold(held))
		}
		if err != nil {
			log.Warn("certificates not kept for a rollback", "state_dir", dir, "error", err)
		}
	}()
}

// keepHeld notes what of held the bundle really holds: of the others the files
// have changed since.
func (m *master) keepHeld(b *cert.Bundle, held map[string]cert.Held) {
	m.held = map[string]cert.Held{}
	for _, c := range b.Certificates {
		if h, ok := held[c.Name]; ok && c.Held {
			m.held[c.Name] = h
		}
	}
}

// heldFor says what is to be taken instead of the files: what was rolled back
// to before, more by another rollback, less when one is undone.
func heldFor(c *config.Config, served *cert.Bundle, held map[string]cert.Held, r *control.RollbackRequest) (map[string]cert.Held, error) {
	held = maps.Clone(held)
	switch {
	case r == nil:
		return held, nil
	case r.Undo:
		return released(held, r.Name)
	case c.StateDir == "":
		return nil, status.Failed(status.ExitFailed, `set state_dir to a folder of its own: the keys are kept there, mode 0600`,
			"no previous certificate is kept: state_dir is not set")
	}
	a, err := archive.Open(c.StateDir)
	if err != nil {
		return nil, status.Failed(status.ExitFailed, "", "%v", err)
	}
	previous, _, err := a.Previous(served.Published(), r.Name)
	if err != nil {
		return nil, status.Failed(status.ExitFailed, `"handover certs" shows what is served`, "%v", err)
	}
	digests := cert.Digests(served, c.Certificate)
	for name, file := range previous {
		held[name] = cert.Held{Digest: digests[name], File: file}
	}
	return held, nil
}

// released takes the hold off one certificate, or off all.
func released(held map[string]cert.Held, name string) (map[string]cert.Held, error) {
	if _, ok := held[name]; name != "" && !ok {
		return nil, status.Failed(status.ExitFailed, `"handover certs" shows which are held`, "certificate %q is not held", name)
	}
	if name == "" {
		return map[string]cert.Held{}, nil
	}
	delete(held, name)
	return held, nil
}

// coldStart finds what was rolled back to before the service was stopped.
func coldStart(q *question) {
	if q.config == nil || q.config.StateDir == "" {
		return
	}
	if a, err := archive.Open(q.config.StateDir); err == nil {
		q.held, _ = a.Held() // damaged: the files count
	}
}

// lastGood has a first start whose certificates were refused serve the newest
// kept ones that still pass, if the config says so.
func lastGood(j *judgement, q question) {
	var refusal *cert.Refusal
	if !errors.As(j.err, &refusal) || q.config.OnBadStart != "last_good" {
		return
	}
	a, err := archive.Open(q.config.StateDir)
	if err != nil {
		return
	}
	entries, _ := a.Entries()
	for _, e := range entries {
		kept := *q.config
		kept.Certificate = a.Sources(e, q.config.Certificate)
		if refusal.OfTicketKeys() {
			kept.TLS.TicketKeys = "" // then own ones: no session of another instance is resumed, nothing worse
		}
		again := judgement{config: j.config}
		again.readCertificates(question{config: &kept, allow: q.allow})
		if again.err == nil {
			j.bundle, j.err = again.bundle, nil
			j.degraded = fmt.Sprintf("what lies on disk was refused at the start: %v", refusal)
			j.checks = slices.Concat(j.checks, again.checks)
			return
		}
	}
}
