package cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
)

// carrying adds an extension to a template.
func carrying(oid asn1.ObjectIdentifier, critical bool, value []byte) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oid, Critical: critical, Value: value})
	}
}

func TestExtensionsThatClientsRefuseAreFound(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	usage := func(u x509.KeyUsage, e ...x509.ExtKeyUsage) input {
		return a.edited(func(c *x509.Certificate) { c.KeyUsage, c.ExtKeyUsage = u, e })
	}
	const sign, server = x509.KeyUsageDigitalSignature, x509.ExtKeyUsageServerAuth
	unknown := asn1.ObjectIdentifier{1, 2, 3, 4}
	serial := func(octets uint) input {
		return a.edited(func(c *x509.Certificate) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 8*octets-2) })
	}
	inputs(t, []input{
		usage(sign, server, x509.ExtKeyUsageClientAuth).named("for servers and clients"),
		usage(sign, x509.ExtKeyUsageClientAuth).named("for clients", "ext.eku"),
		usage(sign, x509.ExtKeyUsageAny).named("for anything", "ext.eku"),
		usage(sign).named("for nothing in particular", "ext.no_eku"),
		a.edited(func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{unknown}
		}).named("for something unknown", "ext.eku"),
		usage(0, server).named("no key usage"),
		usage(sign|x509.KeyUsageKeyEncipherment, server).named("signs and enciphers"),
		usage(x509.KeyUsageKeyEncipherment, server).named("enciphers only", "ext.ku"),
		a.edited(func(c *x509.Certificate) { c.IsCA = true }).named("an authority", "ext.leaf_is_ca").saying("CA:TRUE"),
		a.edited(carrying(unknown, false, []byte{5, 0})).named("unknown and not critical"),
		a.edited(carrying(unknown, true, []byte{5, 0})).named("unknown and critical", "ext.critical_unknown").saying("1.2.3.4"),
		a.edited(carrying(oidPoison, true, []byte{5, 0})).named("precertificate", "ext.critical_unknown"),
		a.edited(carrying(oidMustStaple, false, []byte{0x30, 3, 2, 1, 5})).named("must staple", "ext.must_staple"),
		serial(20).named("serial of 20 octets"),
	})
}

// Go issues neither serial numbers that are too long nor weak signatures.
func TestOldHabitsOfAuthoritiesAreFound(t *testing.T) {
	t.Parallel()
	ec := "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem"
	rsa := "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem"
	for _, s := range []struct {
		name     string
		commands []string
		want     []string
	}{
		{"plain", []string{ec, selfMade}, []string{"chain.self_signed"}},
		{"serial of 21 octets", []string{ec, selfMade + " -set_serial 0x010203040506070809101112131415161718192021"}, []string{"cert.serial_long", "chain.self_signed"}},
		{"serial of 20 octets and a leading bit", []string{ec, selfMade + " -set_serial 0xf10203040506070809101112131415161718192a"}, []string{"cert.serial_long", "chain.self_signed"}},
		{"sha1", []string{rsa, selfMade + " -sha1"}, []string{"sig.weak", "chain.self_signed"}},
		{"ecdsa sha1", []string{ec, selfMade + " -sha1"}, []string{"sig.weak", "chain.self_signed"}},
		{"sha224", []string{ec, selfMade + " -sha224"}, []string{"sig.weak", "chain.self_signed"}},
		{"sha3", []string{rsa, selfMade + " -sha3-256"}, []string{"sig.weak", "chain.self_signed"}},
		{"md5", []string{rsa, selfMade + " -md5"}, []string{"sig.weak", "chain.self_signed"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			cert, key := openssl(t, s.commands...)
			input{cert: cert, key: key, want: s.want}.run(t)
		})
	}
}

func TestAWeakSignatureCountsInTheChainAndNotAtItsRoot(t *testing.T) {
	t.Parallel()
	script := func(root, middle string) []string {
		const ec = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "
		return []string{
			ec + "rootkey.pem", ec + "midkey.pem", ec + "key.pem",
			"req -x509 -key rootkey.pem -out root.pem -days 60 -subj /CN=root -addext basicConstraints=critical,CA:TRUE " + root,
			"req -x509 -CA root.pem -CAkey rootkey.pem -key midkey.pem -out mid.pem -days 50 -subj /CN=mid -addext basicConstraints=critical,CA:TRUE " + middle,
			selfMade + " -CA mid.pem -CAkey midkey.pem",
			"crl2pkcs7 -nocrl -certfile cert.pem -certfile mid.pem -certfile root.pem -out all.p7",
			"pkcs7 -print_certs -in all.p7 -out cert.pem",
		}
	}
	for name, s := range map[string]struct {
		root, middle string
		want         []string
	}{
		"weak root":            {"-sha1", "-sha256", []string{"chain.root_included"}},
		"unknown root":         {"-sha224", "-sha256", []string{"chain.root_included"}},
		"unknown intermediate": {"-sha256", "-sha224", []string{"sig.weak", "chain.root_included"}},
		"weak intermediate":    {"-sha256", "-sha1", []string{"sig.weak", "chain.root_included"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cert, key := openssl(t, script(s.root, s.middle)...)
			input{cert: cert, key: key, want: s.want}.run(t)
		})
	}
}
