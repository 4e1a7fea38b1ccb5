package master

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/handover"
	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// swapLimit is how long a worker may take to say that it serves what it has
// prepared. It does nothing for that but store a pointer, so one that takes
// longer is stopped or hung, and is replaced.
const swapLimit = 5 * time.Second

// rotation is an exchange of certificates in place, in two phases: every worker
// prepares and proves what it is to serve, and only when all have done so is any
// told to serve it.
type rotation struct {
	number   int
	bundle   *cert.Bundle
	changed  []int                // pairs of it that were not served before
	held     map[string]cert.Held // what holds once it serves
	tickets  *ring                // what replaces the ring; nil: nothing does
	waiting  map[*worker]bool     // have yet to answer
	swapping bool                 // the second phase: there is no way back
	deadline time.Time            // of the phase
}

// rotateAsked queues a rotation. One that is the same as a waiting one joins it.
func (m *master) rotateAsked(r *reload) *reload {
	for _, other := range m.rotations {
		if r.Rollback == nil && other.Rollback == nil {
			other.Allow = append(other.Allow, r.Allow...)
			other.NewTickets = other.NewTickets || r.NewTickets
			if other.Record.AskedBy == byWatch {
				other.Record.AskedBy = r.Record.AskedBy // somebody waits for it
			}
			return other
		}
	}
	m.rotations = append(m.rotations, r)
	m.keep()
	m.post1(m.rotateNext)
	return r
}

// rotateNext begins the rotation that waits longest, if nothing else runs. It
// is called again whenever something has ended.
func (m *master) rotateNext() {
	if len(m.rotations) > 0 && m.machine.State() == handover.Active {
		m.step(handover.RotateAsked)
	}
}

// rotate begins to judge what the next rotation is to serve.
func (m *master) rotate() {
	m.current, m.rotations = m.rotations[0], m.rotations[1:]
	r, held := m.current, m.held
	q := question{config: m.config, served: m.bundle, known: m.bundle, allow: r.Allow, rollback: r.Rollback != nil}
	go func() {
		var j judgement
		q.held, j.err = heldFor(q.config, q.served, held, r.Rollback)
		j.readCertificates(q)
		m.post(func() { m.rotationJudged(j, q.held) })
	}()
}

// rotationJudged goes on after the judgement: to the workers, or back to serving.
func (m *master) rotationJudged(j judgement, held map[string]cert.Held) {
	if m.machine.State() != handover.Rotating {
		return
	}
	for _, s := range j.steps {
		m.current.add(s)
	}
	m.current.Record.Checks = append(m.current.Record.Checks, j.checks...)
	if j.err != nil {
		m.refused(j)
		m.step(handover.Rotated)
		return
	}
	if m.current.Rollback == nil {
		m.deferred = nil
	}
	tickets := m.otherTickets(j.bundle)
	if j.bundle.Same(m.bundle) && tickets == nil {
		m.take(j.bundle, held)
		m.current.Record.Outcome, m.current.Record.Unchanged = status.OutcomeDone, true
		m.step(handover.Rotated)
		return
	}
	m.note(j.checks)
	m.rotationNumber++
	r := &rotation{
		number: m.rotationNumber, bundle: j.bundle, changed: j.bundle.Changed(m.bundle), held: held, waiting: map[*worker]bool{},
		tickets: tickets, deadline: time.Now().Add(m.config.BootTimeout),
	}
	m.rotation = r
	for _, w := range m.accepting() {
		m.prepare(w)
	}
	if len(r.waiting) == 0 && m.pool.Want() > 0 {
		m.rotationFailed(nil, "no worker lives that could prove the new certificates")
		return
	}
	m.lookPrepared()
}

// take goes on with a bundle from which clients get what they got before: where
// its certificates come from, and whether they are held, may have changed. What
// was made on the spot is made anew each time, and the workers keep theirs.
func (m *master) take(b *cert.Bundle, held map[string]cert.Held) {
	if len(b.Changed(m.bundle)) == 0 {
		m.bundle, m.changed, m.degraded = b, nil, ""
		m.anchor.store(nameBundle, b.File())
	}
	m.keepHeld(b, held)
	m.adopted(m.current.Record.AskedBy)
	m.drift = map[string]drifted{}
}

// identityOf tells bundles apart by what clients get.
func identityOf(b *cert.Bundle) string {
	h := sha256.New()
	for _, c := range b.Certificates {
		_, _ = io.WriteString(h, c.ChainSHA256+"\n")
	}
	for _, key := range b.TicketKeys() {
		_, _ = io.WriteString(h, cert.PrintOfTicketKey(key)+"\n")
	}
	return hex.EncodeToString(h.Sum(nil))
}

// accepting returns the workers that clients meet or will meet.
func (m *master) accepting() []*worker {
	var list []*worker
	for _, w := range m.pool.Workers() {
		if p := m.workers[w.Slot]; p != nil && pool.Lives(w.State) {
			list = append(list, p)
		}
	}
	return list
}

// prepare has a worker build what the rotation is to serve. One that starts
// during the first phase takes part; later ones are born with the new bundle.
func (m *master) prepare(w *worker) {
	m.rotation.waiting[w] = true
	w.send(wire.Message{Kind: wire.KindPrepare, Rotation: m.rotation.number}, m.rotation.bundle.File())
}

// prepared has a worker prove what it has built, by private handshakes.
func (m *master) prepared(w *worker, number int) {
	r := m.rotation
	if r == nil || r.number != number || r.swapping || !r.waiting[w] {
		return
	}
	p := m.proofOf(r.bundle, r.changed)
	p.next, p.healthPath = true, ""
	go func() {
		err := p.of(w.probe)
		m.post(func() {
			switch {
			case m.rotation != r || r.swapping || !r.waiting[w]:
			case err != nil:
				m.rotationFailed(w, err.Error())
			default:
				delete(r.waiting, w)
				m.lookPrepared()
			}
		})
	}()
}

// lookPrepared begins the second phase when every worker has proved itself. What
// the workers are about to serve the anchor has before them: a master that is
// killed from here on is followed by one that serves the new certificates.
func (m *master) lookPrepared() {
	r := m.rotation
	if r == nil || r.swapping || len(r.waiting) > 0 {
		return
	}
	r.swapping, r.deadline = true, time.Now().Add(swapLimit)
	m.swaps++
	m.bundle, m.changed = r.bundle, r.changed
	m.keepHeld(r.bundle, r.held)
	message := wire.Message{Kind: wire.KindSwap, Rotation: r.number}
	if r.tickets != nil {
		m.past.Tickets, message.Tickets = r.tickets, r.tickets.Keys
	}
	// The state before the bundle: whoever finds both knows that this is done, and
	// whoever finds the old bundle beside this state begins again from there.
	m.current.Committed = identityOf(m.bundle)
	m.keep()
	m.anchor.store(nameBundle, m.bundle.File())
	workers := m.accepting()
	if len(workers) > 0 {
		m.progress("proofs", "%s", m.describeProofs(len(workers)))
	}
	for _, w := range workers {
		r.waiting[w] = true
		w.send(message)
	}
	m.lookSwapped()
}

func (m *master) swapped(w *worker, number int) {
	if r := m.rotation; r != nil && r.swapping && r.number == number {
		delete(r.waiting, w)
		m.lookSwapped()
	}
}

// lookSwapped ends the rotation when every worker serves the new certificates.
func (m *master) lookSwapped() {
	r := m.rotation
	if r == nil || !r.swapping || len(r.waiting) > 0 {
		return
	}
	m.rotation = nil
	m.progress("swapped", "every new connection gets the new certificates")
	if r.tickets != nil {
		m.progress("tickets", "%s", m.describeTickets())
	}
	m.current.Record.Outcome = status.OutcomeDone
	m.degraded = ""
	m.adopted(m.current.Record.AskedBy)
	m.step(handover.Rotated)
}

// rotationFailed gives the first phase up: nobody has swapped, nobody will.
func (m *master) rotationFailed(w *worker, reason string) {
	r := m.rotation
	m.rotation = nil
	for _, other := range m.accepting() {
		other.send(wire.Message{Kind: wire.KindForget, Rotation: r.number})
	}
	if w != nil {
		reason = fmt.Sprintf("worker %d: %s", w.slot, reason)
	}
	m.refuse(status.OutcomeFailed, reason, "the workers serve on as before; see the log for more", status.ExitGeneration)
	m.step(handover.Rotated)
}

// leaveRotation is about a worker that has ended. In the first phase its death is
// an answer: what it was told to prepare may have been the cause. In the second
// its successor is born with the new certificates.
func (m *master) leaveRotation(w *worker) {
	r := m.rotation
	if r == nil || !r.waiting[w] {
		return
	}
	if !r.swapping {
		m.rotationFailed(w, "ended while it prepared the new certificates")
		return
	}
	delete(r.waiting, w)
	m.lookSwapped()
}

// cutRotation ends a phase that takes too long: the first one without a trace,
// the second by replacing who does not answer.
func (m *master) cutRotation(now time.Time) {
	r := m.rotation
	if r == nil || now.Before(r.deadline) {
		return
	}
	for w := range r.waiting {
		if !r.swapping {
			m.rotationFailed(w, fmt.Sprintf("not prepared within %v", m.config.BootTimeout))
			return
		}
		m.log.Warn("worker killed: it did not take the new certificates", "worker", w.slot, "pid", w.process.Pid, "after", swapLimit)
		w.kill()
	}
	r.deadline = now.Add(swapLimit)
}
