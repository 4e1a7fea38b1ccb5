package cert

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
)

var (
	oidMustStaple = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}       // RFC 7633
	oidPoison     = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11129, 2, 4, 3} // RFC 6962
)

// certSerialLong counts octets as RFC 5280 does: with the one that a leading 1
// bit needs.
func certSerialLong(c *candidate) []problem {
	const most = 20
	leaf := c.server()
	if leaf == nil || leaf.SerialNumber == nil || leaf.SerialNumber.BitLen()/8+1 <= most {
		return nil
	}
	return c.found(fmt.Sprintf("the serial number of %s has %d octets, expected %d at most", c.subject(), leaf.SerialNumber.BitLen()/8+1, most),
		"have it issued with a shorter one: RFC 5280 allows no more")
}

func extLeafIsCA(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || !leaf.BasicConstraintsValid || !leaf.IsCA {
		return nil
	}
	return c.found(fmt.Sprintf("%s is the certificate of an authority (CA:TRUE), expected that of a server", c.subject()),
		"have it issued with CA:FALSE (openssl req -x509 needs -addext basicConstraints=critical,CA:FALSE)")
}

func extEKU(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) {
		return nil
	}
	return c.found(fmt.Sprintf("the extended key usage of %s does not have serverAuth", c.subject()),
		"have it issued for servers: extendedKeyUsage = serverAuth")
}

func extNoEKU(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) > 0 {
		return nil
	}
	return c.found(fmt.Sprintf("%s has no extended key usage", c.subject()),
		"nothing breaks; the next issue may say extendedKeyUsage = serverAuth")
}

func extKU(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil || leaf.KeyUsage == 0 || leaf.KeyUsage&x509.KeyUsageDigitalSignature != 0 {
		return nil
	}
	return c.found(fmt.Sprintf("the key usage of %s does not have digitalSignature", c.subject()),
		"have it issued with keyUsage = digitalSignature: browsers say ERR_SSL_KEY_USAGE_INCOMPATIBLE otherwise")
}

// extCriticalUnknown looks at the whole chain: clients verify all of it.
func extCriticalUnknown(c *candidate) []problem {
	if c.server() == nil {
		return nil
	}
	var found []problem
	for i, link := range c.parsed {
		if link == nil || len(link.UnhandledCriticalExtensions) == 0 || len(found) == mostParts {
			continue
		}
		hint := "have it issued without that extension, or with one that is not critical"
		if slices.ContainsFunc(link.UnhandledCriticalExtensions, oidPoison.Equal) {
			hint = "this is a precertificate, made for logs only: take the certificate that the authority issued after it"
		}
		found = append(found, c.found(fmt.Sprintf("%s has the critical extension %.100s, which clients do not understand",
			c.member(i), link.UnhandledCriticalExtensions[0].String()), hint)...)
	}
	return found
}

func extMustStaple(c *candidate) []problem {
	leaf := c.server()
	if leaf == nil {
		return nil
	}
	for _, e := range leaf.Extensions {
		if e.Id.Equal(oidMustStaple) {
			return c.found(fmt.Sprintf("%s demands that an OCSP response is stapled to it, and none is", c.subject()),
				"have it issued without (certbot: without --must-staple): authorities give up OCSP")
		}
	}
	return nil
}
