package worker

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"

	"example.com/handover/worker/wire"
)

// certificates finds the pair for a name among those of a bundle. The master has
// checked them all; a worker parses a pair when the first client asks for it, so
// that neither its start nor its memory grows with their number.
//
// The bundle is unmapped when the last hold on it is released: one is the
// owner's, the others are those of handshakes that are choosing at the moment.
// What leaves here, a tls.Certificate, is a copy, for a connection may keep it as
// long as it lives. So a websocket does not keep the bundle of its day in memory.
type certificates struct {
	bundle      *wire.Mapped
	parsed      []atomic.Pointer[tls.Certificate] // as in the bundle; nil: nobody has asked for it
	authorities *x509.CertPool                    // nil: clients are not asked for a certificate
	holds       atomic.Int64                      // 0: unmapped
}

// newCertificates takes over a bundle, which is closed also on error. The first
// pair is parsed at once.
func newCertificates(bundle *wire.Mapped) (*certificates, error) {
	c := &certificates{bundle: bundle, parsed: make([]atomic.Pointer[tls.Certificate], bundle.Len())}
	c.holds.Store(1)
	if err := c.begin(); err != nil {
		c.release()
		return nil, err
	}
	return c, nil
}

func (c *certificates) begin() error {
	if c.bundle.Len() == 0 {
		return errors.New("serve bundle: no certificate in it")
	}
	for i, der := range c.bundle.ClientCAs() {
		authority, err := x509.ParseCertificate(bytes.Clone(der))
		if err != nil {
			return fmt.Errorf("parse client authority %d: %.200q", i+1, err.Error())
		}
		if c.authorities == nil {
			c.authorities = x509.NewCertPool()
		}
		c.authorities.AddCert(authority)
	}
	_, err := c.load(0)
	return err
}

// hold keeps the bundle mapped until release. It fails when it is not any more.
func (c *certificates) hold() bool {
	for {
		n := c.holds.Load()
		if n == 0 {
			return false
		}
		if c.holds.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *certificates) release() {
	if c.holds.Add(-1) == 0 {
		_ = c.bundle.Close()
	}
}

// load returns pair i. Whoever calls this, or what is below, has a hold.
func (c *certificates) load(i int) (*tls.Certificate, error) {
	if i < 0 || i >= len(c.parsed) {
		return nil, fmt.Errorf("serve pair %d: there are %d", i+1, len(c.parsed))
	}
	if cert := c.parsed[i].Load(); cert != nil {
		return cert, nil
	}
	cert, err := parse(c.bundle.Pair(i))
	if err != nil {
		return nil, err
	}
	// Two may parse at once; all keep the one that was first.
	c.parsed[i].CompareAndSwap(nil, cert)
	return c.parsed[i].Load(), nil
}

// parse copies a pair out of the bundle.
func parse(p wire.Pair) (*tls.Certificate, error) {
	if len(p.Chain) == 0 {
		return nil, fmt.Errorf("parse certificate %.100q: an empty chain", p.Name)
	}
	chain := make([][]byte, len(p.Chain))
	for i, der := range p.Chain {
		chain[i] = bytes.Clone(der)
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("parse certificate %.100q: %.200q", p.Name, err.Error())
	}
	key, err := x509.ParsePKCS8PrivateKey(bytes.Clone(p.Key))
	if err != nil {
		return nil, fmt.Errorf("parse key of certificate %.100q: %.200q", p.Name, err.Error())
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// find returns the pairs for a host name: those that name it, or those whose
// wildcard covers it.
func (c *certificates) find(host string) wire.Choices {
	if found := c.bundle.Lookup(host); found.Len() > 0 {
		return found
	}
	// A wildcard stands for exactly the leftmost label (RFC 9525, section 6.3).
	_, parent, ok := strings.Cut(host, ".")
	if !ok {
		return wire.Choices{}
	}
	return c.bundle.Lookup("*." + parent)
}

// findAddress returns the pairs for the address that a client connected to.
func (c *certificates) findAddress(local net.Addr) wire.Choices {
	a, ok := local.(*net.TCPAddr)
	if !ok {
		return wire.Choices{}
	}
	return c.bundle.Lookup(a.AddrPort().Addr().Unmap().WithZone("").String())
}

// pick returns the pair for a client, or nil for one that is to be refused.
func (c *certificates) pick(hello *tls.ClientHelloInfo, sni policy) (*tls.Certificate, error) {
	host := hostOf(hello.ServerName)
	var found wire.Choices
	if host == "" {
		found = c.findAddress(hello.Conn.LocalAddr())
	} else {
		found = c.find(host)
	}
	switch {
	case found.Len() > 0:
		return c.pickAmong(found, hello)
	case sni.refuses(host):
		return nil, nil
	default:
		return c.load(0)
	}
}

// pickAmong takes of several pairs for one name (ECDSA beside RSA) the first
// that the client can verify.
func (c *certificates) pickAmong(found wire.Choices, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if found.Len() == 1 {
		return c.load(found.At(0)) // whatever the client can verify
	}
	for i := range found.Len() {
		if cert, err := c.load(found.At(i)); err == nil && hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	return c.load(found.At(0))
}

// likely returns the pair that a client which named this host probably got.
func (c *certificates) likely(host string) (*tls.Certificate, error) {
	if found := c.find(hostOf(host)); found.Len() > 0 {
		return c.load(found.At(0))
	}
	return c.load(0)
}

func hostOf(serverName string) string { return strings.TrimSuffix(strings.ToLower(serverName), ".") }

// policy says what becomes of a client that no certificate is for.
type policy string

const (
	lenient policy = "lenient" // it gets the first pair
	san     policy = "san"     // it is refused if it named a host
	strict  policy = "strict"  // it is refused
)

func newPolicy(sni string) (policy, error) {
	switch p := policy(sni); p {
	case lenient, san, strict:
		return p, nil
	case "":
		return lenient, nil
	default:
		return "", fmt.Errorf("serve tls: unknown sni policy %.100q", sni)
	}
}

func (p policy) refuses(host string) bool { return p == strict || p == san && host != "" }
