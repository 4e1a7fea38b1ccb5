package cert

import (
	"encoding/asn1"
	"encoding/pem"
	"fmt"
)

// algorithm is what a key is for.
type algorithm struct {
	oid   asn1.ObjectIdentifier
	curve asn1.ObjectIdentifier // of elliptic keys; nil if it has no name
}

// identifier is an AlgorithmIdentifier (RFC 5280).
type identifier struct {
	OID        asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

func (i identifier) algorithm() algorithm {
	a := algorithm{oid: i.OID}
	if i.OID.Equal(oidEC) {
		_, _ = asn1.Unmarshal(i.Parameters.FullBytes, &a.curve) // nil if the parameters are no name
	}
	return a
}

// unusable names the algorithms that no client has use for in a server's key.
// Go's parsers refuse most of them without saying what they are.
var unusable = []struct {
	oid  asn1.ObjectIdentifier
	name string
}{
	{asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}, "DSA"},
	{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}, "RSA-PSS"}, // TLS signs with PSS, with plain RSA keys
	{asn1.ObjectIdentifier{1, 3, 101, 113}, "Ed448"},
}

// Elliptic keys name their curve in the parameters.
var (
	oidEC  = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	nistP  = []asn1.ObjectIdentifier{{1, 2, 840, 10045, 3, 1, 7}, {1, 3, 132, 0, 34}, {1, 3, 132, 0, 35}} // 256, 384, 521
	curves = []struct {
		oid  asn1.ObjectIdentifier
		name string
	}{
		{asn1.ObjectIdentifier{1, 3, 132, 0, 33}, "P-224"},
		{asn1.ObjectIdentifier{1, 3, 132, 0, 10}, "secp256k1"},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 1}, "P-192"},
	}
)

// refused names the algorithm if clients have no use for it; empty otherwise.
func (a algorithm) refused() string {
	for _, u := range unusable {
		if a.oid.Equal(u.oid) {
			return u.name
		}
	}
	switch {
	case !a.oid.Equal(oidEC):
		return ""
	case a.curve == nil:
		return "ECDSA over a curve without a name"
	}
	for _, known := range nistP {
		if a.curve.Equal(known) {
			return ""
		}
	}
	for _, u := range curves {
		if a.curve.Equal(u.oid) {
			return "ECDSA " + u.name
		}
	}
	return fmt.Sprintf("ECDSA over the curve %.60s", a.curve.String())
}

// algorithmOf reads what a private key is for without reading the key.
func algorithmOf(block *pem.Block) algorithm {
	switch block.Type {
	case "PRIVATE KEY": // PrivateKeyInfo (RFC 5208)
		var k struct {
			Version   int
			Algorithm identifier
		}
		if _, err := asn1.Unmarshal(block.Bytes, &k); err == nil {
			return k.Algorithm.algorithm()
		}
	case "EC PRIVATE KEY": // ECPrivateKey (RFC 5915)
		var k struct {
			Version int
			Key     []byte
			Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
		}
		if _, err := asn1.Unmarshal(block.Bytes, &k); err == nil && k.Curve != nil {
			return algorithm{oid: oidEC, curve: k.Curve}
		}
	case "DSA PRIVATE KEY":
		return algorithm{oid: unusable[0].oid}
	}
	return algorithm{}
}

// algorithmOfCertificate reads what a certificate's key is for, also of one
// that Go cannot parse because of that key.
func algorithmOfCertificate(der []byte) algorithm {
	var c struct {
		Signed struct {
			Version                                      int `asn1:"optional,explicit,default:0,tag:0"`
			Serial, Signature, Issuer, Validity, Subject asn1.RawValue
			Key                                          struct{ Algorithm identifier }
		}
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return algorithm{}
	}
	return c.Signed.Key.Algorithm.algorithm()
}

// keyType asks the key first and then the certificate. That P-224 can be parsed
// and used does not help: no client takes it.
func keyType(c *candidate) []problem {
	block := c.keyBlocks.privateKey()
	what := ""
	if block != nil && !encrypted(block) && len(block.Bytes) <= maxKey {
		what = algorithmOf(block).refused()
	}
	if what != "" && c.key != nil {
		return []problem{{file: c.key.path, message: fmt.Sprintf("the key in %q is %s, which clients do not support", c.key.path, what), hint: reissue}}
	}
	if what = ""; len(c.chain) > 0 && c.certBlocks.whole() && c.certBlocks.foreign() == nil {
		what = algorithmOfCertificate(c.chain[0]).refused()
	}
	if what != "" {
		return c.found(fmt.Sprintf("%s is for a key of type %s, which clients do not support", c.subject(), what), reissue)
	}
	var found []problem
	for _, i := range c.intermediates() {
		if what := algorithmOfCertificate(c.chain[i]).refused(); what != "" && len(found) < mostParts {
			found = append(found, c.found(fmt.Sprintf("%s has a key of type %s, which clients do not support", c.member(i), what), elsewhere)...)
		}
	}
	return found
}
