package cert

import (
	"context"
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// nameAuthorities is what the file of client authorities is called in findings.
const nameAuthorities = "client_ca"

// lookAuthorities reads the authorities of clients' certificates and judges them.
func (t *taker) lookAuthorities(ctx context.Context, r *round, p *pair) {
	now := t.now()
	c := r.share.inspect(ctx, r.folders.read(nameAuthorities, p.source.CertFile, "", ""))
	c.source, c.name, c.now = p.source, p.source.Name, now
	p.judged(c, judgeBy(ctx, authorityRows(), c, moves(t.TLS), t.Allow), now)
}

// authorityRows is what is checked of a file of authorities: that it can be read
// like a chain, and that what it holds can vouch for clients.
func authorityRows() []check {
	var rows []check
	for _, k := range table {
		family, rest, _ := strings.Cut(k.name, ".")
		switch {
		case family == "file" && !strings.HasPrefix(rest, "key_"), k.name == "pem.empty", k.name == "pem.undecoded_block", k.name == "cert.parse":
			rows = append(rows, k)
		case k.name == "pem.no_certificate":
			k.look = noAuthority
			rows = append(rows, k)
		}
	}
	return append(
		rows,
		check{name: "chain.message_too_large", severity: refuse, fixed: true, look: authoritiesTooLarge},
		check{name: "chain.issuer_not_ca", severity: refuse, look: authorityNotCA},
		check{name: "time.expired", severity: refuse, look: authoritiesExpired},
		check{name: "time.expired", severity: warn, look: authorityExpired},
	)
}

func noAuthority(c *candidate) []problem {
	found := pemNoCertificate(c)
	for i := range found {
		found[i].hint = "client_ca must hold the certificates of the authorities that clients' certificates lead to"
	}
	return found
}

func authorityNotCA(c *candidate) []problem {
	return eachAuthority(c, func(i int, a *x509.Certificate) *problem {
		if a.BasicConstraintsValid && a.IsCA || a.Version < 3 && selfIssued(a) { // an old root says nothing of it
			return nil
		}
		return &problem{
			message: c.member(i) + " is no authority",
			hint:    "client_ca must hold authorities (basicConstraints CA:TRUE) and no certificates of servers or clients: take it out",
		}
	})
}

// expiredAuthorities counts the authorities whose time is over.
func expiredAuthorities(c *candidate) (n int) {
	for _, a := range c.parsed {
		if a != nil && c.now.After(a.NotAfter) {
			n++
		}
	}
	return n
}

func authoritiesExpired(c *candidate) []problem {
	if n := expiredAuthorities(c); n == 0 || n < len(c.parsed) {
		return nil
	}
	return []problem{{
		file:    c.path(),
		message: fmt.Sprintf("every authority in %s has expired: no client could connect", c.subject()),
		hint:    "put their successors there, or correct this machine's clock: it says " + c.now.UTC().Format(time.RFC3339),
	}}
}

func authorityExpired(c *candidate) []problem {
	if expiredAuthorities(c) == len(c.parsed) {
		return nil
	}
	return eachAuthority(c, func(i int, a *x509.Certificate) *problem {
		if !c.now.After(a.NotAfter) {
			return nil
		}
		return &problem{
			message: fmt.Sprintf("%s expired at %s", c.member(i), moment(a.NotAfter)),
			hint:    "clients that only it vouches for cannot connect: put its successor there, or take it out",
		}
	})
}

// eachAuthority asks look about each, until mostParts had something to say.
func eachAuthority(c *candidate, look func(int, *x509.Certificate) *problem) []problem {
	var found []problem
	for i, a := range c.parsed {
		if a == nil || len(found) == mostParts {
			continue
		}
		if p := look(i, a); p != nil {
			p.file = c.path()
			found = append(found, *p)
		}
	}
	return found
}
