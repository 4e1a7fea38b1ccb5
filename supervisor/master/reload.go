package master

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/notify"
	"example.com/handover/supervisor/status"
	"golang.org/x/sys/unix"
)

// Who asks for a reload.
const (
	bySignal   = "signal"
	byControl  = "control"
	byWatch    = "watch"
	byDeferral = "deferral"
)

// maxAttempts is how often a reload whose master was killed is begun again.
const maxAttempts = 2

// reload is one that runs, waits or has ended. Its id and record live through
// the handover, in the state.
type reload struct {
	Record     status.Reload            `json:"record"`
	Allow      []string                 `json:"allow,omitempty"`
	NewTickets bool                     `json:"new_tickets,omitempty"` // of a rotation
	Rollback   *control.RollbackRequest `json:"rollback,omitempty"`
	Committed  string                   `json:"committed,omitempty"` // of a rotation: the bundle that is served from here on, whoever dies
	Attempts   int                      `json:"attempts"`

	followers []chan status.Event
}

// followerBuffer is how many events a client may lie behind; one that is slower
// is cut and follows anew.
const followerBuffer = 64

func newReload(askedBy string, allow []string) *reload {
	id := make([]byte, 8)
	_, _ = rand.Read(id)
	return &reload{
		Record: status.Reload{ID: hex.EncodeToString(id), Kind: status.KindReload, AskedBy: askedBy, Started: time.Now(), Checks: []status.Check{}, Steps: []status.Step{}},
		Allow:  allow, Attempts: 1,
	}
}

// newRotation is an exchange of certificates in place.
func newRotation(askedBy string, allow []string) *reload {
	r := newReload(askedBy, allow)
	r.Record.Kind = status.KindRotate
	return r
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
	// What systemd asks for later than this is not answered by it, however late it hears.
	m.anchor.say(notify.Message{Reloading: true, Since: monotonic(), Status: "reloading"})
	load, q := m.options.Load, question{served: m.bundle, known: m.bundle, held: m.held, allow: m.current.Allow}
	go func() {
		var j judgement
		j.readConfig(load, m.appName)
		if replaced(os.Args[0]) {
			j.err = withRelease(j.err)
		}
		q.config = j.config
		j.readCertificates(q)
		m.post(func() { m.checked(j) })
	}()
}

// monotonic is the time by which a service manager orders what it asks for and what
// it is told; 0 if the kernel does not say.
func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano())
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
	if j.err != nil {
		m.refused(j)
		m.step(handover.Refused)
		return
	}
	m.note(j.checks)
	m.deferred = nil
	m.candidate = j
	m.step(handover.Accepted)
}

// refuse notes how the running reload failed; conclude tells.
func (m *master) refuse(outcome, text, hint string, code int) {
	r := &m.current.Record
	r.Outcome, r.Error, r.Hint, r.ExitCode = outcome, text, hint, code
}

// conclude tells how the running reload or rotation ended.
func (m *master) conclude() {
	m.post1(m.rotateNext)
	r := m.current
	if r == nil {
		return
	}
	r.Record.Finished = time.Now()
	r.Record.Generation = m.generation
	m.current = nil
	record := r.Record
	r.part(status.Event{End: &record})
	m.countReload(record)
	if !m.idle(record) {
		m.remember(r)
		m.announce(record)
	}
	if record.Outcome == status.OutcomeDone && !record.Unchanged {
		m.confirm(r)
	}
	m.rescale()
	if m.past.Quieten {
		m.post1(m.quiesce)
	}
	m.keep()
}

// idle says whether a rotation that nobody waits for came to what is known
// already: nothing new, or the same refusal as before. The end of a reload is always
// told: the service manager has heard of its begin.
func (m *master) idle(r status.Reload) bool {
	if r.Kind == status.KindReload || r.AskedBy != byWatch && r.AskedBy != byDeferral {
		return false
	}
	last := m.last()
	return r.Unchanged || last != nil && r.Error != "" && timeless(last.Record.Error) == timeless(r.Error)
}

// durations are what differs in a refusal that is the same: a certificate is not
// valid for another day, and a second later for a second less.
var durations = regexp.MustCompile(`\b([0-9]+h)?([0-9]+m)?[0-9.]+(s|ms|µs)\b`)

func timeless(text string) string { return durations.ReplaceAllString(text, "") }

// announce says in the log, to systemd and to the hooks how r ended.
func (m *master) announce(r status.Reload) {
	elapsed := r.Finished.Sub(r.Started).Round(100 * time.Microsecond)
	line := m.statusLine()
	if r.Outcome == status.OutcomeDone {
		m.log.Info(r.Kind+" done", "asked_by", r.AskedBy, "elapsed", elapsed, "unchanged", r.Unchanged)
		m.runHooks(hookDone, outcome{Reload: &r})
	} else {
		m.log.Error(r.Kind+" "+r.Outcome, "asked_by", r.AskedBy, "elapsed", elapsed, "error", r.Error, "hint", r.Hint)
		line += fmt.Sprintf("; last %s %s: %s", r.Kind, r.Outcome, r.Error)
		m.runHooks(hookRefused, outcome{Reload: &r})
	}
	if r.Outcome != status.OutcomeDone || r.Kind != status.KindReload {
		m.anchor.say(notify.Message{Ready: true, Status: line})
	}
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
