package cert

import (
	"crypto/elliptic"
	"crypto/x509"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// everyCheck looks at c with every check, also those that a run would not have
// come to, and holds what they say against what every finding must be.
func everyCheck(t *testing.T, c *candidate) {
	t.Helper()
	c.source = config.Certificate{ServerNames: []string{"example.org", "127.0.0.1"}}
	c.served = &status.Certificate{
		Name: "fuzz", Fingerprint: "0", ChainSHA256: "0", KeySHA256: "0", Issuer: "0", ChainLength: 2,
		Names: []string{"a.example.org"}, NotBefore: c.now, NotAfter: c.now,
	}
	c.roots = &roots{}
	c.roots.once.Do(func() { c.roots.pool = x509.NewCertPool() })
	for _, k := range table {
		if k.look == nil {
			continue
		}
		for _, p := range k.look(c) {
			if p.message == "" || p.hint == "" || len(p.message)+len(p.hint) > 4096 {
				t.Errorf("%s: message %q, hint %q; want both, of bounded length", k.name, p.message, p.hint)
			}
			if strings.ContainsFunc(p.message+p.hint, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("%s: message %q, hint %q; want what can be printed", k.name, p.message, p.hint)
			}
		}
	}
}

// FuzzChain changes certificates that parse: bytes of the leaf, and in which
// order others stand behind it.
func FuzzChain(f *testing.F) {
	a := newAuthority(f)
	b := newAuthority(f)
	_, key := a.issue(nil)
	odd := a.leaf(ecdsaKey(f, elliptic.P256()), func(c *x509.Certificate) {
		c.DNSNames = []string{"a\x00b", "*", "example.org"}
		c.Subject.Organization = []string{"\x1b[31m"}
		c.IssuingCertificateURL = []string{"http://ca.example.org/\x07"}
	})
	limited := a.sign(&x509.Certificate{
		Subject: a.intermediate.Subject, IsCA: true, PermittedDNSDomains: []string{"example.com"}, MaxPathLenZero: true,
	}, a.root, a.key.Public(), a.rootKey)
	others := [][]byte{a.intermediate.Raw, a.root.Raw, b.intermediate.Raw, b.root.Raw, limited.Raw, odd.Raw}
	f.Add(odd.Raw, []byte{0, 1})
	f.Add(odd.Raw, []byte{1, 0, 0, 5})
	f.Add(odd.Raw, []byte{4, 3, 2})
	f.Fuzz(func(t *testing.T, leaf, order []byte) {
		data := block(labelCertificate, leaf)
		for _, at := range order[:min(len(order), 16)] {
			data = join(data, block(labelCertificate, others[int(at)%len(others)]))
		}
		c := inspect(t.Context(), snapshot{cert: &file{data: data, path: "/cert.pem"}, key: &file{data: slices.Clone(key), path: "/key.pem"}})
		c.name, c.now = "fuzz", time.Now()
		everyCheck(t, c)
	})
}
