package harness

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"time"
)

// Reissue makes another certificate for the key of a pair, as tools do that
// keep the key at a renewal.
func (c *Certs) Reissue(p Pair) Pair {
	c.t.Helper()
	block, _ := pem.Decode(p.Key)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.serial.Add(1)), DNSNames: []string{Name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(480 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.CA, key.(crypto.Signer).Public(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	chain := append(Block("CERTIFICATE", der), Block("CERTIFICATE", c.CA.Raw)...)
	return Pair{Cert: chain, Key: p.Key, Fingerprint: Fingerprint(der), NotAfter: template.NotAfter}
}
