package cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strconv"
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

// member names one certificate of the chain in a message.
func (c *candidate) member(i int) string {
	return fmt.Sprintf("certificate %d of %d in %s (%s)", i+1, len(c.chain), c.subject(), title(c.parsed[i].Subject))
}

// found is the one problem of a check with the certificate.
func (c *candidate) found(message, hint string) []problem {
	return []problem{{file: c.path(), message: message, hint: hint}}
}

// distinguished is a name in the form of RFC 4514, cut where nobody reads on:
// of thousands of attributes the form takes the standard library minutes.
func distinguished(name pkix.Name) string {
	if len(name.Names) > 64 {
		return fmt.Sprintf("%.100s and %d attributes more", name.CommonName, len(name.Names)-1)
	}
	return fmt.Sprintf("%.500s", name.String())
}

// title quotes what a name is usually called by.
func title(name pkix.Name) string {
	if name.CommonName != "" {
		return clip(name.CommonName)
	}
	return clip(distinguished(name))
}

// clip quotes text that a stranger wrote, as much of it as anybody reads.
func clip(text string) string {
	const most = 100
	if len(text) > most {
		return fmt.Sprintf("%.*q and %d bytes more", most, text, len(text)-most)
	}
	return strconv.Quote(text)
}

// moment writes a time as messages do.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// quoted lists strings for a message: the first few of them.
func quoted(list []string) string {
	const most = 5
	switch {
	case len(list) == 0:
		return "no name at all"
	case len(list) > most:
		return fmt.Sprintf("%.100q and %d more", list[:most], len(list)-most)
	case len(list) == 1:
		return fmt.Sprintf("%.100q", list[0])
	}
	return fmt.Sprintf("%.100q", list)
}

// server is the certificate that clients hold against the name they ask for;
// nil if nobody knows which it is, or if it stands in the wrong place.
func (c *candidate) server() *x509.Certificate {
	leaf := c.leaf()
	if leaf == nil || c.signer != nil && c.fits() > 0 {
		return nil
	}
	return leaf
}
