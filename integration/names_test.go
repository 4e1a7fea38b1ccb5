package integration

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// asks connects as a client of a host name, none if it is empty, with a
// certificate of its own if given, and returns what it is shown. The answer to a
// request is what shows that the server took the client's certificate.
func asks(t *testing.T, i *harness.Instance, host string, own ...tls.Certificate) (string, error) {
	t.Helper()
	trust := i.Certs.Blind()
	trust.ServerName, trust.Certificates = host, own
	c, err := harness.Dial("tcp", i.Addr, trust)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_, err = c.Do("GET", "/health", nil)
	return c.Fingerprint, err
}

func TestClientsGetTheirCertificateByName(t *testing.T) {
	t.Parallel()
	folder := harness.Folder(t)
	tables := func(sni string) string {
		return fmt.Sprintf("[[certificate]]\ndir = %q\n[tls]\nsni = %q", folder, sni)
	}
	i := harness.Prepare(t, harness.Config{Workers: 1, Tables: tables("lenient")})
	put := func(file string, names ...string) string {
		p := i.Certs.Issue(harness.Leaf{Names: names})
		for ext, content := range map[string][]byte{".crt": p.Cert, ".key": p.Key} {
			if err := os.WriteFile(filepath.Join(folder, file+ext), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return p.Fingerprint
	}
	first := i.First.Fingerprint
	shop, wild, address := put("shop", "shop.test"), put("wild", "*.wild.test"), put("address", strings.Split(i.Addr, ":")[0], "address.test")
	i.Launch()
	i.WaitServing()
	for _, sni := range []string{"lenient", "san", "strict"} {
		c := i.Config
		c.Tables = tables(sni)
		i.Configure(c)
		hup(t, i, "done")
		wants := map[string]string{
			harness.Name: first, "shop.test": shop, "SHOP.test": shop, "a.wild.test": wild, "address.test": address,
			"": address, "other.test": first, "a.b.wild.test": first, "wild.test": first,
		}
		if sni != "lenient" {
			for _, host := range []string{"other.test", "a.b.wild.test", "wild.test"} {
				wants[host] = ""
			}
		}
		for host, want := range wants {
			got, err := asks(t, i, host)
			if want == "" && (err == nil || !strings.Contains(err.Error(), "unrecognized name")) || want != "" && (err != nil || got != want) {
				t.Errorf("%s: a client of %q: got %.12s…, %v; want %.12s…", sni, host, got, err, want)
			}
		}
	}
}

// client makes an authority for clients and the certificate of one.
func client(t *testing.T, i *harness.Instance) (authority []byte, own tls.Certificate) {
	t.Helper()
	certs := harness.NewCerts(t, filepath.Join(i.Dir, fmt.Sprintf("clients-%d", len(i.Processes()))))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der := certs.Sign(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, key.Public())
	return harness.Block("CERTIFICATE", certs.CA.Raw), tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestClientCertificatesAreAskedForAndTheirAuthoritiesRotate(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 2})
	file := filepath.Join(i.Dir, "clients.pem")
	put := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	authority, own := client(t, i)
	put(authority)
	c := i.Config
	c.Tables = fmt.Sprintf("[tls]\nclient_ca = %q", file)
	i.Configure(c)
	i.Launch()
	i.WaitServing()
	welcome := func(when string, want bool, own ...tls.Certificate) {
		t.Helper()
		if _, err := asks(t, i, harness.Name, own...); (err == nil) != want {
			t.Errorf("%s: %d certificates of a client: %v, want welcome %t", when, len(own), err, want)
		}
	}
	welcome("at first", true, own)
	welcome("at first", false)
	put([]byte("damaged"))
	if got := i.Do("rotate"); got.Exit != 65 || !strings.Contains(got.Stderr, "client_ca") {
		t.Errorf("rotate to damaged authorities: %v, want 65 and client_ca", got)
	}
	welcome("after the refusal", true, own)
	put(i.First.Cert) // the leaf is no authority
	if got := i.Do("reload"); got.Exit != 65 {
		t.Errorf("reload with a leaf among the authorities: %v, want 65", got)
	}
	_, stranger := client(t, harness.Prepare(t, harness.Config{}))
	welcome("another's client", false, stranger)
	next := harness.NewCerts(t, filepath.Join(i.Dir, "next"))
	put(harness.Block("CERTIFICATE", next.CA.Raw))
	rotate(t, i)
	welcome("after the rotation", false, own)
}
