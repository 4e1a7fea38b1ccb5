package cert

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// fullchain is the hint where certfile should hold more than it does.
const fullchain = "certfile must hold the intermediates too (certbot: fullchain.pem, not cert.pem)"

// descended is the descent of a chain whose leaf stands first and of which
// every certificate can be read; nil if there is none.
func (c *candidate) descended() *descent {
	if c.server() == nil || errors.Join(c.chainErrs...) != nil {
		return nil
	}
	return c.descent()
}

// chainIncomplete looks for the moment in which a tool has written the leaf and
// not yet what belongs behind it: no other check can tell that from a whole
// file. Beyond that a leaf by itself is told by what it says of its issuer.
func chainIncomplete(c *candidate) []problem {
	leaf := c.server()
	shorter := c.served != nil && len(c.chain) < c.served.ChainLength
	if leaf == nil || !shorter && len(c.chain) > 1 {
		return nil // said before the signatures are verified: this is asked of unchanged pairs too
	}
	if d := c.descended(); d == nil || d.rooted && len(d.path) == 1 {
		return nil
	}
	if shorter {
		found := c.found(fmt.Sprintf("the chain in %s has %d certificates, the one that is served %d", c.subject(), len(c.chain), c.served.ChainLength),
			fullchain+"; if the authority has shortened its chain, reload with --allow chain.incomplete")
		found[0].torn = true
		return found
	}
	if verifies(c.tls) {
		if _, err := c.trust(); errors.As(err, &x509.UnknownAuthorityError{}) {
			return c.found(fmt.Sprintf("the chain in %s ends with the leaf, and its issuer %s is not among the roots", c.subject(), title(leaf.Issuer)), fullchain)
		}
		return nil
	}
	if len(leaf.IssuingCertificateURL) == 0 {
		return nil
	}
	found := c.found(fmt.Sprintf("the chain in %s ends with the leaf, whose issuer %s is to be had at %s", c.subject(), title(leaf.Issuer),
		clip(leaf.IssuingCertificateURL[0])), fullchain)
	found[0].atMost = warn
	return found
}

// chainBadSignature finds a certificate that another claims to have signed, and
// a leaf whose issuer is not there while others are.
func chainBadSignature(c *candidate) []problem {
	d := c.descended()
	if d == nil {
		return nil
	}
	hint := "write the chain that came with this issue: intermediates of another one do not fit, even under the same name"
	switch {
	case d.endless:
		return c.found(fmt.Sprintf("more than %d signatures would have to be verified to follow the chain in %s", maxSignatures, c.subject()),
			"certfile must hold the leaf and its intermediates, and nothing else")
	case len(d.forged) > 0:
		child, parent := d.forged[0][0], d.forged[0][1]
		return c.found(fmt.Sprintf("%s did not sign certificate %d, though it bears its issuer's name", c.member(parent), child+1), hint)
	case len(d.path) == 1 && !d.rooted && len(c.parsed)-len(d.copies) > 1:
		return c.found(fmt.Sprintf("certificate 1 was signed by %s, which is not in %s; %s is another", title(c.parsed[0].Issuer), c.subject(), c.member(1)), hint)
	}
	if child, parent := c.misnamed(); parent >= 0 {
		return c.found(fmt.Sprintf("%s signed certificate %d, but has the key identifier %.40x where that asks for %.40x: OpenSSL's clients do not accept it",
			c.member(parent), child+1, c.parsed[parent].SubjectKeyId, c.parsed[child].AuthorityKeyId), hint)
	}
	return nil
}

func chainOrder(c *candidate) []problem {
	d := c.descended()
	if d == nil || d.disordered == 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%s stands before the one that it signed", c.member(d.disordered)),
		"put the leaf first, then the certificate that signed it, and so on")
}

func chainDuplicate(c *candidate) []problem {
	d := c.descended()
	if d == nil || len(d.copies) == 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%s stands there twice", c.member(d.copies[0])), "take the second one out")
}

// chainExtraneous is silent where nothing belongs to the leaf: that is refused.
func chainExtraneous(c *candidate) []problem {
	d := c.descended()
	if d == nil || d.endless || len(d.forged) > 0 || len(d.path) == 1 && !d.rooted {
		return nil
	}
	copied := map[int]bool{}
	for _, i := range d.copies {
		copied[i] = true
	}
	for i, belongs := range d.ancestor {
		if !belongs && !copied[i] {
			return c.found(fmt.Sprintf("%s signed nothing in this chain", c.member(i)), "take it out")
		}
	}
	return nil
}

func chainTooLong(c *candidate) []problem {
	const most = 10
	if c.server() == nil || len(c.chain) <= most {
		return nil
	}
	return c.found(fmt.Sprintf("the chain in %s has %d certificates, expected %d at most", c.subject(), len(c.chain), most),
		"certfile must hold the leaf and its intermediates, and nothing else")
}

// chainMessageTooLarge counts what TLS 1.3 sends (RFC 8446, 4.4.2): lengths of
// the context and the list, and before each certificate its own and after it
// that of its extensions.
func chainMessageTooLarge(c *candidate) []problem {
	const (
		much    = 16 << 10 // more than one record, more than clients expect
		most    = 96 << 10 // OpenSSL's clients end at 100 KiB, Go's at 256
		head    = 1 + 3
		eachOne = 3 + 2
	)
	size := head
	for _, der := range c.chain {
		size += eachOne + len(der)
	}
	if c.server() == nil || size <= much {
		return nil
	}
	found := c.found(fmt.Sprintf("the chain in %s makes a message of %d bytes, expected %d at most", c.subject(), size, most),
		"have it issued for fewer names, or take out of certfile what is not needed")
	if size <= most {
		found[0].message = fmt.Sprintf("the chain in %s makes a message of %d bytes, expected less than %d", c.subject(), size, much)
		found[0].atMost = warn
	}
	return found
}

func chainSelfSigned(c *candidate) []problem {
	d := c.descended()
	if d == nil || !d.rooted || len(d.path) > 1 || len(c.source.SelfSigned) > 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%s is self-signed: no authority vouches for it", c.subject()),
		"have it issued by an authority, or give it to every client as a root")
}

func chainRootIncluded(c *candidate) []problem {
	d := c.descended()
	if d == nil || !d.rooted || len(d.path) == 1 {
		return nil
	}
	return c.found(fmt.Sprintf("%s is a root", c.member(d.path[len(d.path)-1])), "nothing breaks; without it handshakes are shorter")
}

// chainIssuerChanged makes more of a change to an authority whose certificates
// nobody trusts: renewal tools are tried out against those, and left so.
func chainIssuerChanged(c *candidate) []problem {
	before, leaf := c.replaced(), c.server()
	if before == nil || leaf == nil || before.Issuer == "" || before.Issuer == beginning(distinguished(leaf.Issuer)) {
		return nil
	}
	found := c.found(fmt.Sprintf("%s was issued by %s, what is served now by %s", c.subject(), clip(distinguished(leaf.Issuer)), clip(before.Issuer)),
		"nothing to mend if that was meant: authorities change their intermediates")
	if staging(distinguished(leaf.Issuer)) && !staging(before.Issuer) {
		found[0].atLeast = warn
		found[0].hint = "this looks like an authority for tests: have the renewal tool use the real one (certbot: without --staging and --test-cert)"
	}
	return found
}

func staging(issuer string) bool {
	issuer = strings.ToLower(issuer)
	return strings.Contains(issuer, "staging") || strings.Contains(issuer, "fake le")
}
