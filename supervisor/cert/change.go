package cert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"example.com/handover/supervisor/status"
)

// replaced is what the candidate takes the place of; nil if there is nothing to
// compare it with, as with certificates made on the spot: each is a new one.
func (c *candidate) replaced() *status.Certificate {
	if c.served == nil || c.served.SelfSigned || len(c.source.SelfSigned) > 0 {
		return nil
	}
	return c.served
}

// fingerprint is how status shows a certificate: SHA-256 in lower-case hex. There is
// a leaf.
func (c *candidate) fingerprint() string {
	if c.known != nil {
		return c.known.Fingerprint
	}
	return digestOf(c.leaf().Raw)
}

// chainDigest is SHA-256 of all certificates in order, in lower-case hex.
func (c *candidate) chainDigest() string {
	if c.known != nil {
		return c.known.ChainSHA256
	}
	return digestOf(c.chain...)
}

// keyDigest is SHA-256 of the leaf's public key with its type (SubjectPublicKeyInfo),
// in lower-case hex. There is a leaf.
func (c *candidate) keyDigest() string {
	if c.known != nil {
		return c.known.KeySHA256
	}
	return digestOf(c.leaf().RawSubjectPublicKeyInfo)
}

// digestOf is SHA-256 of parts in order, in lower-case hex.
func digestOf(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sameLeaf says whether the leaf is the one that is served.
func (c *candidate) sameLeaf() bool {
	before, leaf := c.replaced(), c.server()
	return before != nil && leaf != nil && before.Fingerprint == c.fingerprint()
}

func changeNone(c *candidate) []problem {
	if !c.sameLeaf() || c.served.ChainSHA256 != c.chainDigest() {
		return nil
	}
	return c.found(fmt.Sprintf("%s is what is served already", c.subject()),
		"if a renewal was expected, look whether the tool wrote to this file; a reload hands over all the same")
}

func changeChainOnly(c *candidate) []problem {
	if !c.sameLeaf() || c.served.ChainSHA256 == "" || c.served.ChainSHA256 == c.chainDigest() {
		return nil
	}
	return c.found(fmt.Sprintf("%s has the leaf that is served already, with another chain of %d certificates", c.subject(), len(c.chain)),
		"nothing to mend: the new chain is served")
}

func changeKeyReused(c *candidate) []problem {
	before, leaf := c.replaced(), c.server()
	if before == nil || leaf == nil || before.KeySHA256 == "" || c.sameLeaf() || before.KeySHA256 != c.keyDigest() {
		return nil
	}
	return c.found(fmt.Sprintf("%s is another certificate for the key that is served already", c.subject()),
		"nothing to mend; certbot makes a new key at every renewal unless it is told --reuse-key")
}

func changeOlder(c *candidate) []problem {
	before, leaf := c.replaced(), c.server()
	if before == nil || leaf == nil || !leaf.NotBefore.Before(before.NotBefore) || !leaf.NotAfter.Before(before.NotAfter) {
		return nil
	}
	return c.found(fmt.Sprintf("%s is older than what is served: it is valid from %s to %s, the other from %s to %s", c.subject(),
		moment(leaf.NotBefore), moment(leaf.NotAfter), moment(before.NotBefore), moment(before.NotAfter)),
		"look whether a backup was restored or a link leads to an old issue (certbot: ls -l /etc/letsencrypt/live/NAME)")
}
