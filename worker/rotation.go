package worker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"

	"example.com/handover/worker/wire"
)

// rotation is what this worker serves over TLS, and what it would serve next.
// Handshakes read it, without a lock; after its making only obey writes it, from
// one goroutine.
//
// Every connection begins with front, which knows nothing but how to ask: the
// client's first words decide what it is served with. So whoever speaks after a
// swap meets the new certificates, however long before it connected.
type rotation struct {
	front   *tls.Config
	refusal *tls.Config // for a client that no certificate is for
	basis   *tls.Config // what all have in common; only cloned
	sni     policy

	current atomic.Pointer[serving]
	next    atomic.Pointer[serving] // nil: nothing is prepared

	number int // of what is prepared
	ring   [][wire.TicketSize]byte
}

// serving is how clients and probes are served from one bundle with one ring of
// ticket keys. It is not changed afterwards: SetSessionTicketKeys could replace
// keys in place, but not switch tickets on or off.
type serving struct {
	certificates *certificates
	clients      *tls.Config
	probes       *tls.Config
}

var (
	errNothingPrepared = errors.New("answer probe: nothing is prepared")
	errNoBundle        = errors.New("prepare: no bundle came along: was no descriptor free for it?")
)

// newRotation serves a bundle, of at least one pair.
func newRotation(settings wire.Settings, bundle *wire.Mapped) (*rotation, error) {
	c, err := newCertificates(bundle)
	if err != nil {
		return nil, err
	}
	r := &rotation{
		basis: &tls.Config{MinVersion: settings.MinVersion, NextProtos: []string{"h2", "http/1.1"}},
		ring:  ringOf(settings.Tickets),
	}
	if r.sni, err = newPolicy(settings.SNI); err != nil {
		c.release()
		return nil, err
	}
	r.front = r.basis.Clone()
	r.front.GetConfigForClient = r.configFor
	// Without a certificate crypto/tls says unrecognized_name (RFC 6066, section 3);
	// without tickets also to those who would resume, and so be asked for no name.
	r.refusal = r.basis.Clone()
	r.refusal.SessionTicketsDisabled = true
	r.current.Store(r.serve(c))
	return r, nil
}

func ringOf(tickets [][]byte) [][wire.TicketSize]byte {
	ring := make([][wire.TicketSize]byte, len(tickets))
	for i, key := range tickets {
		copy(ring[i][:], key)
	}
	return ring
}

// serve makes the configurations for c with the ring of the moment. The
// certificate is chosen by then, so none of them refers to c: a connection keeps
// its configuration as long as it lives.
func (r *rotation) serve(c *certificates) *serving {
	s := &serving{certificates: c, probes: r.basis.Clone()}
	s.probes.GetCertificate = chosen
	s.probes.SessionTicketsDisabled = true
	s.clients = r.basis.Clone()
	s.clients.GetCertificate = chosen
	if c.authorities != nil {
		s.clients.ClientAuth, s.clients.ClientCAs = tls.RequireAndVerifyClientCert, c.authorities
	}
	if len(r.ring) > 0 {
		s.clients.SetSessionTicketKeys(r.ring)
	} else {
		s.clients.SessionTicketsDisabled = true
	}
	return s
}

// chosen is tls.Config.GetCertificate. A client that was asked to say hello again
// has let go of its turn.
func chosen(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c := hello.Conn.(*conn)
	return c.chosen.Load(), c.turn()
}

// configFor is tls.Config.GetConfigForClient. It chooses the certificate as well,
// also for a session that will be resumed, and the connection remembers it: this
// is the only moment at which a handshake needs the bundle.
func (r *rotation) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	c := hello.Conn.(*conn)
	c.owing.Store(true)
	c.visit = slices.Contains(hello.SupportedProtos, wire.ProtocolVisit)
	if err := c.turn(); err != nil {
		return nil, err
	}
	s := r.hold(c.probe.Next)
	if s == nil {
		return nil, errNothingPrepared
	}
	defer s.certificates.release()
	var cert *tls.Certificate
	var err error
	if c.probe.Pair > 0 {
		cert, err = s.certificates.load(c.probe.Pair - 1)
	} else {
		cert, err = s.certificates.pick(hello, r.sni)
	}
	switch {
	case err != nil:
		return nil, err
	case cert == nil:
		c.refused = true
		return r.refusal, nil
	}
	c.chosen.Store(cert)
	if c.client {
		return s.clients, nil
	}
	return s.probes, nil
}

// hold returns what is served, or prepared, with a hold on its certificates; nil
// if nothing is. Who finds them released has read the pointer before a swap, and
// finds their successor in it.
func (r *rotation) hold(next bool) *serving {
	from := &r.current
	if next {
		from = &r.next
	}
	for {
		s := from.Load()
		if s == nil || s.certificates.hold() {
			return s
		}
	}
}

// leaf returns the leaf under which a request is answered: the one chosen in its
// connection's handshake, or, if that was not seen (a server that is not ours),
// the first for the name.
func (r *rotation) leaf(request *http.Request) *x509.Certificate {
	if c := connOf(request); c != nil {
		if cert := c.chosen.Load(); cert != nil {
			return cert.Leaf
		}
	}
	s := r.hold(false)
	defer s.certificates.release()
	cert, err := s.certificates.likely(request.TLS.ServerName)
	if err != nil {
		return nil
	}
	return cert.Leaf
}

// obey carries out what the master orders and returns the answer, if there is to
// be one. A worker without TLS has no rotation, and nothing to do.
func (r *rotation) obey(o order) (answer wire.Message, ok bool) {
	defer o.close()
	answer.Rotation = o.Rotation
	var err error
	switch o.Kind {
	case wire.KindPrepare:
		answer.Kind, err = wire.KindPrepared, r.prepare(o.Rotation, o.bundle)
	case wire.KindSwap:
		answer.Kind, err = wire.KindSwapped, r.swap(o.Rotation, o.Tickets)
	case wire.KindForget:
		r.forget(o.Rotation)
		return answer, false
	case wire.KindTickets:
		r.useTickets(o.Tickets)
		return answer, false
	}
	if err != nil {
		answer.Kind, answer.Text = wire.KindFailed, err.Error()
	}
	return answer, true
}

// prepare builds what a swap will have served. It replaces what was prepared
// before, also if it fails.
func (r *rotation) prepare(number int, f *os.File) error {
	if r == nil {
		return nil
	}
	r.drop()
	if f == nil {
		return errNoBundle
	}
	bundle, err := wire.OpenBundle(f)
	if err != nil {
		return err
	}
	c, err := newCertificates(bundle)
	if err != nil {
		return err
	}
	r.number = number
	r.next.Store(r.serve(c))
	return nil
}

// swap has every later handshake served from what is prepared.
func (r *rotation) swap(number int, tickets [][]byte) error {
	if r == nil {
		return nil
	}
	next := r.next.Load()
	if next == nil || r.number != number {
		return fmt.Errorf("swap: rotation %d is not prepared", number)
	}
	if tickets != nil {
		r.ring = ringOf(tickets)
	}
	// Made again: the ring may have changed since it was prepared.
	before := r.current.Swap(r.serve(next.certificates))
	r.next.Store(nil)
	before.certificates.release()
	return nil
}

func (r *rotation) forget(number int) {
	if r != nil && r.number == number {
		r.drop()
	}
}

func (r *rotation) drop() {
	if s := r.next.Swap(nil); s != nil {
		s.certificates.release()
	}
}

// useTickets has every later handshake use another ring; none: no tickets.
func (r *rotation) useTickets(tickets [][]byte) {
	if r == nil {
		return
	}
	r.ring = ringOf(tickets)
	r.current.Store(r.serve(r.current.Load().certificates))
}
