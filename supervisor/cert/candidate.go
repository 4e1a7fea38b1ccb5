package cert

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// candidate is one certificate on its way into a bundle: a snapshot, and what
// could be made of it. Checks read it and never change it.
type candidate struct {
	snapshot
	source  config.Certificate
	name    string
	served  *status.Certificate // the one it would replace; nil: none
	now     time.Time
	minimum uint16 // TLS version
	tls     config.TLS
	worker  int     // uid that workers run as
	roots   *roots  // that the chain must lead to; nil: read by the check itself
	digest  string  // of both files; empty: made on the spot or not readable
	known   *proven // what was noted of the same bytes when they were proven; nil: nothing
	spoken  *spoken // what pairs before it have shown; nil: nothing
	held    bool    // rolled back to: not what lies at the configured place

	tracing sync.Once
	traced  descent // by tracing: see descent
	showing sync.Once
	unshown []problem // by showing: see shown

	certBlocks, keyBlocks blocks
	chain                 [][]byte            // DER, leaf first
	parsed                []*x509.Certificate // nil where chainErrs has an error
	chainErrs             []error
	pkcs8                 []byte
	signer                crypto.Signer
	keyErr                error
}

// combined says whether one file holds both.
func (c *candidate) combined() bool { return c.cert != nil && c.cert == c.key }

// leaf returns the first certificate; nil if it could not be parsed, or if a
// block is damaged or of another form and so nobody knows which is the first.
func (c *candidate) leaf() *x509.Certificate {
	if len(c.parsed) == 0 || !c.certBlocks.whole() || c.certBlocks.foreign() != nil {
		return nil
	}
	return c.parsed[0]
}

// inspect turns a snapshot into a candidate.
func inspect(ctx context.Context, s snapshot) *candidate { return newShare().inspect(ctx, s) }

// inspect is the function of that name for one of many pairs.
func (shared *share) inspect(ctx context.Context, s snapshot) *candidate {
	c := &candidate{snapshot: s, spoken: &shared.spoken}
	if s.cert.err == nil {
		c.certBlocks = walk(s.cert.data)
	}
	switch {
	case c.combined():
		c.keyBlocks = c.certBlocks
	case s.key != nil && s.key.err == nil:
		c.keyBlocks = walk(s.key.data)
	}
	c.parse(ctx, c.certBlocks.certificates(), shared)
	if block := c.keyBlocks.privateKey(); block != nil && !encrypted(block) {
		c.signer, c.keyErr = bounded(ctx, func() (crypto.Signer, error) { return parseKey(block) })
		c.marshal(ctx)
	}
	return c
}

// parse reads every certificate of the chain. crypto/tls would read the leaf
// alone.
func (c *candidate) parse(ctx context.Context, chain [][]byte, shared *share) {
	type result struct {
		parsed []*x509.Certificate
		errs   []error
	}
	chain = slices.Clone(chain)
	links := make([]*link, len(chain))
	for i := 1; i < len(chain); i++ {
		links[i] = shared.link(chain[i])
		chain[i] = links[i].der
	}
	r, err := once(ctx, c.known, func() (result, error) {
		defer runtime.KeepAlive(c) // see proven
		r := result{make([]*x509.Certificate, len(chain)), make([]error, len(chain))}
		for i, der := range chain {
			if i == 0 {
				r.parsed[i], r.errs[i] = parseCertificate(der)
			} else {
				r.parsed[i], r.errs[i] = links[i].parse()
			}
		}
		return r, nil
	})
	if err != nil {
		r = result{errs: []error{err}}
	}
	c.chain, c.parsed, c.chainErrs = chain, r.parsed, r.errs
}

// maxRSA is the largest RSA key in bits that is computed with. Go's clients end
// at 8192 and OpenSSL's at 16384, while verifying one signature with the largest
// that fits into a file takes minutes.
const maxRSA = 16384

// keySize is the error of a certificate whose RSA key has more than maxRSA bits.
type keySize int

func (bits keySize) Error() string {
	return fmt.Sprintf("an RSA key of %d bits, more than any client accepts", int(bits))
}

// parseCertificate is x509.ParseCertificate, but for keys that nobody can use:
// so whatever computes with a parsed certificate ends.
func parseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok && k.N.BitLen() > maxRSA {
		return nil, keySize(k.N.BitLen())
	}
	return c, nil
}

// marshal brings the key into the one form that workers get.
func (c *candidate) marshal(ctx context.Context) {
	if c.keyErr != nil {
		return
	}
	c.pkcs8, c.keyErr = bounded(ctx, func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(c.signer) })
}

// nameFor derives what a certificate is called if the configuration does not say.
func (c *candidate) nameFor() string {
	switch leaf := c.leaf(); {
	case c.source.Name != "":
		return c.source.Name
	case len(c.source.ServerNames) > 0:
		return c.source.ServerNames[0]
	case leaf != nil && len(leaf.DNSNames) > 0:
		return leaf.DNSNames[0]
	case leaf != nil && len(leaf.IPAddresses) > 0:
		return leaf.IPAddresses[0].String()
	case len(c.source.SelfSigned) > 0:
		return c.source.SelfSigned[0]
	}
	return c.source.CertFile
}

func selfSigned(leaf *x509.Certificate) bool {
	return bytes.Equal(leaf.RawIssuer, leaf.RawSubject) &&
		leaf.CheckSignature(leaf.SignatureAlgorithm, leaf.RawTBSCertificate, leaf.Signature) == nil
}

// names lists what a certificate is for, as text.
func names(leaf *x509.Certificate) []string {
	list := append([]string{}, leaf.DNSNames...)
	for _, ip := range leaf.IPAddresses {
		list = append(list, ip.String())
	}
	return list
}

// mostParts is how many damaged parts of one chain are reported: a file may
// hold thousands, and everything that is reported ends in the status.
const mostParts = 5

func certParse(c *candidate) []problem {
	var found []problem
	for i, err := range c.chainErrs {
		if err == nil || len(found) == mostParts {
			continue
		}
		p := problem{
			file:    c.path(),
			message: fmt.Sprintf("certificate %d of %d in %s cannot be parsed: %q", i+1, len(c.chainErrs), c.subject(), err.Error()),
			hint:    "the file was put together wrongly or is damaged: write it again from its source",
		}
		var size keySize
		if errors.As(err, &size) {
			p.message = fmt.Sprintf("certificate %d of %d in %s has %v", i+1, len(c.chainErrs), c.subject(), size)
			p.hint = "have it issued for a key that clients support, such as ECDSA P-256 or RSA of 2048 bits"
		}
		found = append(found, p)
	}
	return found
}
