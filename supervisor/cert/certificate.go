package cert

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// path returns the certificate's file; empty if it was made on the spot.
func (c *candidate) path() string {
	if c.cert == nil {
		return ""
	}
	return c.cert.path
}

// subject names the certificate in a message.
func (c *candidate) subject() string {
	if c.cert == nil {
		return "the self-signed certificate"
	}
	return strconv.Quote(c.cert.path)
}

func timeExpired(c *candidate) []problem {
	leaf := c.leaf()
	if leaf == nil || !c.now.After(leaf.NotAfter) {
		return nil
	}
	return []problem{{
		file: c.path(),
		message: fmt.Sprintf("%s expired at %s, %s ago", c.subject(), leaf.NotAfter.UTC().Format(time.RFC3339),
			c.now.Sub(leaf.NotAfter).Round(time.Second)),
		hint: "renew it, or correct this machine's clock: it says " + c.now.UTC().Format(time.RFC3339),
	}}
}

func timeNotYet(c *candidate) []problem {
	leaf := c.leaf()
	if leaf == nil || !c.now.Before(leaf.NotBefore) {
		return nil
	}
	return []problem{{
		file: c.path(),
		message: fmt.Sprintf("%s is not valid before %s, %s from now", c.subject(), leaf.NotBefore.UTC().Format(time.RFC3339),
			leaf.NotBefore.Sub(c.now).Round(time.Second)),
		hint: "reload when its time has come, or correct this machine's clock: it says " + c.now.UTC().Format(time.RFC3339),
	}}
}

func nameMissing(c *candidate) []problem {
	leaf := c.leaf()
	if leaf == nil {
		return nil
	}
	var found []problem
	for _, name := range c.source.ServerNames {
		if leaf.VerifyHostname(name) != nil {
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
	name = strings.ToLower(name)
	if b[name] {
		return true
	}
	host := strings.TrimSuffix(name, ".")
	_, rest, _ := strings.Cut(host, ".")
	for _, candidate := range []string{host, "*." + rest} {
		// Whether the one takes the other is for the standard library to say.
		if b[candidate] && (&x509.Certificate{DNSNames: []string{candidate}}).VerifyHostname(name) == nil {
			return true
		}
	}
	return false
}

// nameLost compares with what is served. The names of a certificate made on the
// spot are the configuration's own: there, losing one is said there too.
func nameLost(c *candidate) []problem {
	leaf := c.leaf()
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

// quoted lists strings for a message: the first few of them.
func quoted(list []string) string {
	const most = 5
	switch {
	case len(list) == 0:
		return "no name at all"
	case len(list) > most:
		return fmt.Sprintf("%q and %d more", list[:most], len(list)-most)
	case len(list) == 1:
		return fmt.Sprintf("%q", list[0])
	}
	return fmt.Sprintf("%q", list)
}

// chainIncomplete finds the moment in which a tool has written the leaf and not
// yet what belongs behind it: no other check can tell that from a whole file.
func chainIncomplete(c *candidate) []problem {
	leaf := c.leaf()
	if leaf == nil || c.served == nil || len(c.chain) >= c.served.ChainLength || selfSigned(leaf) {
		return nil
	}
	return []problem{{
		file:    c.path(),
		message: fmt.Sprintf("the chain in %s has %d certificates, the one that is served %d", c.subject(), len(c.chain), c.served.ChainLength),
		hint: "certfile must hold the intermediates too (certbot: fullchain.pem, not cert.pem); " +
			"if the authority has shortened its chain, reload with --allow chain.incomplete",
		torn: true,
	}}
}
