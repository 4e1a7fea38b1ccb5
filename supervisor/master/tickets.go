package master

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/control"
	"example.com/handover/worker/wire"
)

// The keys of a ring, in the order in which workers get them: the first
// encrypts, all decrypt. The second is the next to encrypt: every worker knows it
// for a whole period before any uses it. The others are older ones. So a ticket is
// good for two periods at least and three at most.
const (
	ringSize = 4
	keySize  = 32
)

// ring is the session ticket keys that all workers of all generations share. It
// lives in sealed memory alone: it is never written to a file, and passed neither
// in arguments nor in the environment.
type ring struct {
	Keys   [][]byte  `json:"keys"`
	Turned time.Time `json:"turned"`         // when the first key became the first
	File   bool      `json:"file,omitempty"` // they came with the bundle, and only a change of that file turns them
}

// newRing returns a ring without a past; nil if there are to be no tickets.
func newRing(period time.Duration, now time.Time) *ring {
	if period <= 0 {
		return nil
	}
	return &ring{Keys: [][]byte{newKey(), newKey()}, Turned: now}
}

func newKey() []byte {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // never fails: crypto/rand ends the program instead
	return key
}

// keys returns what workers are told.
func (r *ring) keys() [][]byte {
	if r == nil {
		return nil
	}
	return r.Keys
}

// turn returns the ring with its next key first.
func (r *ring) turn(now time.Time) *ring {
	keys := [][]byte{r.Keys[1], newKey(), r.Keys[0]}
	keys = append(keys, r.Keys[2:]...)
	return &ring{Keys: keys[:min(len(keys), ringSize)], Turned: now}
}

// ringOf returns the ring that came with a bundle; nil: there was no file of keys.
func ringOf(b *cert.Bundle, now time.Time) *ring {
	if len(b.TicketKeys()) == 0 {
		return nil
	}
	return &ring{Keys: b.TicketKeys(), Turned: now, File: true}
}

// takeRing takes the ring that came with the bundle, or goes on with that of the
// predecessor, as far as the config wants tickets. Keys of a file that is not asked
// for any more are dropped: they may have been given up because others know them.
func (m *master) takeRing(now time.Time) {
	if r := ringOf(m.bundle, now); r != nil {
		m.past.Tickets = r
		return
	}
	period, r := m.config.TLS.Tickets, m.past.Tickets
	if period <= 0 || r == nil || r.File || len(r.Keys) < 2 {
		m.past.Tickets = newRing(period, now)
	}
}

// prints tells the keys of a file apart, so that instances can be compared.
func (r *ring) prints() []string {
	if r == nil || !r.File {
		return nil
	}
	var list []string
	for _, key := range r.Keys {
		list = append(list, cert.PrintOfTicketKey(key))
	}
	return list
}

// describe says which keys they are, to those who follow a reload.
func (r *ring) describe() string {
	return fmt.Sprintf("%s of the file, the first is sha256 %s…", count(len(r.Keys), "key"), r.prints()[0])
}

// due says whether the first key has encrypted for a period. Those of a file are
// not ours to turn: the other instances would not know.
func (r *ring) due(period time.Duration, now time.Time) bool {
	return r != nil && !r.File && now.Sub(r.Turned) >= period
}

// turnTickets begins to encrypt with the next key when its time has come. Only
// one master at a time does: the one that speaks for the service and has no
// successor yet.
func (m *master) turnTickets(now time.Time) {
	r := m.past.Tickets
	if m.rotation != nil || !m.active() || m.successor != nil || !r.due(m.config.TLS.Tickets, now) {
		return
	}
	m.past.Tickets = r.turn(now)
	m.log.Debug("session ticket key turned")
	m.shareTickets()
	m.keep()
}

// shareTickets tells every worker the ring.
func (m *master) shareTickets() {
	for _, w := range m.workers {
		w.send(wire.Message{Kind: wire.KindTickets, Tickets: m.past.Tickets.keys()})
	}
}

// otherTickets returns the ring that the running rotation brings; nil: it stays.
func (m *master) otherTickets(b *cert.Bundle) *ring {
	now := time.Now()
	switch fromFile := ringOf(b, now); {
	case fromFile != nil && b.SameTicketKeys(m.bundle):
		return nil
	case fromFile != nil:
		return fromFile
	case m.current.NewTickets:
		return newRing(m.config.TLS.Tickets, now)
	}
	return nil
}

// describeTickets says what becomes of sessions after another ring was taken.
func (m *master) describeTickets() string {
	if m.past.Tickets != nil && m.past.Tickets.File {
		return "in force: " + m.past.Tickets.describe()
	}
	return "sessions of before are not resumed"
}

// refuseNewTickets says why nobody but the file can bring other keys; nil: they are
// our own. Instances that share them would resume each other's sessions no more.
func (m *master) refuseNewTickets() error {
	path := m.config.TLS.TicketKeys
	if path == "" {
		return nil
	}
	return &control.Error{
		Code:    http.StatusBadRequest,
		Message: fmt.Sprintf("the session ticket keys are those of %q (ticket_keys under [tls]), which other instances may share", path),
		Hint:    "put other keys there, for every instance, then: handover rotate",
	}
}
