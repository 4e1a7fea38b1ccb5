package cert

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"time"
)

// selfSignedName marks a certificate that was made on the spot, in its subject.
const selfSignedName = "handover self-signed"

// A certificate made on the spot: long enough for a development machine that
// nobody restarts, backdated for clients whose clock is behind.
const (
	selfSignedBackdated = time.Hour
	selfSignedLifetime  = 90 * 24 * time.Hour
)

// invent makes a self-signed certificate for hosts, with a new key.
func invent(ctx context.Context, hosts []string, now time.Time) *candidate {
	c := &candidate{}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.keyErr = err
		return c
	}
	c.signer = key
	c.marshal(ctx)
	template := x509.Certificate{ // without a serial number CreateCertificate picks a random one
		Subject:               pkix.Name{CommonName: selfSignedName},
		NotBefore:             now.Add(-selfSignedBackdated),
		NotAfter:              now.Add(selfSignedLifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		c.chainErrs = []error{err}
		return c
	}
	c.parse(ctx, [][]byte{der}, nil)
	return c
}
