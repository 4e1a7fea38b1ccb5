package bench

import (
	"crypto/tls"
	"fmt"
	"sync"
	"testing"
)

// offers is how often the ticket is offered.
const offers = 50

var versions = []struct {
	name   string
	number uint16
}{{"TLS 1.2", tls.VersionTLS12}, {"TLS 1.3", tls.VersionTLS13}}

// ticket keeps the first session it is given, and offers no other: which of the
// workers made it is what a resumption must not depend on.
type ticket struct {
	mu      sync.Mutex
	session *tls.ClientSessionState
}

func (k *ticket) Get(string) (*tls.ClientSessionState, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.session, k.session != nil
}

func (k *ticket) Put(_ string, s *tls.ClientSessionState) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.session == nil {
		k.session = s
	}
}

// offer connects so often and counts the sessions that were resumed. Each asks
// once: with the answer of TLS 1.3 come its tickets.
func (c client) offer(times int) (resumed int, err error) {
	for range times {
		conn, err := c.once()
		if err != nil {
			return resumed, err
		}
		if conn.tls.ConnectionState().DidResume {
			resumed++
		}
	}
	return resumed, nil
}

// resumption measures which share of the offers of one ticket is taken: before a
// reload, and by the generation that comes after it.
func (b *bench) resumption(t *testing.T) {
	subjects := b.start(t, 2, nil)
	b.each(t, subjects, func(s *subject) error {
		clients := map[string]client{}
		for _, version := range versions {
			c := s.client("http/1.1")
			c.tls.MinVersion, c.tls.MaxVersion, c.tls.ClientSessionCache = version.number, version.number, &ticket{}
			if _, err := c.offer(1); err != nil { // a full handshake, which gets the ticket
				b.complain(t, s.Peer, fmt.Errorf("%s: %v", version.name, err))
				continue
			}
			clients[version.name] = c
		}
		if err := b.share(s, clients, "before"); err != nil {
			return err
		}
		if _, err := s.taken(s.changeAll); err != nil {
			return err
		}
		return b.share(s, clients, "after")
	})
}

func (b *bench) share(s *subject, clients map[string]client, when string) error {
	for version, c := range clients {
		resumed, err := c.offer(offers)
		if err != nil {
			return err
		}
		b.add(key(version, when), s.name(), float64(resumed)/offers)
	}
	return nil
}
