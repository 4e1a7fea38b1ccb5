package corpus

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"time"

	"example.com/handover/integration/harness"
)

// dered has a fresh pair with other bytes in one of its certificates.
func dered(at int, change func(k *Kit, der []byte) []byte) func(*Kit) {
	return func(k *Kit) {
		p := k.Leaf(nil)
		p.Chain[at] = change(k, p.Chain[at])
		k.Install(p)
	}
}

func flipped(at int) func(*Kit, []byte) []byte {
	return func(_ *Kit, der []byte) []byte {
		der = bytes.Clone(der)
		der[len(der)-at] ^= 1
		return der
	}
}

func bytesOf(b []byte) func(*Kit, []byte) []byte {
	return func(*Kit, []byte) []byte { return b }
}

// numbered has a leaf with a serial number that crypto/x509 would not give.
func numbered(serial []byte) func(*Kit) {
	return func(k *Kit) {
		p := k.Leaf(func(c *x509.Certificate) {
			c.SerialNumber = new(big.Int).SetBytes(bytes.Repeat([]byte{0x5a}, len(serial)))
		})
		old := bytes.Repeat([]byte{0x5a}, len(serial))
		p.Chain[0] = k.Reseal(p.Chain[0], k.Intermediate, old, serial)
		k.Install(p)
	}
}

// digest has a leaf signed by an RSA authority with an old digest. Go does not
// sign so any more.
func digest(name string) func(*Kit) {
	return func(k *Kit) {
		k.Issued(k.CAFor(k.Root, k.rsa, nil), "ecparam -name prime256v1 -genkey -noout", "-extfile ext -"+name)
	}
}

// ders are certificates that cannot be read, or whose signatures say nothing.
func ders() []Input {
	parse := refuse("cert.parse")
	at := func(id, what string, n int, change func(*Kit, []byte) []byte, wants []Finding, mays ...string) Input {
		return Input{ID: "cert/" + id, What: what, Layout: dered(n, change), Wants: wants, Mays: mays}
	}
	trailing := func(_ *Kit, der []byte) []byte { return append(bytes.Clone(der), 0, 0) }
	half := func(_ *Kit, der []byte) []byte { return der[:len(der)/2] }
	forty := bytes.Repeat([]byte{0x5b}, 40)
	return []Input{
		at("empty-sequence", "a leaf that is an empty sequence", 0, bytesOf([]byte{0x30, 0}), parse),
		at("noise", "a leaf of bytes without a meaning", 0, bytesOf([]byte("\x30\x03\x1b[2")), parse),
		at("no-bytes", "a block without content", 0, bytesOf(nil), parse, "pem.undecoded_block"),
		at("half", "half a leaf in a whole block", 0, half, parse),
		at("trailing", "two bytes behind the leaf", 0, trailing, parse),
		at("deep", "sequences in sequences", 0, bytesOf(bytes.Repeat([]byte{0x30, 0x80}, 100_000)), parse),
		at("half-second", "half an intermediate in a whole block", 1, half, parse),
		at("key-as-second", "a key labelled as a certificate", 1, func(k *Kit, _ []byte) []byte { return k.pkcs8(k.Root.Key) }, parse),
		{ID: "cert/version-1", What: "the first version, without extensions", Layout: func(k *Kit) {
			k.Issued(k.Intermediate, "ecparam -name prime256v1 -genkey -noout", "")
		}, Wants: refuse("name.no_san", "name.missing"), Mays: []string{"name.lost"}},
		{ID: "cert/serial-40", What: "a serial number of 40 octets", Layout: numbered(forty), Wants: info("cert.serial_long")},
		{ID: "cert/serial-negative", What: "a negative serial number", Layout: numbered([]byte{0xda, 0x5a, 0x5a, 0x5a}), Wants: parse},
		{ID: "cert/serial-zero", What: "a serial number of zero", Layout: func(k *Kit) {
			k.Issued(k.Intermediate, "ecparam -name prime256v1 -genkey -noout", "-extfile ext -set_serial 0")
		}},
		{ID: "sig/md5", What: "a leaf signed with MD5", Layout: digest("md5"), Wants: refuse("sig.weak"), Mays: []string{"chain.bad_signature"}},
		{ID: "sig/sha1", What: "a leaf signed with SHA-1", Layout: digest("sha1"), Wants: refuse("sig.weak"), Mays: []string{"chain.bad_signature"}},
		{ID: "sig/sha384", What: "a leaf signed with SHA-384", Layout: digest("sha384")},
		{ID: "sig/pss", What: "a leaf signed with RSA-PSS by an ordinary key", Layout: digest("sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest")},
		{ID: "sig/intermediate-sha1", What: "an intermediate signed with SHA-1", Layout: weakIntermediate, Wants: refuse("sig.weak"), Mays: []string{"chain.bad_signature"}},
		at("flipped-signature", "one bit of the leaf's signature", 0, flipped(1), refuse("chain.bad_signature")),
		{ID: "cert/other-name", What: "a leaf whose name was changed after it was signed", Layout: leafBytes([]byte("example.test"), []byte("exbmple.test")), Wants: refuse("name.missing", "chain.bad_signature"), Mays: []string{"name.lost"}},
	}
}

// leafBytes has a leaf with changed content under the old signature.
func leafBytes(old, changed []byte) func(*Kit) {
	return dered(0, func(_ *Kit, der []byte) []byte { return bytes.ReplaceAll(der, old, changed) })
}

// weakIntermediate has an authority above the intermediate that signs as old
// ones did.
func weakIntermediate(k *Kit) {
	above := k.CAFor(nil, k.rsa, nil)
	files := map[string][]byte{
		"ca.pem": PEM(above.DER), "ca.key": k.PKCS8(above.Key), "old.pem": PEM(k.Intermediate.DER), "old.key": k.PKCS8(k.Intermediate.Key),
		"ext": []byte("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n"),
	}
	wrote := k.OpenSSL(files, "x509 -in old.pem -x509toreq -signkey old.key -out csr",
		"x509 -req -in csr -CA ca.pem -CAkey ca.key -days 900 -sha1 -extfile ext -out weak.pem")
	p := k.Renew()
	k.Put(certFile, join(PEM(p.Chain[0]), wrote("weak.pem")))
}

// window has a leaf that is valid at other times, from now on.
func window(from, until time.Duration) func(*Kit) {
	return func(k *Kit) {
		k.Install(k.Leaf(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = k.now.Add(from), k.now.Add(until) }))
	}
}

// times are leaves of every age.
func times() []Input {
	const year = 365 * day
	left := []string{"time.remaining"}
	forever := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	return []Input{
		{ID: "time/expired", What: "a leaf that expired yesterday", Layout: window(-90*day, -day), Wants: refuse("time.expired"), Mays: []string{"time.remaining", "change.older"}},
		{ID: "time/expired-now", What: "a leaf that expired a second ago", Layout: window(-day, -time.Second), Wants: refuse("time.expired"), Mays: left},
		{ID: "time/not-yet", What: "a leaf that is valid from tomorrow on", Layout: window(day, 90*day), Wants: refuse("time.not_yet")},
		{ID: "time/not-yet-century", What: "a leaf for the next century", Layout: window(80*year, 81*year), Wants: refuse("time.not_yet"), Mays: []string{"chain.expires_first"}},
		{ID: "time/inverted-past", What: "a leaf that ended before it began, both past", Layout: window(-day, -2*day), Wants: refuse("time.inverted"), Mays: []string{"time.expired", "time.remaining"}},
		{ID: "time/inverted", What: "a leaf that ends before it begins, both to come", Layout: window(90*day, 60*day), Wants: refuse("time.inverted"), Mays: []string{"time.not_yet"}},
		{ID: "time/inverted-around", What: "a leaf that ended before it will begin", Layout: window(day, -day), Wants: refuse("time.inverted"), Mays: []string{"time.not_yet", "time.expired", "time.remaining"}},
		{ID: "time/hour-left", What: "a leaf of 90 days with an hour left", Layout: window(-90*day, time.Hour), Wants: warn("time.remaining"), Mays: []string{"change.older"}},
		{ID: "time/short-lived", What: "a leaf for six days in place of one for weeks", Layout: window(-time.Hour, 160*time.Hour), Wants: warn("time.remaining")},
		{ID: "time/short-lived-again", What: "a leaf for six days in place of another", Layout: window(-time.Hour, 160*time.Hour), Before: window(-2*day, 100*time.Hour), Nevers: left},
		{ID: "time/two-years", What: "a leaf for two years", Layout: window(-day, 2*year), Wants: info("time.long_lived")},
		{ID: "time/9999", What: "a leaf without a good end", Layout: leaf(func(c *x509.Certificate) { c.NotAfter = forever }), Wants: append(info("time.long_lived"), warn("chain.expires_first")...)},
		{ID: "time/1950", What: "a leaf that is valid since 1950", Layout: leaf(func(c *x509.Certificate) { c.NotBefore = time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC) }), Wants: info("time.long_lived"), Mays: []string{"time.remaining"}},
		{
			ID: "time/clock", What: "a clock that is behind what is served already", Layout: func(k *Kit) { k.Renew() },
			Before: window(2*day, 40*day), Settings: Settings{Checks: `"time.not_yet" = "warn"`}, Wants: warn("clock.sane"),
		},
	}
}

// staple asks clients to insist on a stapled answer (RFC 7633).
var staple = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

// issued has a fresh pair of another authority under the same root.
func issued(edit func(*x509.Certificate)) func(*Kit) {
	return func(k *Kit) {
		by := k.CA(k.Root, edit)
		k.Install(k.Under(by, k.Leaf(nil).Key, nil))
	}
}

func named(name string) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.Subject.CommonName = name }
}

// issuers are authorities that are new, or odd by themselves.
func issuers() []Input {
	return []Input{
		{ID: "issuer/changed", What: "another authority", Layout: issued(named("another one")), Wants: info("chain.issuer_changed")},
		{ID: "issuer/staging", What: "an authority for tests in place of the real one", Layout: issued(named("(STAGING) Pretend Pear X1")), Wants: warn("chain.issuer_changed")},
		{ID: "issuer/escape", What: "terminal sequences in the authority's name", Layout: issued(named("\x1b[2J\x1b]0;owned\a")), Wants: warn("name.control_chars")},
		{ID: "issuer/expired", What: "an authority that expired yesterday", Layout: issued(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-day) }), Wants: refuse("chain.expired"), Mays: []string{"chain.expires_first"}},
		{ID: "issuer/expires-first", What: "an authority that expires before the leaf", Layout: issued(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(40 * day) }), Wants: warn("chain.expires_first"), Nevers: []string{"chain.expired"}},
		{ID: "issuer/not-ca", What: "an authority that is none", Layout: issued(func(c *x509.Certificate) { c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature }), Wants: refuse("chain.issuer_not_ca"), Mays: []string{"chain.bad_signature"}},
		{ID: "issuer/no-cert-sign", What: "an authority whose key may not sign certificates", Layout: issued(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }), Wants: refuse("chain.issuer_not_ca"), Mays: []string{"chain.bad_signature"}},
		{ID: "issuer/permitted", What: "an authority for other names", Layout: issued(func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"other.test"}
		}), Wants: refuse("chain.name_constraint")},
		{ID: "issuer/excluded", What: "an authority that must not issue for this name", Layout: issued(func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.ExcludedDNSDomains = true, []string{harness.Name}
		}), Wants: refuse("chain.name_constraint")},
		{ID: "issuer/permitted-own", What: "an authority for these names alone", Layout: issued(func(c *x509.Certificate) {
			c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{harness.Name}
		})},
		{ID: "issuer/client-auth", What: "an authority for clients alone", Layout: issued(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), Refused: true, Mays: []string{"ext.eku", "chain.issuer_not_ca", "chain.incomplete"}},
		{ID: "issuer/rsa", What: "an authority with another kind of key", Layout: func(k *Kit) {
			k.Install(k.Under(k.CAFor(k.Root, k.rsa, nil), k.Leaf(nil).Key, nil))
		}, Wants: info("chain.issuer_changed")},
	}
}
