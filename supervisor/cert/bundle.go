package cert

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// Bundle is what workers serve: certificates that passed the checks together.
// Nobody changes it; it is safe for use by several goroutines.
type Bundle struct {
	Certificates []Certificate // in the order of the configuration
}

// Certificate is one chain with its key.
type Certificate struct {
	Name          string   // how it is called in output
	Names         []string // the DNS names and addresses it is for
	Fingerprint   string   // SHA-256 of the leaf, lower-case hex
	NotBefore     time.Time
	NotAfter      time.Time
	ChainNotAfter time.Time // the earliest end along the chain
	Chain         [][]byte  // DER, leaf first
	SelfSigned    bool      // made on the spot

	key []byte // PKCS #8; not exported, so that nothing prints it
}

// newCertificate describes a chain that was parsed as a whole.
func newCertificate(name string, parsed []*x509.Certificate, chain [][]byte, key []byte) Certificate {
	leaf := parsed[0]
	sum := sha256.Sum256(leaf.Raw)
	end := leaf.NotAfter
	for _, link := range parsed {
		if link.NotAfter.Before(end) {
			end = link.NotAfter
		}
	}
	return Certificate{
		Name:          name,
		Names:         names(leaf),
		Fingerprint:   hex.EncodeToString(sum[:]),
		NotBefore:     leaf.NotBefore,
		NotAfter:      leaf.NotAfter,
		ChainNotAfter: end,
		Chain:         chain,
		SelfSigned:    leaf.Subject.CommonName == selfSignedName && selfSigned(leaf),
		key:           key,
	}
}

// Encode returns the form in which b is sealed and passed on. It contains the
// keys.
func (b *Bundle) Encode() ([]byte, error) {
	pairs := make([]wire.Pair, 0, len(b.Certificates))
	for _, c := range b.Certificates {
		pairs = append(pairs, wire.Pair{Name: c.Name, Names: c.Names, Chain: c.Chain, Key: c.key})
	}
	return wire.EncodeBundle(pairs)
}

// Decode reads what Encode wrote, after a restart. It judges nothing again:
// the content was sealed after it had passed. The Bundle keeps parts of data.
func Decode(data []byte) (*Bundle, error) {
	pairs, err := wire.DecodeBundle(data)
	if err != nil {
		return nil, err
	}
	b := &Bundle{}
	for _, p := range pairs {
		parsed := make([]*x509.Certificate, 0, len(p.Chain))
		for i, der := range p.Chain {
			c, err := parseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("decode bundle: certificate %q: part %d of %d: %v", p.Name, i+1, len(p.Chain), err)
			}
			parsed = append(parsed, c)
		}
		if len(parsed) == 0 || len(p.Key) == 0 {
			return nil, fmt.Errorf("decode bundle: certificate %q: no chain or no key", p.Name)
		}
		b.Certificates = append(b.Certificates, newCertificate(p.Name, parsed, p.Chain, p.Key))
	}
	return b, nil
}

// Published describes b for the status, as it is at the moment it was taken:
// the disk holds the same.
func (b *Bundle) Published() []status.Certificate {
	list := make([]status.Certificate, 0, len(b.Certificates))
	for _, c := range b.Certificates {
		list = append(list, status.Certificate{
			Name:          c.Name,
			Fingerprint:   c.Fingerprint,
			Names:         slices.Clone(c.Names),
			NotBefore:     c.NotBefore,
			NotAfter:      c.NotAfter,
			ChainNotAfter: c.ChainNotAfter,
			ChainLength:   len(c.Chain),
			Disk:          driftNone,
			SelfSigned:    c.SelfSigned,
		})
	}
	return list
}

// What Drift says of a certificate.
const (
	driftNone       = "same"
	driftChanged    = "changed"
	driftUnreadable = "unreadable"
)

// Drift says for each certificate of b, by name, whether the disk holds the
// same as b. The sources must be those that b was taken from, in their order.
// It reads once and waits for no writer. Times of files say nothing: a copy
// keeps them. Of two certificates with one name the worse is told.
func Drift(sources []config.Certificate, b *Bundle) map[string]string {
	drift := map[string]string{}
	for i, c := range b.Certificates {
		if i >= len(sources) {
			break
		}
		found := driftOf(sources[i], c)
		if before, ok := drift[c.Name]; !ok || before == driftNone {
			drift[c.Name] = found
		}
	}
	return drift
}

func driftOf(source config.Certificate, c Certificate) string {
	if len(source.SelfSigned) > 0 {
		return driftNone // made anew at every Take, so there is nothing to compare
	}
	ctx, cancel := context.WithTimeout(context.Background(), cryptoLimit)
	defer cancel()
	disk := inspect(ctx, read(source.CertFile, source.KeyFile))
	switch {
	case len(disk.chain) == 0 || disk.pkcs8 == nil || errors.Join(disk.chainErrs...) != nil:
		return driftUnreadable
	case slices.EqualFunc(disk.chain, c.Chain, bytes.Equal) && bytes.Equal(disk.pkcs8, c.key):
		return driftNone
	default:
		return driftChanged
	}
}
