package cert

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
)

// weak are the signatures that clients refuse because they can be forged.
var weak = map[x509.SignatureAlgorithm]bool{
	x509.MD2WithRSA: true, x509.MD5WithRSA: true, x509.SHA1WithRSA: true, x509.DSAWithSHA1: true, x509.ECDSAWithSHA1: true,
}

// unsupported are those that clients refuse because they cannot verify them, as
// the standard library cannot: DSA, and what it has no name for, such as SHA-224
// and SHA-3.
var unsupported = map[x509.SignatureAlgorithm]bool{
	x509.UnknownSignatureAlgorithm: true, x509.MD2WithRSA: true, x509.DSAWithSHA1: true, x509.DSAWithSHA256: true,
}

// sigWeak leaves out roots: clients trust them for what they are, not for their
// signatures.
func sigWeak(c *candidate) []problem {
	if c.server() == nil {
		return nil
	}
	var found []problem
	for i, link := range c.parsed {
		if link == nil || len(found) == mostParts || i > 0 && selfIssued(link) {
			continue
		}
		message := ""
		switch by := link.SignatureAlgorithm; {
		case weak[by]:
			message = fmt.Sprintf("%s is signed with %v, expected SHA-256 or better", c.member(i), by)
		case selfIssued(link) && algorithmOfCertificate(link.Raw).refused() != "": // its key is why, which is said already
			continue
		case unsupported[by]:
			message = fmt.Sprintf("%s is signed with the algorithm %.60s, which clients cannot verify, expected SHA-256, SHA-384 or SHA-512 with ECDSA or RSA",
				c.member(i), signature(link))
		default:
			continue
		}
		found = append(found, c.found(message, "have it issued anew with SHA-256")...)
	}
	return found
}

// signature is the identifier of the algorithm that c is signed with.
func signature(c *x509.Certificate) string {
	var outer struct {
		Signed    asn1.RawValue
		Algorithm identifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Raw, &outer); err != nil {
		return "unknown"
	}
	return outer.Algorithm.OID.String()
}

// selfIssued says whether subject and issuer are the same, as with a root.
func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) }
