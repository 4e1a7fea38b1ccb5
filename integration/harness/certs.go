package harness

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// Name is what the instances are called in their certificates.
const Name = "example.test"

// Certs is a certificate authority and the folder that an instance reads its
// pair from. Its methods may be called by several goroutines, Install by one.
type Certs struct {
	t      testing.TB
	dir    string
	key    *ecdsa.PrivateKey
	CA     *x509.Certificate
	Adjust func(*tls.Config) // changes what clients are like; nil: nothing
	serial atomic.Int64
	links  int
}

// Pair is a certificate file and its key file.
type Pair struct {
	Cert, Key   []byte // PEM
	Fingerprint string // SHA-256 of the leaf, lower-case hex
	NotAfter    time.Time
}

// Leaf says how a certificate differs from a plain good one.
type Leaf struct {
	Names     []string
	NotBefore time.Time
	NotAfter  time.Time
	Curve     elliptic.Curve
}

// NewCerts makes an authority whose pairs go to dir.
func NewCerts(t testing.TB, dir string) *Certs {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "integration CA"},
		NotBefore: time.Now().Add(-24 * time.Hour), NotAfter: time.Now().Add(720 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c := &Certs{t: t, dir: dir, key: key, CA: ca}
	c.serial.Store(1)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return c
}

// Issue makes a pair with a key of its own; the file holds leaf and CA.
func (c *Certs) Issue(l Leaf) Pair {
	c.t.Helper()
	if l.Curve == nil {
		l.Curve = elliptic.P256()
	}
	key, err := ecdsa.GenerateKey(l.Curve, rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	if l.Names == nil {
		l.Names = []string{Name}
	}
	if l.NotBefore.IsZero() {
		l.NotBefore = time.Now().Add(-time.Hour)
	}
	if l.NotAfter.IsZero() {
		l.NotAfter = time.Now().Add(480 * time.Hour)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.serial.Add(1)),
		NotBefore:    l.NotBefore, NotAfter: l.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range l.Names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.CA, key.Public(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	chain := append(Block("CERTIFICATE", der), Block("CERTIFICATE", c.CA.Raw)...)
	return Pair{Cert: chain, Key: c.marshal(key), Fingerprint: Fingerprint(der), NotAfter: l.NotAfter}
}

// marshal encodes a key as PKCS#8.
func (c *Certs) marshal(key crypto.PrivateKey) []byte {
	c.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.t.Fatal(err)
	}
	return Block("PRIVATE KEY", der)
}

// Block encodes one PEM block.
func Block(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// Blocks returns the encoded blocks of a PEM file one by one.
func Blocks(file []byte) [][]byte {
	var found [][]byte
	for {
		block, rest := pem.Decode(file)
		if block == nil {
			return found
		}
		found = append(found, Block(block.Type, block.Bytes))
		file = rest
	}
}

// Fingerprint names a leaf as status does.
func Fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// CertFile and KeyFile are what the config names: both lie behind one link, so
// that a pair is replaced by one rename.
func (c *Certs) CertFile() string { return filepath.Join(c.dir, "live", "fullchain.pem") }

// KeyFile is the key's path.
func (c *Certs) KeyFile() string { return filepath.Join(c.dir, "live", "privkey.pem") }

// Install replaces the pair on disk at one stroke. A file whose content is nil
// is missing. The files look an hour old, so that a broken pair is not taken
// for one that is being written.
func (c *Certs) Install(p Pair) Pair {
	c.t.Helper()
	dir := c.Folder()
	c.Fill(dir, p)
	c.Switch(dir)
	return p
}

// Fill writes a pair into a folder.
func (c *Certs) Fill(dir string, p Pair) {
	c.t.Helper()
	for name, content := range map[string][]byte{"fullchain.pem": p.Cert, "privkey.pem": p.Key} {
		if content == nil {
			continue
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			c.t.Fatal(err)
		}
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			c.t.Fatal(err)
		}
	}
}

// Renew installs a fresh good pair.
func (c *Certs) Renew() Pair {
	c.t.Helper()
	return c.Install(c.Issue(Leaf{}))
}

// Folder makes an empty folder for a pair that a test lays out itself.
func (c *Certs) Folder() string {
	c.t.Helper()
	c.links++
	dir := filepath.Join(c.dir, fmt.Sprintf("pair-%d", c.links))
	if err := os.Mkdir(dir, 0o755); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// Switch makes a folder the live one.
func (c *Certs) Switch(dir string) {
	c.t.Helper()
	next := filepath.Join(c.dir, "next")
	if err := os.Symlink(filepath.Base(dir), next); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(c.dir, "live")); err != nil {
		c.t.Fatal(err)
	}
}

// Trust is the client side: it verifies the chain and the name, and has no
// session cache, since a resumed session shows the certificate of yesterday.
func (c *Certs) Trust(protocols ...string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(c.CA)
	trust := &tls.Config{RootCAs: pool, ServerName: Name, NextProtos: protocols}
	if c.Adjust != nil {
		c.Adjust(trust)
	}
	return trust
}

// Torn returns a file that ends in the middle of its last block, as a writer
// at work leaves it.
func Torn(file []byte) []byte {
	file = bytes.TrimRight(file, "\n")
	return file[:len(file)-120]
}

// Blind is a client that verifies nothing, to look at what is served.
func (c *Certs) Blind() *tls.Config {
	return &tls.Config{ServerName: Name, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
}

// Sign issues a certificate that a test describes itself; what it leaves open is
// as in a good one.
func (c *Certs) Sign(template *x509.Certificate, public crypto.PublicKey) []byte {
	c.t.Helper()
	template.SerialNumber = big.NewInt(c.serial.Add(1))
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(480*time.Hour)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.CA, public, c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return der
}
