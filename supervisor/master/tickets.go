package master

import (
	"crypto/rand"
	"time"

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
	Turned time.Time `json:"turned"` // when the first key became the first
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

// takeRing goes on with the ring of the predecessor, as far as the config wants
// tickets.
func (m *master) takeRing(now time.Time) {
	period := m.config.TLS.Tickets
	if period <= 0 || m.past.Tickets == nil || len(m.past.Tickets.Keys) < 2 {
		m.past.Tickets = newRing(period, now)
	}
}

// turnTickets begins to encrypt with the next key when its time has come. Only
// one master at a time does: the one that speaks for the service and has no
// successor yet.
func (m *master) turnTickets(now time.Time) {
	r := m.past.Tickets
	if r == nil || m.rotation != nil || !m.active() || m.successor != nil || now.Sub(r.Turned) < m.config.TLS.Tickets {
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
