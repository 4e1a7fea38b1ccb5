package cert

import (
	"bytes"
	"crypto/x509"
	"errors"
)

// maxSignatures is how many signatures of one chain are verified: each takes
// some tenths of a millisecond, but a stranger may have written thousands of
// certificates with one name, and then every one could be signed by every other.
const maxSignatures = 64

// descent is how the certificates of one file belong together.
type descent struct {
	path       []int // the leaf, who signed it, who signed that, as far as the file knows
	ancestor   []bool
	copies     []int    // whose bytes stand before them already
	disordered int      // the first ancestor that stands before all that it signed; 0: none
	forged     [][2]int // certificate and bearer of its issuer's name who did not sign it
	rooted     bool     // the path ends with a self-signed certificate
	endless    bool     // more than maxSignatures would have to be verified
}

// descent traces the chain, once for all checks.
func (c *candidate) descent() *descent {
	c.tracing.Do(func() { c.traced.trace(c.parsed) })
	return &c.traced
}

// trace goes from the leaf to its issuers and on from each of these.
func (d *descent) trace(chain []*x509.Certificate) {
	d.path, d.ancestor = []int{0}, make([]bool, len(chain))
	d.ancestor[0] = true
	copied := d.findCopies(chain)
	verified := 0
	signed := func(child, parent *x509.Certificate) bool {
		if verified++; verified > maxSignatures {
			d.endless = true
			return false
		}
		return signedBy(child, parent)
	}
	for queue := []int{0}; len(queue) > 0 && !d.endless; queue = queue[1:] {
		i := queue[0]
		child, last := chain[i], i == d.path[len(d.path)-1]
		if selfIssued(child) && signed(child, child) {
			d.rooted = d.rooted || last
			continue
		}
		var strangers [][2]int
		found := 0
		for j, parent := range chain {
			if j == i || copied[j] || parent == nil || !bytes.Equal(parent.RawSubject, child.RawIssuer) {
				continue
			}
			if !signed(child, parent) {
				strangers = append(strangers, [2]int{i, j})
				continue
			}
			if found++; d.ancestor[j] {
				continue
			}
			d.ancestor[j] = true
			queue = append(queue, j)
			if last && found == 1 {
				d.path = append(d.path, j)
			}
			if j < i && d.disordered == 0 {
				d.disordered = j
			}
		}
		if found == 0 {
			d.forged = append(d.forged, strangers...)
		}
	}
}

// findCopies notes the certificates that stand in the chain already.
func (d *descent) findCopies(chain []*x509.Certificate) []bool {
	copied, seen := make([]bool, len(chain)), map[string]bool{}
	for i, c := range chain {
		if c == nil {
			continue
		}
		if copied[i] = seen[string(c.Raw)]; copied[i] {
			d.copies = append(d.copies, i)
		}
		seen[string(c.Raw)] = true
	}
	return copied
}

// signedBy says whether parent's key made child's signature. That the signature
// is weak, or such that it cannot be verified, and whether parent may sign, is for
// other checks to say.
func signedBy(child, parent *x509.Certificate) bool {
	if unsupported[child.SignatureAlgorithm] {
		return true
	}
	err := parent.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature)
	var insecure x509.InsecureAlgorithmError
	return err == nil || errors.As(err, &insecure)
}
