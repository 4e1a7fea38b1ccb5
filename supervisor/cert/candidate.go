package cert

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
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
func inspect(ctx context.Context, s snapshot) *candidate {
	c := &candidate{snapshot: s}
	if s.cert.err == nil {
		c.certBlocks = walk(s.cert.data)
	}
	c.keyBlocks = c.certBlocks
	if !c.combined() && s.key.err == nil {
		c.keyBlocks = walk(s.key.data)
	}
	c.parse(ctx, c.certBlocks.certificates())
	if block := c.keyBlocks.privateKey(); block != nil && !encrypted(block) {
		c.signer, c.keyErr = bounded(ctx, func() (crypto.Signer, error) { return parseKey(block) })
		c.marshal(ctx)
	}
	return c
}

// parse reads every certificate of the chain. crypto/tls would read the leaf
// alone.
func (c *candidate) parse(ctx context.Context, chain [][]byte) {
	type result struct {
		parsed []*x509.Certificate
		errs   []error
	}
	r, err := bounded(ctx, func() (result, error) {
		r := result{make([]*x509.Certificate, len(chain)), make([]error, len(chain))}
		for i, der := range chain {
			r.parsed[i], r.errs[i] = parseCertificate(der)
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
