package corpus

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

const day = 24 * time.Hour

// The files of a folder.
const (
	certFile   = "fullchain.pem"
	keyFile    = "privkey.pem"
	clientFile = "clients.pem"
	ticketFile = "tickets.keys"
	rootFile   = "roots.pem"
)

// Names are what the good pair is for; the configuration asks for the first.
var Names = []string{harness.Name, "www." + harness.Name}

// Issuer is an authority that can sign.
type Issuer struct {
	DER  []byte
	Cert *x509.Certificate
	Key  crypto.Signer
}

// Pair is a chain in DER, leaf first, and the leaf's key.
type Pair struct {
	Chain [][]byte
	Key   crypto.Signer
}

// Kit lays out the inputs of one test in one folder. Its authorities and good
// pair are shared with the kits made from it; nobody changes them.
type Kit struct {
	testing.TB
	whole        testing.TB // outlives the layout
	Dir          string
	Root         *Issuer
	Intermediate *Issuer
	Good         Pair // what is served before an input comes
	second       Pair
	client       *Issuer
	now          time.Time       // of all that is issued, so that nothing differs by chance
	rsa          *rsa.PrivateKey // for all that want one: it takes long to make
}

// New makes the authorities and the good pair.
func New(t testing.TB) *Kit {
	k := &Kit{TB: t, whole: t, now: time.Now()}
	k.rsa = k.RSA(65537, 1024, 1024)
	k.rsa.Precompute() // which changes it: inputs are laid out side by side
	k.Root = k.CA(nil, func(c *x509.Certificate) { c.NotAfter = k.now.Add(3000 * day) })
	k.Intermediate = k.CA(k.Root, nil)
	k.client = k.CA(nil, nil)
	k.Good = k.Leaf(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = k.now.Add(-2*day), k.now.Add(30*day)
	})
	k.second = k.Leaf(func(c *x509.Certificate) { c.DNSNames = []string{"second.test"} })
	return k
}

// Client is what a client shows where it is asked who it is.
func (k *Kit) Client() tls.Certificate {
	k.Helper()
	p := k.Under(k.client, k.EC(elliptic.P256()), func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	})
	return tls.Certificate{Certificate: p.Chain, PrivateKey: p.Key}
}

// In is a kit for another folder and test.
func (k *Kit) In(t testing.TB, dir string) *Kit {
	other := *k
	other.TB, other.Dir = t, dir
	return &other
}

// Must ends the test for an error.
func (k *Kit) Must(err error) {
	k.Helper()
	if err != nil {
		k.Fatal(err)
	}
}

// Path is a file of the folder.
func (k *Kit) Path(name string) string { return filepath.Join(k.Dir, name) }

// Put writes a file, in place of what was there.
func (k *Kit) Put(name string, content []byte) {
	k.Helper()
	k.Must(os.MkdirAll(filepath.Dir(k.Path(name)), 0o755))
	k.Must(os.RemoveAll(k.Path(name)))
	k.Must(os.WriteFile(k.Path(name), content, 0o600))
}

// Install writes a pair as the main one.
func (k *Kit) Install(p Pair) {
	k.Helper()
	k.Put(certFile, PEM(p.Chain...))
	k.Put(keyFile, k.PKCS8(p.Key))
}

// Lay fills the folder with the good state, served pair and all.
func (k *Kit) Lay() {
	k.Helper()
	k.Install(k.Good)
	k.Put("second.pem", PEM(k.second.Chain...))
	k.Put("second.key", k.PKCS8(k.second.Key))
	k.Put("pairs/second.crt", PEM(k.second.Chain...))
	k.Put("pairs/second.key", k.PKCS8(k.second.Key))
	k.Put(clientFile, PEM(k.client.DER))
	k.Put(ticketFile, ticketLines(2))
	k.Put(rootFile, PEM(k.Root.DER))
}

// Renew is Lay with a fresh main pair, which differs from the served one in
// nothing that a check looks at.
func (k *Kit) Renew() Pair {
	k.Helper()
	p := k.Leaf(nil)
	k.Install(p)
	return p
}

// Leaf issues a pair for a new P-256 key; edit changes what is issued.
func (k *Kit) Leaf(edit func(*x509.Certificate)) Pair {
	k.Helper()
	return k.LeafFor(k.EC(elliptic.P256()), edit)
}

// LeafFor issues a pair for a key.
func (k *Kit) LeafFor(key crypto.Signer, edit func(*x509.Certificate)) Pair {
	k.Helper()
	return k.Under(k.Intermediate, key, edit)
}

// Under issues a pair by an authority, whose certificate ends the chain.
func (k *Kit) Under(by *Issuer, key crypto.Signer, edit func(*x509.Certificate)) Pair {
	k.Helper()
	return Pair{[][]byte{k.Sign(by, key.Public(), k.Template(edit)), by.DER}, key}
}

// Template is a good leaf's.
func (k *Kit) Template(edit func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: k.serial(), Subject: pkix.Name{CommonName: harness.Name}, DNSNames: Names,
		NotBefore: k.now.Add(-day), NotAfter: k.now.Add(60 * day),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if edit != nil {
		edit(c)
	}
	return c
}

// CA makes an authority; by nil signs itself.
func (k *Kit) CA(by *Issuer, edit func(*x509.Certificate)) *Issuer {
	k.Helper()
	return k.CAFor(by, k.EC(elliptic.P256()), edit)
}

// CAFor makes an authority of a key.
func (k *Kit) CAFor(by *Issuer, key crypto.Signer, edit func(*x509.Certificate)) *Issuer {
	k.Helper()
	c := &x509.Certificate{
		SerialNumber: k.serial(), NotBefore: k.now.Add(-300 * day), NotAfter: k.now.Add(2000 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	c.Subject = pkix.Name{CommonName: "corpus CA " + c.SerialNumber.Text(36)}
	if edit != nil {
		edit(c)
	}
	if by == nil {
		by = &Issuer{Cert: c, Key: key}
	}
	der := k.Sign(by, key.Public(), c)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		parsed = c // made to be unreadable
	}
	return &Issuer{der, parsed, key}
}

// Sign issues a certificate.
func (k *Kit) Sign(by *Issuer, public crypto.PublicKey, c *x509.Certificate) []byte {
	k.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, by.Cert, public, by.Key)
	k.Must(err)
	return der
}

// EC makes a key.
func (k *Kit) EC(curve elliptic.Curve) *ecdsa.PrivateKey {
	k.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	k.Must(err)
	return key
}

// RSA makes a key with that exponent, a product of primes of these sizes.
func (k *Kit) RSA(e int64, sizes ...int) *rsa.PrivateKey {
	k.Helper()
	var primes []*big.Int
	for len(primes) < len(sizes) {
		p, err := rand.Prime(rand.Reader, sizes[len(primes)])
		k.Must(err)
		if new(big.Int).ModInverse(big.NewInt(e), new(big.Int).Sub(p, big.NewInt(1))) != nil {
			primes = append(primes, p) // else the key would have no private half
		}
	}
	return k.rsaOf(e, primes...)
}

func (k *Kit) rsaOf(e int64, primes ...*big.Int) *rsa.PrivateKey {
	key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{E: int(e), N: big.NewInt(1)}, Primes: primes}
	order := big.NewInt(1)
	for _, p := range primes {
		key.N.Mul(key.N, p)
		order.Mul(order, new(big.Int).Sub(p, big.NewInt(1)))
	}
	key.D = new(big.Int).ModInverse(big.NewInt(e), order)
	return key
}

func (k *Kit) serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	k.Must(err)
	return n.Add(n, big.NewInt(1))
}
