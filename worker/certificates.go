package worker

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"example.com/handover/worker/wire"
)

// certificates finds the pair for a name among those of a bundle. The master has
// checked them all; a worker parses a pair when the first client asks for it, so
// that its start does not grow with their number.
type certificates struct {
	all    []*pair // as in the bundle; the first serves whoever names no host or an unknown one
	byName map[string][]*pair
}

type pair struct {
	load func() (*tls.Certificate, error)
}

// newCertificates indexes pairs, of which there is at least one. The first is
// parsed at once.
func newCertificates(pairs []wire.Pair) (*certificates, error) {
	c := &certificates{byName: make(map[string][]*pair, len(pairs))}
	for _, p := range pairs {
		entry := &pair{load: sync.OnceValues(func() (*tls.Certificate, error) { return parse(p) })}
		c.all = append(c.all, entry)
		for _, name := range p.Names {
			name = strings.ToLower(name)
			c.byName[name] = append(c.byName[name], entry)
		}
	}
	_, err := c.all[0].load()
	return c, err
}

func parse(p wire.Pair) (*tls.Certificate, error) {
	if len(p.Chain) == 0 {
		return nil, fmt.Errorf("parse certificate %q: an empty chain", p.Name)
	}
	leaf, err := x509.ParseCertificate(p.Chain[0])
	if err != nil {
		return nil, fmt.Errorf("parse certificate %q: %v", p.Name, err)
	}
	key, err := x509.ParsePKCS8PrivateKey(p.Key)
	if err != nil {
		return nil, fmt.Errorf("parse key of certificate %q: %v", p.Name, err)
	}
	return &tls.Certificate{Certificate: p.Chain, PrivateKey: key, Leaf: leaf}, nil
}

// find returns the pairs for a host name: those that name it, those whose
// wildcard covers it, or the first. There is always one.
func (c *certificates) find(host string) []*pair {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if found := c.byName[host]; found != nil {
		return found
	}
	// A wildcard stands for exactly the leftmost label (RFC 9525, section 6.3).
	if _, parent, ok := strings.Cut(host, "."); ok {
		if found := c.byName["*."+parent]; found != nil {
			return found
		}
	}
	return c.all[:1]
}

// choose is tls.Config.GetCertificate. The connection remembers what it got.
func (c *certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	cert, err := c.pick(hello)
	if conn, ok := hello.Conn.(*conn); ok && err == nil {
		conn.chosen.Store(cert)
	}
	return cert, err
}

// pick takes of several pairs for one name (ECDSA beside RSA) the first that the
// client can verify.
func (c *certificates) pick(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	found := c.find(hello.ServerName)
	if len(found) > 1 {
		for _, p := range found {
			if cert, err := p.load(); err == nil && hello.SupportsCertificate(cert) == nil {
				return cert, nil
			}
		}
	}
	return found[0].load()
}

// serving returns the leaf under which r is answered: the one chosen in its
// connection's handshake, or, if that was not seen (a resumed session, a server
// that is not ours), the first for the name.
func (c *certificates) serving(r *http.Request) *x509.Certificate {
	if conn := connOf(r); conn != nil {
		if cert := conn.chosen.Load(); cert != nil {
			return cert.Leaf
		}
	}
	cert, err := c.find(r.TLS.ServerName)[0].load()
	if err != nil {
		return nil
	}
	return cert.Leaf
}
