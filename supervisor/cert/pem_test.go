package cert

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"testing"

	"example.com/handover/supervisor/config"
)

func TestWhatStandsBesideTheCertificatesIsFound(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	chain, key := a.issue(nil)
	k := ecdsaKey(t, elliptic.P256())
	public, _ := x509.MarshalPKIXPublicKey(k.Public())
	request, _ := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k)
	curve, _ := asn1.Marshal(asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7})
	parameters := block("EC PARAMETERS", curve)
	with := func(name string, cert []byte, want ...string) input {
		return input{name: name, cert: cert, key: key, want: want}
	}
	inKey := func(name string, key []byte, want ...string) input {
		return input{name: name, cert: chain, key: key, want: want}
	}
	inputs(t, []input{
		with("nothing else", chain),
		with("public key", join(chain, block("PUBLIC KEY", public)), "pem.label").saying(`"PUBLIC KEY"`),
		with("request", join(block("CERTIFICATE REQUEST", request), chain), "pem.label"),
		with("revocation list", join(chain, block("X509 CRL", []byte{0x30, 0})), "pem.label"),
		with("parameters", join(chain, block("DH PARAMETERS", []byte{0x30, 0})), "pem.label"),
		with("key", join(chain, key), "pem.key_in_cert_file"),
		with("key with its parameters", join(parameters, key, chain), "pem.key_in_cert_file"),
		with("text before and between", join([]byte("subject=CN = leaf\n"), chain[:0], chain)),
		with("text behind", join(chain, []byte("done\n")), "pem.trailing_text").saying(`"done"`),
		with("blanks behind", join(chain, []byte("\r\n \t\n"))),
		inKey("text behind the key", join(key, []byte("\x1b]0;done\a")), "pem.trailing_text").saying(`\x1b`),
		inKey("parameters before the key", join(parameters, key)),
	})
	combined := input{name: "one file named twice", cert: join(chain, parameters, key), key: nil}
	t.Run(combined.name, func(t *testing.T) {
		t.Parallel()
		source := pairIn(t, combined.cert, nil)
		source.KeyFile = source.CertFile
		_, checks, err := later(t, Request{Sources: []config.Certificate{source}}).take(t.Context())
		if err != nil {
			t.Error(err)
		}
		combined.compare(t, checks)
	})
}
