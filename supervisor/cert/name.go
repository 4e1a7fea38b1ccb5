package cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"strings"
	"unicode"
)

func nameMissing(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil {
		return nil
	}
	var found []problem
	borne := bears(leaf)
	for _, name := range c.source.ServerNames {
		if !borne.serves(leaf, name) {
			found = append(found, problem{
				file:    c.path(),
				message: fmt.Sprintf("%s is not valid for %q, which server_names asks for, but for %s", c.subject(), name, quoted(names(leaf))),
				hint:    fmt.Sprintf("issue it for %q as well, or take that out of server_names", name),
			})
		}
	}
	return found
}

// bearing is every name of a leaf, in lower case. With it many names are looked
// up in time that grows with their number; VerifyHostname would compare each
// with all.
type bearing map[string]bool

func bears(leaf *x509.Certificate) bearing {
	b := make(bearing, len(leaf.DNSNames)+len(leaf.IPAddresses))
	for _, name := range names(leaf) {
		b[strings.ToLower(name)] = true
	}
	return b
}

// covers says whether the leaf bears name itself or clients of name accept it.
// The former does not follow from the latter: a leaf may bear names, such as an
// address among the DNS names, that no client can verify.
func (b bearing) covers(name string) bool {
	return b[strings.ToLower(name)] || b.accepted(name)
}

// accepted says whether clients of a DNS name accept the leaf.
func (b bearing) accepted(name string) bool {
	host := strings.TrimSuffix(strings.ToLower(name), ".")
	_, rest, _ := strings.Cut(host, ".")
	for _, candidate := range []string{host, "*." + rest} {
		// Whether the one takes the other is for the standard library to say.
		if b[candidate] && (&x509.Certificate{DNSNames: []string{candidate}}).VerifyHostname(name) == nil {
			return true
		}
	}
	return false
}

// serves says whether clients of name, which may be an address, accept the leaf.
func (b bearing) serves(leaf *x509.Certificate, name string) bool {
	if net.ParseIP(strings.Trim(name, "[]")) != nil {
		return leaf.VerifyHostname(name) == nil
	}
	return b.accepted(name)
}

// nameLost compares with what is served. The names of a certificate made on the
// spot are the configuration's own: there, losing one is said there too.
func nameLost(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || c.served == nil || c.served.SelfSigned || len(c.source.SelfSigned) > 0 {
		return nil
	}
	var lost []string
	borne := bears(leaf)
	for _, name := range c.served.Names {
		if !borne.covers(name) {
			lost = append(lost, name)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	return []problem{{
		file:    c.path(),
		message: fmt.Sprintf("%s is no longer valid for %s, as what is served now is", c.subject(), quoted(lost)),
		hint:    "issue it for these names as well, or reload with --allow name.lost if nobody needs them any more",
	}}
}

func nameNoSAN(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || len(leaf.DNSNames)+len(leaf.IPAddresses) > 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%s has neither a DNS name nor an address among its alternative names; its subject is %s", c.subject(), title(leaf.Subject)),
		"have it issued with subjectAltName (openssl req: -addext subjectAltName=DNS:example.org): a name in the subject alone counts for nobody")
}

func nameMalformed(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil {
		return nil
	}
	var odd []string
	for _, name := range leaf.DNSNames {
		if !wellFormed(name) {
			odd = append(odd, name)
		}
	}
	if len(odd) == 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%s is for %s, expected letters, digits, hyphens and dots, with *. before them at most", c.subject(), quoted(odd)),
		"have it issued for names that clients can ask for (those of other alphabets as xn--..., addresses as IP:)")
}

// wellFormed says whether clients can ask for a DNS name: RFC 5890's letters,
// digits and hyphens within a label, the underscore that people use all the same, and
// one wildcard as the first label. Clients look for an address among the addresses.
func wellFormed(name string) bool {
	const mostName, mostLabel = 253, 63
	if len(name) > mostName || net.ParseIP(name) != nil {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(name, "*."), ".") {
		if label == "" || len(label) > mostLabel || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, func(r rune) bool {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			return !letter && (r < '0' || r > '9') && r != '-' && r != '_'
		}) {
			return false
		}
	}
	return true
}

// nameControlChars looks at everything that programs print of a certificate.
func nameControlChars(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil {
		return nil
	}
	texts := slices.Concat(leaf.DNSNames, leaf.EmailAddresses, printed(leaf.Subject), printed(leaf.Issuer))
	odd := slices.DeleteFunc(texts, func(text string) bool {
		return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	})
	if len(odd) == 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%s has characters that cannot be printed: %s", c.subject(), quoted(odd)),
		"have it issued without them, and read no raw output of it: openssl x509 -noout -subject -issuer -nameopt esc_ctrl,utf8")
}

// printed lists the values of a subject or issuer.
func printed(name pkix.Name) []string {
	var texts []string
	for _, part := range name.Names {
		if text, ok := part.Value.(string); ok {
			texts = append(texts, text)
		}
	}
	return texts
}
