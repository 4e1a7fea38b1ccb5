package cert

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
)

// issuers are the places in the chain of those who vouch for the leaf, nearest
// first; none if the chain cannot be followed.
func (c *candidate) issuers() []int {
	d := c.descended()
	if d == nil {
		return nil
	}
	return d.path[1:]
}

// intermediates are the issuers but for a root: of that clients use their own copy.
func (c *candidate) intermediates() []int {
	issuers := c.issuers()
	if len(issuers) > 0 && c.descent().rooted {
		return issuers[:len(issuers)-1]
	}
	return issuers
}

// misnamed finds an issuer that signed, but calls its key otherwise than the
// certificate that it signed does. OpenSSL's clients look for another one then.
// Which one was signed; -1: none.
func (c *candidate) misnamed() (child, parent int) {
	d := c.descended()
	for at := 1; d != nil && at < len(d.path); at++ {
		child, issuer := c.parsed[d.path[at-1]], c.parsed[d.path[at]]
		fits := func(other *x509.Certificate) bool {
			return len(other.SubjectKeyId) == 0 || bytes.Equal(other.SubjectKeyId, child.AuthorityKeyId)
		}
		if len(child.AuthorityKeyId) > 0 && !slices.ContainsFunc(c.parsed, func(other *x509.Certificate) bool {
			return bytes.Equal(other.RawSubject, issuer.RawSubject) &&
				bytes.Equal(other.RawSubjectPublicKeyInfo, issuer.RawSubjectPublicKeyInfo) && fits(other)
		}) {
			return d.path[at-1], d.path[at]
		}
	}
	return -1, -1
}

func chainIssuerNotCA(c *candidate) []problem {
	var found []problem
	for _, i := range c.issuers() {
		issuer, lacks := c.parsed[i], ""
		switch {
		case issuer.Version < 3 && selfIssued(issuer): // an old root: clients use their own copy
		case !issuer.BasicConstraintsValid || !issuer.IsCA:
			lacks = "is not the certificate of an authority (CA:TRUE)"
		case issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCertSign == 0:
			lacks = "may not sign certificates (keyUsage without keyCertSign)"
		case !vouchesForServers(issuer):
			lacks = "may not vouch for servers (extendedKeyUsage without serverAuth)"
		}
		if lacks != "" && len(found) < mostParts {
			found = append(found, c.found(fmt.Sprintf("%s %s, but has signed the one before", c.member(i), lacks),
				"have the certificate issued by an authority: a server's own certificate cannot vouch for others")...)
		}
	}
	return found
}

// vouchesForServers says whether what an issuer is limited to, if it is, includes
// servers: clients hold the uses of the whole chain against each other.
func vouchesForServers(issuer *x509.Certificate) bool {
	limited := len(issuer.ExtKeyUsage)+len(issuer.UnknownExtKeyUsage) > 0
	return !limited || slices.ContainsFunc(issuer.ExtKeyUsage, func(use x509.ExtKeyUsage) bool {
		return use == x509.ExtKeyUsageServerAuth || use == x509.ExtKeyUsageAny
	})
}

// chainPathLen counts as RFC 5280 does: intermediates below, without those that
// an authority issued to itself.
func chainPathLen(c *candidate) []problem {
	below := 0
	for _, i := range c.issuers() {
		issuer := c.parsed[i]
		if limited := issuer.MaxPathLen > 0 || issuer.MaxPathLenZero; limited && below > issuer.MaxPathLen {
			return c.found(fmt.Sprintf("%s allows %d authorities below it, and there are %d", c.member(i), issuer.MaxPathLen, below),
				"have the certificate issued by an authority that may issue it")
		}
		if !selfIssued(issuer) {
			below++
		}
	}
	return nil
}

// chainNameConstraint has the standard library judge, with the chain's own top
// for a root, and listens only to what it says of names: of time it would speak
// first, so it is asked for the moment at which the last of the chain begins.
func chainNameConstraint(c *candidate) []problem {
	issuers := c.issuers()
	constrained := false
	for _, i := range issuers {
		constrained = constrained || limitsNames(c.parsed[i])
	}
	if !constrained {
		return nil
	}
	roots, between, begun := x509.NewCertPool(), x509.NewCertPool(), c.parsed[0].NotBefore
	for at, i := range issuers {
		if c.parsed[i].NotBefore.After(begun) {
			begun = c.parsed[i].NotBefore
		}
		if at == len(issuers)-1 {
			roots.AddCert(c.parsed[i])
		} else {
			between.AddCert(c.parsed[i])
		}
	}
	_, err := c.parsed[0].Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: begun, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	var invalid x509.CertificateInvalidError
	if !errors.As(err, &invalid) {
		return nil
	}
	switch invalid.Reason {
	case x509.CANotAuthorizedForThisName, x509.TooManyConstraints, x509.UnconstrainedName, x509.NameConstraintsWithoutSANs:
		return c.found(fmt.Sprintf("an authority in %s may not issue for these names: %.300q", c.subject(), err.Error()),
			"have it issued for names that the authority is for, or by another one")
	}
	return nil
}

func limitsNames(c *x509.Certificate) bool {
	return len(c.PermittedDNSDomains)+len(c.ExcludedDNSDomains)+len(c.PermittedIPRanges)+len(c.ExcludedIPRanges)+
		len(c.PermittedEmailAddresses)+len(c.ExcludedEmailAddresses)+len(c.PermittedURIDomains)+len(c.ExcludedURIDomains) > 0
}

// chainExpired is about everything behind the leaf: programs that meet an
// expired certificate on their way give up, though there may be another way.
func chainExpired(c *candidate) []problem {
	if c.server() == nil {
		return nil
	}
	var found []problem
	for i, link := range c.parsed {
		if i == 0 || link == nil || len(found) == mostParts {
			continue
		}
		switch {
		case c.now.After(link.NotAfter):
			found = append(found, c.found(fmt.Sprintf("%s expired at %s", c.member(i), moment(link.NotAfter)),
				c.correct("take it out if nothing needs it, or write the chain that the authority uses now"))...)
		case c.now.Before(link.NotBefore):
			found = append(found, c.found(fmt.Sprintf("%s is not valid before %s", c.member(i), moment(link.NotBefore)),
				c.correct("write the chain that the authority uses now"))...)
		}
	}
	return found
}

// chainExpiresFirst leaves out a root: clients use their own copy.
func chainExpiresFirst(c *candidate) []problem {
	if !c.outlived() {
		return nil
	}
	for _, i := range c.issuers() {
		link := c.parsed[i]
		if selfIssued(link) || !link.NotAfter.Before(c.parsed[0].NotAfter) || c.now.After(link.NotAfter) {
			continue
		}
		return c.found(fmt.Sprintf("%s ends at %s, before the leaf does at %s", c.member(i), moment(link.NotAfter), moment(c.parsed[0].NotAfter)),
			"renew before that, with the chain that the authority uses by then")
	}
	return nil
}

// outlived says whether anything in the chain ends before the leaf does. It
// costs nothing, while following the chain means verifying signatures.
func (c *candidate) outlived() bool {
	leaf := c.server()
	return leaf != nil && slices.ContainsFunc(c.parsed, func(link *x509.Certificate) bool {
		return link != nil && link.NotAfter.Before(leaf.NotAfter)
	})
}
