package master

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/notify"
	"example.com/handover/supervisor/status"
)

// Who asks for a reload.
const (
	bySignal  = "signal"
	byControl = "control"
)

// maxAttempts is how often a reload whose master was killed is begun again.
const maxAttempts = 2

// reload is one that runs, waits or has ended. Its id and record live through
// the handover, in the state.
type reload struct {
	Record   status.Reload `json:"record"`
	Allow    []string      `json:"allow,omitempty"`
	Attempts int           `json:"attempts"`

	followers []chan status.Event
}

// followerBuffer is how many events a client may lie behind; one that is slower
// is cut and follows anew.
const followerBuffer = 64

func newReload(askedBy string, allow []string) *reload {
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	return &reload{
		Record: status.Reload{ID: hex.EncodeToString(id), AskedBy: askedBy, Started: time.Now(), Checks: []status.Check{}, Steps: []status.Step{}},
		Allow:  allow, Attempts: 1,
	}
}

// follow returns the events of a reload from the given step on.
func (r *reload) follow(after int) chan status.Event {
	c := make(chan status.Event, followerBuffer+len(r.Record.Steps))
	c <- status.Event{ID: r.Record.ID}
	for i := max(after, 0); i < len(r.Record.Steps); i++ {
		c <- status.Event{Step: &r.Record.Steps[i]}
	}
	if r.Record.Outcome != "" {
		record := r.Record
		c <- status.Event{End: &record}
		close(c)
		return c
	}
	r.followers = append(r.followers, c)
	return c
}

// tell sends an event to everybody who follows.
func (r *reload) tell(e status.Event) {
	kept := r.followers[:0]
	for _, c := range r.followers {
		select {
		case c <- e:
			kept = append(kept, c)
		default:
			close(c)
		}
	}
	r.followers = kept
}

// unfollow ends one stream.
func (r *reload) unfollow(c chan status.Event) {
	if i := slices.Index(r.followers, c); i >= 0 {
		r.followers = slices.Delete(r.followers, i, i+1)
		close(c)
	}
}

// part ends all streams with a last event.
func (r *reload) part(e status.Event) {
	if r == nil {
		return
	}
	r.tell(e)
	for _, c := range r.followers {
		close(c)
	}
	r.followers = nil
}

func (r *reload) add(s status.Step) {
	r.Record.Steps = append(r.Record.Steps, s)
	r.tell(status.Event{Step: &s})
}

// reloadAsked begins a reload, or joins the one that waits.
func (m *master) reloadAsked(askedBy string, allow []string) *reload {
	if m.next == nil {
		m.next = newReload(askedBy, allow)
	} else {
		m.next.Allow = append(m.next.Allow, allow...)
	}
	r := m.next
	m.step(handover.ReloadAsked)
	m.keep() // a master that is killed from here on is followed by one that begins it again
	return r
}

// check begins to judge what lies on disk.
func (m *master) check() {
	m.current, m.next = m.next, nil
	m.anchor.say(notify.Message{Reloading: true, Status: "reloading"})
	load, served, allow := m.options.Load, m.bundle.Published(), m.current.Allow
	go func() {
		j := m.judge(load, served, allow)
		m.post(func() { m.checked(j) })
	}()
}

// checked goes on after the judgement: to the upgrade, or back to serving.
func (m *master) checked(j judgement) {
	if m.current == nil {
		return
	}
	for _, s := range j.steps {
		m.current.add(s)
	}
	m.current.Record.Checks = append(m.current.Record.Checks, j.checks...)
	m.note(j.checks)
	if j.err != nil {
		f := explain(j.err)
		m.refuse(status.OutcomeRefused, f.Error(), f.Hint(), f.Code)
		m.step(handover.Refused)
		return
	}
	m.candidate = j.config
	m.step(handover.Accepted)
}

// refuse notes how the running reload failed; conclude tells.
func (m *master) refuse(outcome, text, hint string, code int) {
	r := &m.current.Record
	r.Outcome, r.Error, r.Hint, r.ExitCode = outcome, text, hint, code
}

// conclude tells how the running reload ended.
func (m *master) conclude() {
	r := m.current
	if r == nil {
		return
	}
	r.Record.Finished = time.Now()
	r.Record.Generation = m.generation
	m.last, m.current = r, nil
	record := r.Record
	r.part(status.Event{End: &record})
	elapsed := r.Record.Finished.Sub(r.Record.Started).Round(100 * time.Microsecond)
	line := fmt.Sprintf("generation %d serves", m.generation)
	if record.Outcome == status.OutcomeDone {
		m.log.Info("reload done", "asked_by", record.AskedBy, "elapsed", elapsed)
	} else {
		m.log.Error("reload "+record.Outcome, "asked_by", record.AskedBy, "elapsed", elapsed, "error", record.Error, "hint", record.Hint)
		line += fmt.Sprintf("; last reload %s: %s", record.Outcome, record.Error)
		m.anchor.say(notify.Message{Ready: true, Status: line})
	}
	m.rescale()
	m.keep()
}

// progress notes a step of the reload that this generation is being born for.
func (m *master) progress(name, format string, args ...any) {
	s := status.Step{Name: name, At: time.Now(), Message: fmt.Sprintf(format, args...)}
	m.steps.step(s)
	if m.current != nil {
		m.current.add(s)
	} else if m.past.Current != nil {
		m.past.Current.add(s)
	}
}
