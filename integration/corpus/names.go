package corpus

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"net/url"
	"strings"

	"example.com/handover/integration/harness"
)

// besides has a leaf for more names than it must be for. They are encoded as
// they are, whatever they hold.
func besides(list ...string) func(*Kit) {
	return leaf(func(c *x509.Certificate) {
		alternatives := make([]asn1.RawValue, 0, len(list)+2)
		for _, name := range append(list, Names...) {
			alternatives = append(alternatives, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte(name)})
		}
		der, err := asn1.Marshal(alternatives)
		if err != nil {
			panic("BUG: encode names: " + err.Error())
		}
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: der})
	})
}

// only has a leaf for these names and no others.
func only(list ...string) func(*Kit) {
	return leaf(func(c *x509.Certificate) { c.DNSNames = list })
}

// many are so many names.
func many(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("n%05d.test", i)
	}
	return list
}

// alternatives are the names that a leaf is for.
func alternatives() []Input {
	// Some of these the standard library refuses to read: then it is cert.parse.
	malformed := func(id, what, name string) Input {
		return Input{ID: "name/" + id, What: what, Layout: besides(name), Wants: refuse("name.malformed"), Mays: []string{"name.control_chars"}}
	}
	good := func(id, what string, layout func(*Kit)) Input {
		return Input{ID: "name/" + id, What: what, Layout: layout}
	}
	return []Input{
		{ID: "name/missing", What: "a leaf without the name that the configuration asks for", Layout: only("www." + harness.Name), Wants: refuse("name.missing"), Mays: []string{"name.lost"}},
		{ID: "name/lost", What: "a leaf without a name that is served", Layout: only(harness.Name), Wants: refuse("name.lost")},
		{ID: "name/all-lost", What: "a leaf for somebody else", Layout: only("somebody.test", "www.somebody.test"), Wants: refuse("name.missing"), Mays: []string{"name.lost"}},
		{ID: "name/wildcard-alone", What: "a wildcard, which is not for the name above it", Layout: only("*." + harness.Name), Wants: refuse("name.missing"), Mays: []string{"name.lost"}},
		good("wildcard", "a wildcard in place of the second name", only(harness.Name, "*."+harness.Name)),
		good("upper-case", "capital letters", only("EXAMPLE.test", "WWW.example.TEST")),
		good("punycode", "an international name", besides("xn--bcher-kva.example.test")),
		good("underscore", "an underscore", besides("_sip._tcp.example.test")),
		good("ip", "addresses besides", leaf(func(c *x509.Certificate) {
			c.IPAddresses = []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")}
		})),
		good("mail-and-uri", "a mail address and a URI besides", leaf(func(c *x509.Certificate) {
			c.EmailAddresses, c.URIs = []string{"root@example.test"}, []*url.URL{{Scheme: "spiffe", Host: "example.test", Path: "/x"}}
		})),
		good("500", "500 names besides", besides(many(500)...)),
		{ID: "name/1500", What: "1500 names besides", Layout: besides(many(1500)...), Wants: warn("chain.message_too_large")},
		{ID: "name/10000", What: "10,000 names besides", Layout: besides(many(10_000)...), Wants: refuse("chain.message_too_large"), Mays: []string{"proof.handshake"}},
		{ID: "name/no-san", What: "a name in the subject alone", Layout: only(), Wants: refuse("name.no_san", "name.missing"), Mays: []string{"name.lost"}},
		{ID: "name/mail-alone", What: "a mail address alone", Layout: leaf(func(c *x509.Certificate) { c.DNSNames, c.EmailAddresses = nil, []string{"root@example.test"} }), Wants: refuse("name.no_san", "name.missing"), Mays: []string{"name.lost"}},
		malformed("nul", "a zero byte in a name", "example.test\x00.evil.test"),
		malformed("newline", "a line end in a name", "evil.test\nerror: all is well"),
		malformed("escape", "terminal sequences in a name", "\x1b[2J\x1b]0;owned\a.test"),
		malformed("blank", "a blank in a name", "exa mple.test"),
		malformed("slash", "a path in a name", "../../etc/passwd"),
		malformed("markup", "markup in a name", "<script>alert(1)</script>"),
		malformed("quote", "quotes and braces in a name", `"},{"name":"evil`),
		malformed("inner-wildcard", "a star that is not in front", "www.*.test"),
		malformed("half-wildcard", "a star within a label", "w*.example.test"),
		{ID: "name/latin-1", What: "a byte beyond ASCII in a name", Layout: besides("b\xfccher.test"), Refused: true, Mays: []string{"cert.parse", "name.malformed", "name.control_chars"}},
		{ID: "name/long", What: "a name of 60,000 letters", Layout: besides(strings.Repeat("a", 60_000) + ".test"), Wants: append(refuse("name.malformed"), warn("chain.message_too_large")...)},
	}
}

func subject(change func(*pkix.Name)) func(*Kit) {
	return leaf(func(c *x509.Certificate) { change(&c.Subject) })
}

// subjects are what a leaf calls itself.
func subjects() []Input {
	control := func(id, what, name string) Input {
		return Input{ID: "subject/" + id, What: what, Layout: subject(func(s *pkix.Name) { s.CommonName = name }), Wants: warn("name.control_chars")}
	}
	return []Input{
		control("escape", "terminal sequences", "\x1b[31m\x1b[2J\x1b]0;owned\a"),
		control("newline", "a line of its own", "x\nerror: certificate \"x\": all is well (pem.empty)"),
		control("carriage-return", "a line that overwrites", "x\rdone: generation 9 serves"),
		control("c1", "control characters of the upper half", "x\u009b31mred\u0085next"),
		control("nul", "a zero byte", "x\x00y"),
		control("bidi", "letters that turn the direction", "x\u202etset.elpmaxe\u202c"),
		{ID: "subject/empty", What: "nothing", Layout: subject(func(s *pkix.Name) { *s = pkix.Name{} })},
		{ID: "subject/letters", What: "letters of many languages", Layout: subject(func(s *pkix.Name) {
			s.CommonName, s.Organization = "Ünïcödé 証明書", []string{"Ελληνικά"}
		})},
		{ID: "subject/long", What: "10,000 letters", Layout: subject(func(s *pkix.Name) { s.Organization = []string{strings.Repeat("x", 10_000)} })},
		{ID: "subject/verb", What: "verbs of a format", Layout: subject(func(s *pkix.Name) { s.CommonName = "%s%n%!d(MISSING)${HOME}`id`" })},
	}
}

// critical is an extension that somebody has to understand.
func extra(critical bool, value []byte, id ...int) func(*Kit) {
	return leaf(func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical, Value: value})
	})
}

// extensionsOf is what else a leaf may carry.
func extensionsOf() []Input {
	return []Input{
		{ID: "ext/critical-unknown", What: "an unknown extension that must be understood", Layout: extra(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 99999, 1), Wants: refuse("ext.critical_unknown")},
		{ID: "ext/unknown", What: "an unknown extension that need not be", Layout: extra(false, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 99999, 1)},
		{ID: "ext/unknown-large", What: "an unknown extension of 10 kB", Layout: extra(false, make([]byte, 10_000), 1, 3, 6, 1, 4, 1, 99999, 1)},
		{ID: "ext/poison", What: "a certificate for the transparency log alone", Layout: extra(true, []byte{5, 0}, 1, 3, 6, 1, 4, 1, 11129, 2, 4, 3), Wants: refuse("ext.critical_unknown")},
		{ID: "ext/sct", What: "timestamps of the transparency log", Layout: extra(false, []byte{4, 2, 0, 0}, 1, 3, 6, 1, 4, 1, 11129, 2, 4, 2)},
		{ID: "ext/must-staple", What: "a leaf that insists on a stapled answer", Layout: extra(false, []byte{0x30, 3, 2, 1, 5}, staple...), Wants: warn("ext.must_staple")},
		{ID: "ext/aia", What: "where the authority's certificate and answers are", Layout: leaf(func(c *x509.Certificate) {
			c.IssuingCertificateURL, c.OCSPServer = []string{"http://192.0.2.1/ca.cer"}, []string{"http://192.0.2.1/ocsp"}
			c.CRLDistributionPoints = []string{"http://192.0.2.1/crl"}
		})},
	}
}

// uses are what a leaf may be used for.
func uses() []Input {
	eku := func(list ...x509.ExtKeyUsage) func(*Kit) {
		return leaf(func(c *x509.Certificate) { c.ExtKeyUsage = list })
	}
	ku := func(usage x509.KeyUsage) func(*Kit) {
		return leaf(func(c *x509.Certificate) { c.KeyUsage = usage })
	}
	const client, server = x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth
	return []Input{
		{ID: "use/client-auth", What: "for clients alone", Layout: eku(client), Wants: refuse("ext.eku")},
		{ID: "use/code-signing", What: "for code alone", Layout: eku(x509.ExtKeyUsageCodeSigning), Wants: refuse("ext.eku")},
		{ID: "use/any", What: "for anything, which OpenSSL does not accept", Layout: eku(x509.ExtKeyUsageAny), Wants: refuse("ext.eku")},
		{ID: "use/unknown", What: "for something unknown alone", Layout: leaf(func(c *x509.Certificate) {
			c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 99999, 2}}
		}), Wants: refuse("ext.eku")},
		{ID: "use/both", What: "for servers and clients", Layout: eku(server, client)},
		{ID: "use/none-said", What: "nothing is said about the use", Layout: eku(), Wants: info("ext.no_eku")},
		{ID: "use/encipher", What: "a key that may encipher and not sign", Layout: ku(x509.KeyUsageKeyEncipherment), Wants: warn("ext.ku")},
		{ID: "use/agree", What: "a key that may agree and not sign", Layout: ku(x509.KeyUsageKeyAgreement), Wants: warn("ext.ku")},
		{ID: "use/no-usage", What: "nothing is said about the key", Layout: ku(0)},
		{ID: "use/leaf-is-ca", What: "a leaf that is an authority itself", Layout: leaf(func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage = true, x509.KeyUsageDigitalSignature|x509.KeyUsageCertSign
		}), Wants: refuse("ext.leaf_is_ca")},
	}
}
