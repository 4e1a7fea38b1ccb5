package cert

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
)

// monster returns a self-issued certificate for an RSA key of so many bits,
// with a signature as long as the key: nothing but arithmetic tells it is false.
func monster(t *testing.T, bits uint) []byte {
	t.Helper()
	signer, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	n := new(big.Int).Lsh(big.NewInt(1), bits)
	n.Sub(n, big.NewInt(159))
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "monster"}, DNSNames: []string{"example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: n, E: 1<<31 - 1}, signer)
	if err != nil {
		t.Fatal(err)
	}
	var outer struct {
		Signed, Algorithm asn1.RawValue
		Signature         asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	signature := make([]byte, (bits+7)/8)
	for i := 1; i < len(signature); i++ {
		signature[i] = 0x5a
	}
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	if der, err = asn1.Marshal(outer); err != nil {
		t.Fatal(err)
	}
	return block(labelCertificate, der)
}

func TestARSAKeyLargerThanAnyClientAcceptsIsRefusedBeforeItIsUsed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	for _, s := range []struct {
		name string
		bits uint
		cert func([]byte) []byte
	}{
		{"leaf", 3_000_000, func(m []byte) []byte { return m }},
		{"leaf just above the limit", maxRSA + 1, func(m []byte) []byte { return m }},
		{"behind the leaf", 262_144, func(m []byte) []byte { return join(chain, m) }},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			file := s.cert(monster(t, s.bits))
			if len(file) > maxFile {
				t.Fatalf("file of %d bytes; want one that is read", len(file))
			}
			began := time.Now()
			_, checks, err := later(t, Request{
				Sources: []config.Certificate{pairIn(t, file, key)}, Served: served("example.org", 9, "example.org"),
			}).take(t.Context())
			if took := time.Since(began); took > cryptoLimit {
				t.Errorf("took %v; want %v at most", took, cryptoLimit)
			}
			bits := fmt.Sprintf("RSA key of %d bits", s.bits)
			if err == nil || checks[0].Name != "cert.parse" || !strings.Contains(checks[0].Message, bits) {
				t.Errorf("got %+v, error %v; want cert.parse first with %q", checks, err, bits)
			}
		})
	}
	if _, err := parseCertificate(x509der(t, monster(t, maxRSA))); err != nil {
		t.Errorf("a key of %d bits: got %v; want it parsed", maxRSA, err)
	}
}

func x509der(t *testing.T, file []byte) []byte {
	t.Helper()
	b := walk(file)
	if len(b.all) != 1 {
		t.Fatalf("%d blocks; want 1", len(b.all))
	}
	return b.all[0].Bytes
}

func TestACheckThatDoesNotEndRefusesAndEndsTheJudgement(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	source := pairIn(t, chain, key)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := inspect(ctx, read(source.CertFile, source.KeyFile))
	hang := make(chan struct{})
	defer close(hang)
	endless := func(*candidate) []problem {
		cancel() // stands for the limit
		<-hang
		return nil
	}
	rows := []check{{name: "cert.parse", severity: refuse, fixed: true, look: certParse}, {name: "name.lost", severity: refuse, look: endless}}
	if v := judgeBy(ctx, rows, c, nil, nil); !v.refused || !v.final || len(v.checks) != 1 || v.checks[0].Name != "name.lost" {
		t.Errorf("got %+v; want one finding of name.lost that refuses for good", v)
	}
	if v := judge(ctx, c, nil, nil); !v.refused || !v.final || len(v.checks) != 1 {
		t.Errorf("with no time left: %+v; want one finding that refuses for good", v)
	}
	allowed := map[string]string{}
	for _, k := range table {
		if !k.fixed {
			allowed[k.name] = warn
		}
	}
	if v := judge(ctx, c, allowed, nil); !v.refused {
		t.Errorf("with no time left and every check moved to warn: %+v; want a refusal", v)
	}
}

func TestACheckThatPanicsRefuses(t *testing.T) {
	t.Parallel()
	broken := check{name: "name.lost", severity: refuse, look: func(*candidate) []problem { panic("broken") }}
	for _, c := range []*candidate{{}, {known: &proven{}}} {
		if v := judgeBy(t.Context(), []check{broken}, c, map[string]string{"name.lost": warn}, nil); !v.refused || !v.final {
			t.Errorf("known %v: got %+v; want a refusal", c.known != nil, v)
		}
	}
}

func TestANameThatNoClientCouldVerifyIsNotLostWhileTheLeafBearsIt(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	odd := []string{"10.0.0.1", "", ".", "::1", "EXAMPLE.org", "*.example.org", "a b", "*"}
	chain, key := a.issue(func(c *x509.Certificate) {
		c.DNSNames = odd
	})
	wild, wildKey := a.issue(forNames("*.example.org", "example.org", "127.0.0.1"))
	malformed := []string{"name.malformed"}
	for _, s := range []sample{
		{name: "unchanged", cert: chain, key: key, served: served("x", 2, odd...), source: config.Certificate{Name: "x"}, want: malformed},
		{
			name: "unchanged but for case", cert: chain, key: key, source: config.Certificate{Name: "x"},
			served: served("x", 2, "example.ORG", "*.EXAMPLE.org", "A b"), want: malformed,
		},
		{
			name: "covered otherwise", cert: wild, key: wildKey, source: config.Certificate{Name: "x"},
			served: served("x", 2, "A.example.org", "b.example.org.", "example.org.", "127.0.0.1"),
		},
		{
			name: "not covered by a wildcard", cert: wild, key: wildKey, source: config.Certificate{Name: "x"},
			served: served("x", 2, "a.b.example.org"), want: []string{"name.lost"},
		},
		{
			name: "nothing before the dot", cert: wild, key: wildKey, source: config.Certificate{Name: "x"},
			served: served("x", 2, ".example.org"), want: []string{"name.lost"},
		},
		{
			name: "an odd name lost", cert: wild, key: wildKey, source: config.Certificate{Name: "x"},
			served: served("x", 2, "", "10.0.0.1"), want: []string{"name.lost"},
		},
	} {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t) })
	}
}

func TestWhatIsReplacedIsFoundByANameThatNoClientCouldVerify(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(func(c *x509.Certificate) { c.DNSNames = []string{"new.example.org", "10.0.0.1"} })
	list := append(served("other", 1, "other.example.org"), served("old", 1, "10.0.0.1", "lost.example.org")...)
	sample{name: "", cert: chain, key: key, served: list, want: []string{"name.malformed", "name.lost"}}.run(t)
}

func TestThousandsOfNamesAreComparedInNoTime(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	var before, after []string
	for i := range 20_000 {
		before = append(before, fmt.Sprintf("a%d.example.org", i))
		after = append(after, fmt.Sprintf("b%d.example.org", i))
	}
	c := &candidate{parsed: []*x509.Certificate{a.leaf(ecdsaKey(t, elliptic.P256()), forNames(after...))}}
	c.served = &served("x", 1, before...)[0]
	began := time.Now()
	found := nameLost(c)
	if took := time.Since(began); took > time.Second {
		t.Errorf("took %v for %d names; want less than %v", took, len(before), time.Second)
	}
	if len(found) != 1 || !strings.Contains(found[0].message, "and 19995 more") {
		t.Errorf("found %+v; want all lost", found)
	}
}

func TestADamagedOrForeignBlockInTheChainIsNotPassedOver(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	k := ecdsaKey(t, elliptic.P256())
	key, leaf, next := keyPEM(t, k), certPEM(a.leaf(k, nil)), certPEM(a.intermediate)
	torn := []string{"pem.undecoded_block"}
	labelled := func(label string) []byte { return join(leaf, block(label, a.intermediate.Raw)) }
	for _, s := range []sample{
		{name: "a dash lost at the begin", cert: join(leaf, next[1:]), key: key, want: torn, hint: "damaged"},
		{name: "a dash lost at both ends", cert: join(leaf, []byte(strings.ReplaceAll(string(next), "-----\n", "----\n"))), key: key, want: torn},
		{
			name: "a dash lost before both words", key: key, want: torn,
			cert: join(leaf, []byte(strings.NewReplacer("-----B", "----B", "-----E", "----E").Replace(string(next)))),
		},
		{name: "first bytes cut", cert: join(leaf, next[30:]), key: key, want: torn, hint: "damaged"},
		{name: "first bytes of the leaf cut", cert: join(leaf[30:], next), key: key, want: torn},
		{name: "key cut", cert: join(leaf, next), key: join(key[20:], key), want: torn},
		{name: "trust settings", cert: labelled("TRUSTED CERTIFICATE"), key: key, want: torn, hint: "openssl x509"},
		{name: "trust settings first", cert: join(block("TRUSTED CERTIFICATE", leaf), next), key: key, want: torn, hint: "openssl x509"},
		{name: "lower case", cert: labelled("certificate"), key: key, want: torn, hint: labelCertificate},
		{name: "attributes", cert: labelled("ATTRIBUTE CERTIFICATE"), key: key, want: torn, hint: labelCertificate},
		{name: "old label", cert: labelled("X509 CERTIFICATE"), key: key, served: served("example.org", 2, "example.org")},
		{name: "trust settings in the key file", cert: leaf, key: join(key, block("TRUSTED CERTIFICATE", leaf))},
	} {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t) })
	}
}

func FuzzCovers(f *testing.F) {
	f.Add("example.org", "*.example.org", "a.example.org.")
	f.Add("*", "10.0.0.1", "localhost")
	f.Add("a..b", ".", "*.")
	f.Fuzz(func(t *testing.T, one, two, name string) {
		for _, r := range one + two + name {
			if r >= 0x80 {
				return // a certificate's names are ASCII
			}
		}
		leaf := &x509.Certificate{DNSNames: []string{one, two}}
		want := strings.EqualFold(name, one) || strings.EqualFold(name, two) || leaf.VerifyHostname(name) == nil
		if got := bears(leaf).covers(name); got != want {
			t.Errorf("a leaf for %q covers %q: got %v; want %v", leaf.DNSNames, name, got, want)
		}
		if got, want := bears(leaf).serves(leaf, name), leaf.VerifyHostname(name) == nil; got != want {
			t.Errorf("a leaf for %q serves %q: got %v; want %v", leaf.DNSNames, name, got, want)
		}
	})
}
