package cert

import (
	"crypto"
	"fmt"
)

// fits returns the index of the first certificate that the key belongs to, or
// -1. Keys of different types never compare as equal.
func (c *candidate) fits() int {
	public, ok := c.signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok {
		return -1
	}
	for i, parsed := range c.parsed {
		if parsed != nil && public.Equal(parsed.PublicKey) {
			return i
		}
	}
	return -1
}

func chainLeafNotFirst(c *candidate) []problem {
	if c.signer == nil || c.leaf() == nil {
		return nil
	}
	at := c.fits()
	if at <= 0 {
		return nil
	}
	return []problem{{
		file:    c.cert.path,
		message: fmt.Sprintf("the key belongs to certificate %d of %d in %q, not to the first", at+1, len(c.chain), c.cert.path),
		hint:    "the server's own certificate must come first, then the one that signed it, and so on",
	}}
}

func pairMismatch(c *candidate) []problem {
	if c.signer == nil || c.leaf() == nil || c.fits() >= 0 {
		return nil
	}
	p := problem{message: "key does not match certificate", torn: true}
	if c.key != nil {
		p.file = c.key.path
		p.hint = fmt.Sprintf("%q holds another key (%s) than %q is for (%s): name the two files of one issue, or run the renewal tool again",
			c.key.path, describe(c.signer.Public()), c.cert.path, describe(c.leaf().PublicKey))
	}
	return []problem{p}
}
