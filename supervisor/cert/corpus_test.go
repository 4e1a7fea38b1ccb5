package cert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/handover/supervisor/config"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// authority issues certificates for tests: a root and an intermediate.
type authority struct {
	t            testing.TB
	rootKey      crypto.Signer
	root         *x509.Certificate
	key          crypto.Signer
	intermediate *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, rootKey: ecdsaKey(t, elliptic.P256()), key: ecdsaKey(t, elliptic.P256())}
	a.root = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test root"}, IsCA: true, NotAfter: time.Now().Add(30 * day),
	}, nil, a.rootKey.Public(), a.rootKey)
	a.intermediate = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: "test intermediate"}, IsCA: true, NotAfter: time.Now().Add(20 * day),
	}, a.root, a.key.Public(), a.rootKey)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) *x509.Certificate {
	a.t.Helper()
	if template.NotBefore.IsZero() {
		template.NotBefore = time.Now().Add(-time.Hour)
	}
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(48 * time.Hour)
	}
	template.BasicConstraintsValid = true
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// leaf issues a certificate for key; edit changes the template.
func (a *authority) leaf(key crypto.Signer, edit func(*x509.Certificate)) *x509.Certificate {
	a.t.Helper()
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "leaf"},
		DNSNames:    []string{"example.org", "www.example.org"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if edit != nil {
		edit(template)
	}
	return a.sign(template, a.intermediate, key.Public(), a.key)
}

// issue returns a fresh pair in PEM: leaf and intermediate, and the key.
func (a *authority) issue(edit func(*x509.Certificate)) (chain, key []byte) {
	a.t.Helper()
	k := ecdsaKey(a.t, elliptic.P256())
	return join(certPEM(a.leaf(k, edit)), certPEM(a.intermediate)), keyPEM(a.t, k)
}

func forNames(names ...string) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.DNSNames = nil
		for _, name := range names {
			if ip := net.ParseIP(name); ip != nil {
				c.IPAddresses = append(c.IPAddresses, ip)
			} else {
				c.DNSNames = append(c.DNSNames, name)
			}
		}
	}
}

func ecdsaKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func certPEM(c *x509.Certificate) []byte { return block(labelCertificate, c.Raw) }

func keyPEM(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return block("PRIVATE KEY", der)
}

func block(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

func join(parts ...[]byte) []byte {
	var whole []byte
	for _, part := range parts {
		whole = append(whole, part...)
	}
	return whole
}

func write(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// pairIn writes a pair into a new directory and returns the source that names it.
func pairIn(t testing.TB, chain, key []byte) config.Certificate {
	t.Helper()
	dir := t.TempDir()
	source := config.Certificate{CertFile: filepath.Join(dir, "fullchain.pem"), KeyFile: filepath.Join(dir, "privkey.pem")}
	write(t, source.CertFile, chain)
	write(t, source.KeyFile, key)
	return source
}
