package cert

import (
	"context"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
)

// later is a taker for which every file has lain there for an hour: what a
// writer at work would explain is refused at once.
func later(t testing.TB, r Request) *taker {
	return &taker{
		Request: r,
		now:     func() time.Time { return time.Now().Add(time.Hour) },
		wait:    func(context.Context, time.Duration) { t.Error("waited; want a decision at once") },
	}
}

// sample is one input of the corpus and the checks it must meet.
type sample struct {
	name       string
	cert, key  []byte
	source     config.Certificate // names only
	served     []status.Certificate
	minVersion uint16
	want       []string // that refuse, in order
	hint       string   // part of the first one's
}

func (s sample) run(t *testing.T) {
	source := pairIn(t, s.cert, s.key)
	source.Name, source.ServerNames = s.source.Name, s.source.ServerNames
	r := Request{Sources: []config.Certificate{source}, Served: s.served}
	if s.minVersion == tls.VersionTLS13 {
		r.TLS.MinVersion = "1.3"
	}
	bundle, checks, err := later(t, r).take(t.Context())
	verify(t, bundle, checks, err, s.want, s.hint)
}

// verify holds the outcome of a Take against the checks that were to refuse.
func verify(t *testing.T, bundle *Bundle, checks []status.Check, err error, want []string, hint string) {
	t.Helper()
	var got []string
	for _, c := range checks {
		if c.Severity == refuse {
			got = append(got, c.Name)
		}
		if c.Message == "" || c.Hint == "" || c.Certificate == "" {
			t.Errorf("finding %+v; want message, hint and certificate", c)
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("refused by %q (%+v); want %q", got, checks, want)
	}
	if len(want) == 0 {
		if err != nil || bundle == nil {
			t.Fatalf("got error %v; want a bundle", err)
		}
		return
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) || bundle != nil {
		t.Fatalf("got bundle %v, error %v; want a refusal and no bundle", bundle, err)
	}
	if first := refusal.First(); first.Name != want[0] || !strings.Contains(first.Hint, hint) {
		t.Errorf("first finding %+v; want %s with a hint that has %q", first, want[0], hint)
	}
	if end := "(" + want[0] + ")"; !strings.HasSuffix(err.Error(), end) {
		t.Errorf("error %q; want it to end in %q", err, end)
	}
	if strings.ContainsAny(err.Error(), "\x00\n\x1b") {
		t.Errorf("error %q; want no control characters", err)
	}
}

func served(name string, length int, names ...string) []status.Certificate {
	return []status.Certificate{{Name: name, Names: names, ChainLength: length}}
}

func TestGoodPairsAreTaken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	p384 := ecdsaKey(t, elliptic.P384())
	sec1, _ := x509.MarshalECPrivateKey(p384)
	parameters, _ := asn1.Marshal(asn1.ObjectIdentifier{1, 3, 132, 0, 34})
	leafOf := func(key crypto.Signer) []byte { return join(certPEM(a.leaf(key, nil)), certPEM(a.intermediate)) }
	ipChain, ipKey := a.issue(forNames("127.0.0.1", "::1"))
	wildChain, wildKey := a.issue(forNames("*.example.org"))

	for _, s := range []sample{
		{name: "ecdsa", cert: chain, key: key},
		{name: "rsa pkcs1", cert: leafOf(rsaKey), key: block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsaKey))},
		{name: "ed25519", cert: leafOf(edKey), key: keyPEM(t, edKey)},
		{name: "sec1 after its parameters", cert: leafOf(p384), key: join(block("EC PARAMETERS", parameters), block("EC PRIVATE KEY", sec1))},
		{name: "crlf", cert: []byte(strings.ReplaceAll(string(chain), "\n", "\r\n")), key: key},
		{name: "text around", cert: join([]byte("issued today\n"), chain, []byte("thanks\n")), key: key},
		{name: "key in both files", cert: join(chain, key), key: key},
		{name: "addresses", cert: ipChain, key: ipKey, source: config.Certificate{ServerNames: []string{"127.0.0.1", "::1"}}},
		{name: "wildcard", cert: wildChain, key: wildKey, source: config.Certificate{ServerNames: []string{"*.example.org", "a.example.org"}}},
		{name: "tls 1.3 only", cert: chain, key: key, minVersion: tls.VersionTLS13},
		{name: "same chain as served", cert: chain, key: key, served: served("example.org", 2, "www.example.org")},
		{name: "wildcard covers what was served", cert: wildChain, key: wildKey, served: served("*.example.org", 1, "a.example.org")},
	} {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t) })
	}
}

func TestBadPEMIsRefusedByItsCheck(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	leafKey := ecdsaKey(t, elliptic.P256())
	leaf := a.leaf(leafKey, nil)
	keyDER, _ := x509.MarshalPKCS8PrivateKey(leafKey)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, leafKey)
	if err != nil {
		t.Fatal(err)
	}
	utf := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(string(chain))) {
		utf = append(utf, byte(unit), byte(unit>>8))
	}
	pfx, _ := asn1.Marshal(struct{ Version, Rest int }{3, 1})
	p7, _ := asn1.Marshal(struct{ Type asn1.ObjectIdentifier }{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}})
	long := func(der []byte) []byte { return join([]byte{0x30, 0x82, byte(len(der) >> 8), byte(len(der))}, der) }
	pfx, p7 = long(join(pfx[2:], make([]byte, 300))), long(join(p7[2:], make([]byte, 300)))
	torn := []string{"pem.undecoded_block"}

	for _, s := range []sample{
		{name: "empty certificate", cert: nil, key: key, want: []string{"pem.empty"}},
		{name: "blank key", cert: chain, key: []byte("\n \n"), want: []string{"pem.empty"}},
		{name: "both empty", want: []string{"pem.empty", "pem.empty"}},
		{name: "der certificate", cert: leaf.Raw, key: key, want: []string{"pem.no_certificate"}, hint: "-inform der"},
		{name: "der key", cert: chain, key: keyDER, want: []string{"pem.no_key"}, hint: "-inform der"},
		{name: "request", cert: block("CERTIFICATE REQUEST", csr), key: key, want: []string{"pem.no_certificate"}, hint: "sent back"},
		{name: "der request", cert: csr, key: key, want: []string{"pem.no_certificate"}, hint: "sent back"},
		{name: "pkcs12", cert: pfx, key: pfx, want: []string{"pem.no_certificate", "pem.no_key"}, hint: "openssl pkcs12"},
		{name: "pkcs7", cert: p7, key: key, want: []string{"pem.no_certificate"}, hint: "openssl pkcs7"},
		{name: "pem pkcs7", cert: block("PKCS7", p7), key: key, want: []string{"pem.no_certificate"}, hint: "openssl pkcs7"},
		{name: "html", cert: []byte("<!DOCTYPE html>\n<p>404"), key: key, want: []string{"pem.no_certificate"}, hint: "download"},
		{name: "utf-16", cert: utf, key: key, want: []string{"pem.no_certificate"}, hint: "iconv"},
		{name: "trusted certificate", cert: block("TRUSTED CERTIFICATE", leaf.Raw), key: key, want: []string{"pem.no_certificate"}, hint: "openssl x509"},
		{name: "bare base64", cert: []byte("MIIBszCCAVmg"), key: key, want: []string{"pem.no_certificate"}, hint: "BEGIN"},
		{name: "words", cert: []byte("hello"), key: []byte("world"), want: []string{"pem.no_certificate", "pem.no_key"}},
		{name: "certificate as key", cert: chain, key: chain, want: []string{"pem.no_key"}},
		{name: "swapped", cert: key, key: chain, want: []string{"pem.swapped"}, hint: "swap"},
		{name: "cut in the chain", cert: chain[:len(chain)-60], key: key, want: torn, hint: "cut"},
		{name: "cut in the key", cert: chain, key: key[:60], want: torn},
		{name: "byte order mark", cert: join([]byte("\xef\xbb\xbf"), chain), key: key, want: torn, hint: "byte order mark"},
		{name: "glued blocks", cert: []byte(strings.ReplaceAll(string(chain), "-----\n-----BEGIN", "----------BEGIN")), key: key, want: torn, hint: "alone"},
		{name: "indented", cert: []byte("  " + strings.ReplaceAll(string(chain), "\n", "\n  ")), key: key, want: torn},
		{name: "bad base64", cert: []byte(strings.Replace(string(chain), "M", "!", 1)), key: key, want: torn},
		{name: "missing end", cert: []byte(strings.Replace(string(chain), "-----END CERTIFICATE-----\n", "", 1)), key: key, want: torn},
	} {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t) })
	}
}

func TestBadKeysAreRefusedByTheirCheck(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	_, other := a.issue(nil)
	k := ecdsaKey(t, elliptic.P256())
	public, _ := x509.MarshalPKIXPublicKey(k.Public())
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	legacy := pem.EncodeToMemory(&pem.Block{
		Type: "EC PRIVATE KEY", Bytes: make([]byte, 64),
		Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"},
	})
	agreement, _ := ecdh.X25519().GenerateKey(rand.Reader)
	agreementDER, _ := x509.MarshalPKCS8PrivateKey(agreement)
	p224 := ecdsaKey(t, elliptic.P224())
	middle := join(certPEM(a.intermediate), certPEM(a.leaf(k, nil)))

	for _, s := range []sample{
		{name: "pkcs8 encrypted", cert: chain, key: block("ENCRYPTED PRIVATE KEY", []byte{1}), want: []string{"key.encrypted"}, hint: "decrypt"},
		{name: "legacy encrypted", cert: chain, key: legacy, want: []string{"key.encrypted"}, hint: "decrypt"},
		{name: "public", cert: chain, key: block("PUBLIC KEY", public), want: []string{"key.not_private"}},
		{name: "garbage", cert: chain, key: block("PRIVATE KEY", []byte("garbage")), want: []string{"key.parse"}},
		{name: "a key of a thousand kilobits", cert: chain, key: block("RSA PRIVATE KEY", make([]byte, 600<<10)), want: []string{"key.parse"}},
		{name: "openssh", cert: chain, key: block("OPENSSH PRIVATE KEY", []byte("openssh")), want: []string{"key.parse"}, hint: "ssh-keygen"},
		{name: "key agreement", cert: chain, key: block("PRIVATE KEY", agreementDER), want: []string{"key.parse"}},
		{name: "another key", cert: chain, key: other, want: []string{"pair.mismatch"}, hint: "another key"},
		{name: "another type of key", cert: chain, key: keyPEM(t, rsaKey), want: []string{"pair.mismatch"}, hint: "RSA of 2048 bits"},
		{name: "leaf second", cert: middle, key: keyPEM(t, k), want: []string{"chain.leaf_not_first"}},
		{
			name: "curve that no client knows", cert: certPEM(a.leaf(p224, nil)), key: keyPEM(t, p224),
			want: []string{"key.type", "proof.handshake"}, hint: "P-256",
		},
		{name: "garbage in the chain", cert: join(chain, block(labelCertificate, []byte("x\x1b"))), key: key, want: []string{"cert.parse"}},
	} {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t) })
	}
}

func TestTimesAndNamesAreHeldAgainstClockConfigurationAndWhatIsServed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	oldChain, oldKey := a.issue(func(c *x509.Certificate) { c.NotAfter = time.Now() })
	newChain, newKey := a.issue(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(3 * time.Hour) })
	evilChain, evilKey := a.issue(forNames("evil\x1b[2J\x00\n.example.org"))
	lone := chain[:strings.Index(string(chain), "-----END")+len("-----END CERTIFICATE-----\n")]

	for _, s := range []sample{
		{name: "expired", cert: oldChain, key: oldKey, want: []string{"time.expired"}, hint: "renew"},
		{name: "not yet", cert: newChain, key: newKey, want: []string{"time.not_yet"}},
		{
			name: "two configured names missing", cert: chain, key: key,
			source: config.Certificate{ServerNames: []string{"example.org", "a.example.org", "10.0.0.1"}},
			want:   []string{"name.missing", "name.missing"}, hint: "server_names",
		},
		{
			name: "names that forge output", cert: evilChain, key: evilKey,
			source: config.Certificate{ServerNames: []string{"example.org\n"}}, want: []string{"name.malformed", "name.missing"},
		},
		{
			name: "name lost", cert: chain, key: key, served: served("example.org", 2, "example.org", "shop.example.org"),
			want: []string{"name.lost"}, hint: "--allow name.lost",
		},
		{
			name: "every name lost", cert: chain, key: key,
			served: served("apex.example.net", 2, "apex.example.net"), want: []string{"name.lost"},
		},
		{
			name: "first name lost, and with it what it is called", cert: chain, key: key,
			served: served("apex.example.org", 2, "apex.example.org", "www.example.org"), want: []string{"name.lost"},
		},
		{name: "another certificate is served", cert: chain, key: key, source: config.Certificate{Name: "a"}, served: served("b", 3, "b.org")},
		{
			name: "intermediate lost", cert: lone, key: key, served: served("example.org", 2, "example.org"),
			want: []string{"chain.incomplete"}, hint: "fullchain.pem",
		},
		{
			name: "everything at once", cert: oldChain, key: oldKey, source: config.Certificate{Name: "x", ServerNames: []string{"a"}},
			served: served("x", 3, "b"), want: []string{"time.expired", "name.missing", "name.lost", "chain.incomplete"},
		},
	} {
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t) })
	}
}

// signer is a key whose private half does what the test says.
type signer struct {
	crypto.Signer
	sign func(digest []byte) ([]byte, error)
}

func (s signer) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	return s.sign(digest)
}

func TestProofsRefuseAKeyWhosePrivateHalfIsBroken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	key := ecdsaKey(t, elliptic.P256())
	other := ecdsaKey(t, elliptic.P256())
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	for name, sign := range map[string]func([]byte) ([]byte, error){
		"signs as another": func(d []byte) ([]byte, error) { return ecdsa.SignASN1(rand.Reader, other, d) },
		"says no":          func([]byte) ([]byte, error) { return nil, errors.New("token removed") },
		"panics":           func([]byte) ([]byte, error) { panic("broken") },
		"hangs":            func([]byte) ([]byte, error) { <-hang; return nil, nil },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			source := pairIn(t, certPEM(a.leaf(key, nil)), keyPEM(t, key))
			c := inspect(ctx, read(source.CertFile, source.KeyFile))
			c.signer = signer{key, func(d []byte) ([]byte, error) {
				if name == "hangs" {
					cancel() // stands for the limit
				}
				return sign(d)
			}}
			for check, prove := range map[string]func(context.Context, *candidate) []problem{
				"proof.sign": proofSign, "proof.handshake": proofHandshake,
			} {
				if found := prove(ctx, c); len(found) == 0 {
					t.Errorf("%s found nothing; want a problem", check)
				}
			}
		})
	}
}

func TestSelfSignedIsMadeAnewAndPassesTheSameProofs(t *testing.T) {
	t.Parallel()
	source := config.Certificate{SelfSigned: []string{"localhost", "127.0.0.1"}, ServerNames: []string{"localhost"}}
	r := Request{Sources: []config.Certificate{source}, Served: served("localhost", 3, "gone.example.org")}
	one, _, err := Take(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	two, _, err := Take(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c := one.Certificates[0]
	if c.Fingerprint == two.Certificates[0].Fingerprint {
		t.Error("two Takes made the same certificate; want a fresh one each")
	}
	if got, want := fmt.Sprint(c.Names), "[localhost 127.0.0.1]"; got != want || c.Name != "localhost" {
		t.Errorf("names %s of %q; want %s of localhost", got, c.Name, want)
	}
	if life := c.NotAfter.Sub(c.NotBefore); life != selfSignedLifetime+selfSignedBackdated {
		t.Errorf("lifetime %v; want %v", life, selfSignedLifetime+selfSignedBackdated)
	}
	_, _, err = Take(t.Context(), Request{Sources: []config.Certificate{{SelfSigned: []string{"m\u00fcnchen"}}}})
	if want := "(cert.parse)"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v for a name that no certificate can bear; want %s", err, want)
	}
}

func TestAllOrNothingOverSeveralPairs(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	good, goodKey := a.issue(nil)
	_, otherKey := a.issue(nil)
	sources := []config.Certificate{pairIn(t, good, goodKey), pairIn(t, good, otherKey)}
	sources[1].Name = "second"
	bundle, checks, err := later(t, Request{Sources: sources}).take(t.Context())
	verify(t, bundle, checks, err, []string{"pair.mismatch"}, "")
	if got, want := err.Error(), `certificate "second": key does not match certificate (pair.mismatch)`; got != want {
		t.Errorf("got %q; want %q", got, want)
	}
	if checks[0].File != filepath.Clean(sources[1].KeyFile) {
		t.Errorf("file %q; want %q", checks[0].File, sources[1].KeyFile)
	}
}
