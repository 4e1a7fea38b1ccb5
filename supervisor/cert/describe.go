package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/handover/supervisor/status"
)

// Certificate describes one chain with its key, as it is noted in the bundle.
type Certificate struct {
	Name          string    `json:"name"`        // how it is called in output
	Names         []string  `json:"names"`       // the DNS names and addresses it is for
	Fingerprint   string    `json:"fingerprint"` // SHA-256 of the leaf, lower-case hex
	NotBefore     time.Time `json:"not_before"`
	NotAfter      time.Time `json:"not_after"`
	ChainNotAfter time.Time `json:"chain_not_after"` // the earliest end along the chain
	ChainLength   int       `json:"chain_length"`
	Issuer        string    `json:"issuer"`           // distinguished name (RFC 4514), the beginning of it
	Serial        string    `json:"serial"`           // lower-case hex, the beginning of it
	ChainSHA256   string    `json:"chain_sha256"`     // of all certificates in order
	KeySHA256     string    `json:"key_sha256"`       // of the public key (SubjectPublicKeyInfo)
	KeyKind       string    `json:"key_kind"`         // of two pairs with the same kind clients can use both or none
	Source        string    `json:"source"`           // the certificate file, absolute; empty: made on the spot
	Digest        string    `json:"digest,omitempty"` // SHA-256 of both files there, each behind its length
	Held          bool      `json:"held,omitempty"`   // not what lies at Source: rolled back to
	SelfSigned    bool      `json:"self_signed"`      // made on the spot

	Found []status.Check `json:"found,omitempty"` // what was found in the bytes and did not refuse
	Anew  bool           `json:"anew,omitempty"`  // it has to be proven again: a finding was allowed only once
}

// mostText bounds in bytes what a stranger wrote into a certificate.
const mostText = 256

// newCertificate describes what was judged, and what the judgement found in its
// bytes.
func newCertificate(c *candidate, v verdict) Certificate {
	if c.known != nil {
		d := c.known.Certificate
		d.Name, d.Source = c.name, c.from()
		return d
	}
	leaf := c.parsed[0]
	end := leaf.NotAfter
	for _, link := range c.parsed {
		if link.NotAfter.Before(end) {
			end = link.NotAfter
		}
	}
	return Certificate{
		Name:          c.name,
		Names:         names(leaf),
		Fingerprint:   c.fingerprint(),
		NotBefore:     leaf.NotBefore,
		NotAfter:      leaf.NotAfter,
		ChainNotAfter: end,
		ChainLength:   len(c.chain),
		Issuer:        beginning(distinguished(leaf.Issuer)),
		Serial:        beginning(fmt.Sprintf("%x", leaf.SerialNumber)),
		ChainSHA256:   c.chainDigest(),
		KeySHA256:     c.keyDigest(),
		KeyKind:       kindOfKey(leaf.PublicKey),
		Source:        c.from(),
		Digest:        c.digest,
		Held:          c.held,
		SelfSigned:    leaf.Subject.CommonName == selfSignedName && selfSigned(leaf),
		Found:         v.lasting,
		Anew:          v.excused,
	}
}

// beginning is as much of s as mostText allows, in whole characters.
func beginning(s string) string {
	if len(s) <= mostText {
		return s
	}
	return strings.ToValidUTF8(s[:mostText], "")
}

// from is where the configuration says the certificate lies.
func (c *candidate) from() string {
	if c.source.CertFile == "" {
		return ""
	}
	if absolute, err := filepath.Abs(c.source.CertFile); err == nil {
		return absolute
	}
	return c.source.CertFile
}

// kindOfKey names what a client must support to use a key.
func kindOfKey(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *rsa.PublicKey:
		return "RSA"
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	default:
		return fmt.Sprintf("%T", public)
	}
}

// accepted is a chain with its key on the way into a bundle.
type accepted struct {
	Certificate
	chain [][]byte
	key   []byte // PKCS #8
	notes []byte
}

// accept makes of a candidate what its bundle needs of it, so that the rest can go.
func accept(c *candidate, v verdict) *accepted {
	a := &accepted{Certificate: newCertificate(c, v), chain: c.chain, key: c.pkcs8}
	if c.known != nil && a.Name == c.known.Name && a.Source == c.known.Source {
		a.notes = c.known.notes
		return a
	}
	return noted(a)
}

// noted has a note its description in the bundle.
func noted(a *accepted) *accepted {
	notes, err := json.Marshal(a.Certificate)
	if err != nil {
		panic(fmt.Sprintf("BUG: encode the description of certificate %q: %v", a.Name, err))
	}
	a.notes = notes
	return a
}

// Published describes b for the status, as it is at the moment it was taken:
// the disk holds the same, unless a certificate is held.
func (b *Bundle) Published() []status.Certificate {
	list := make([]status.Certificate, len(b.Certificates))
	for i := range list {
		list[i] = b.Publish(i)
	}
	return list
}

// Publish describes pair i, from 0, as Published does.
func (b *Bundle) Publish(i int) status.Certificate {
	c := &b.Certificates[i]
	disk := DiskSame
	if c.Held {
		disk = DiskChanged
	}
	return status.Certificate{
		Name:          c.Name,
		Fingerprint:   c.Fingerprint,
		Names:         slices.Clip(c.Names), // nobody changes them
		NotBefore:     c.NotBefore,
		NotAfter:      c.NotAfter,
		ChainNotAfter: c.ChainNotAfter,
		ChainLength:   c.ChainLength,
		Issuer:        c.Issuer,
		Serial:        c.Serial,
		ChainSHA256:   c.ChainSHA256,
		KeySHA256:     c.KeySHA256,
		Source:        c.Source,
		Held:          c.Held,
		Disk:          disk,
		SelfSigned:    c.SelfSigned,
	}
}

// brief is what the status says of a certificate on disk.
func brief(leaf *x509.Certificate) *status.OnDisk {
	return &status.OnDisk{Fingerprint: digestOf(leaf.Raw), NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
}
