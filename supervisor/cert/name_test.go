package cert

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

func TestNamesThatNoClientCanAskForAreMalformed(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"example.org": true, "a-b.example.org": true, "xn--bcher-kva.example": true, "*.example.org": true, "_dmarc.example.org": true,
		"1.example.org": true, "10.0.0.org": true, "-a.example.org": false, "a-.example.org": false, "example.org-": false,
		"127.0.0.1": false, "1": true,
	} {
		if wellFormed(name) != good {
			t.Errorf("%q: well formed %v; want %v", name, !good, good)
		}
	}
}

func TestNamesThatNobodyCanAskForAreFound(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	list := []input{
		a.edited(forNames("127.0.0.1")).named("an address alone"),
		a.edited(forNames()).named("no name", "name.no_san").saying(`"leaf"`),
		a.edited(func(c *x509.Certificate) {
			c.DNSNames, c.EmailAddresses = nil, []string{"root@example.org"}
		}).named("a mail address alone", "name.no_san"),
		a.edited(func(c *x509.Certificate) { c.Subject.CommonName = "red\x1b[31m" }).named("control characters in the subject", "name.control_chars").saying(`red\x1b`),
		a.edited(func(c *x509.Certificate) { c.Subject.Organization = []string{"a\u202eb"} }).named("text that runs backwards", "name.control_chars"),
		a.edited(func(c *x509.Certificate) { c.EmailAddresses = []string{"a\nb@example.org"} }).named("a line feed in a mail address", "name.control_chars"),
		a.edited(func(c *x509.Certificate) { c.Subject.Organization = []string{"Gesellschaft für Straßenbau"} }).named("letters of another alphabet"),
		a.edited(func(c *x509.Certificate) {
			for range 3000 {
				c.Subject.ExtraNames = append(c.Subject.ExtraNames, pkix.AttributeTypeAndValue{Type: []int{2, 5, 4, 11}, Value: "\x01"})
			}
		}).named("thousands of attributes", "name.control_chars", "chain.message_too_large warn"),
	}
	for name, want := range map[string]bool{
		"a_b.example.org": true, "*.example.org": true, "xn--mnchen-3ya.example": true, "EXAMPLE.org": true, "a--b.c": true, "a--b.c-": false,
		strings.Repeat("a", 63) + ".org": true,
		"*":                              false, "a.*.org": false, "f*.org": false, "*.*.org": false, ".org": false, "org.": false, "a..b": false,
		"a b": false, "a/b": false, "a:443": false, "http://a": false, strings.Repeat("a", 64) + ".org": false,
		strings.Repeat("a.", 127) + "org": false,
	} {
		i := a.edited(forNames(name)).named("only " + name)
		if i.source.Name = "x"; !want {
			i.want = []string{"name.malformed"}
		}
		list = append(list, i)
	}
	for _, name := range []string{"a\x00.example.org", "a\n.example.org"} {
		i := a.edited(forNames("example.org", name)).named("control character in a name", "name.malformed", "name.control_chars")
		list = append(list, i)
	}
	inputs(t, list)
}

func TestWhatIsReplacedIsComparedOnlyWhereThatMakesSense(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	missing := a.edited(nil)
	missing.source = config.Certificate{ServerNames: []string{"example.org", "b.example.org"}}
	inputs(t, []input{missing.named("one configured name missing", "name.missing").saying(`"b.example.org"`)})
}

func TestAMebibyteOfNamesIsJudgedInTime(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var many []string
	for len(many) < 25_000 {
		many = append(many, "a\x01"+strings.Repeat("b", len(many)%20)+".example.org")
	}
	i := a.edited(forNames(many...))
	if len(i.cert) > maxFile {
		t.Fatalf("file of %d bytes; want one that is read", len(i.cert))
	}
	i.source.Name = "x"
	for range 100 {
		i.source.ServerNames = append(i.source.ServerNames, "missing.example.com")
	}
	began := time.Now()
	source := pairIn(t, i.cert, i.key)
	source.Name, source.ServerNames = "x", i.source.ServerNames
	_, checks, err := later(t, Request{Sources: []config.Certificate{source}}).take(t.Context())
	// However slow the machine: what is not decided within the limit is refused.
	if took := time.Since(began); err == nil || took > cryptoLimit+2*time.Second {
		t.Errorf("took %v, error %v; want a refusal within %v", took, err, cryptoLimit)
	}
	for _, c := range checks {
		if len(c.Message) > 2500 {
			t.Errorf("%s: message of %d bytes", c.Name, len(c.Message))
		}
	}
}
