package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// pebble is the authority that renewal tools are run against, at a version that
// was seen to work. It is no dependency of this module: only its tests run it.
const pebble = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.1"

// pebbleBuilt compiles it once per test process, on first use.
var pebbleBuilt = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch(), "pebble")
	cmd := exec.Command("go", "install", pebble)
	cmd.Dir = scratch() // outside of any module
	cmd.Env = append(os.Environ(), "GOBIN="+dir)
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("install %q: %v\n%s", pebble, err, text)
	}
	return filepath.Join(dir, "pebble"), nil
})

// ACME is a certificate authority that speaks ACME and believes everyone.
type ACME struct {
	Directory string // the URL that a client is given as its server
	TrustFile string // PEM: what a client must trust to speak to it
	Root      *x509.Certificate
}

// StartACME starts an authority on the loopback network.
func StartACME(t testing.TB) *ACME {
	t.Helper()
	program, err := pebbleBuilt()
	if err != nil {
		t.Fatal(err)
	}
	dir, address, management := Folder(t), FreeAddress(t), FreeAddress(t)
	own := NewCerts(t, filepath.Join(dir, "certs"))
	own.Install(own.forAddresses(address, management))
	a := &ACME{Directory: "https://" + address + "/dir", TrustFile: filepath.Join(dir, "ca.pem")}
	if err := os.WriteFile(a.TrustFile, Block("CERTIFICATE", own.CA.Raw), 0o644); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": address, "managementListenAddress": management,
		"certificate": own.CertFile(), "privateKey": own.KeyFile(),
		"httpPort": 5002, "tlsPort": 5001, // never dialled: it is told to believe
		"retryAfter": map[string]int{"authz": 1, "order": 1}, // seconds, else 3 and 5
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o644); err != nil {
		t.Fatal(err)
	}
	// Without the one in twenty nonces that it refuses to see whether clients
	// try again: their patience is not what is tested.
	env := []string{"PEBBLE_VA_ALWAYS_VALID=1", "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0"}
	b := StartBackground(t, dir, env, program, "-config", file)
	b.Until(t, "the authority's root", 20*time.Second, func() (err error) {
		a.Root, err = root("https://"+management+"/roots/0", own)
		return err
	})
	return a
}

// root fetches a certificate.
func root(url string, own *Certs) (*x509.Certificate, error) {
	trust := own.Trust()
	trust.ServerName = "" // as the URL says
	client := &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{TLSClientConfig: trust, DisableKeepAlives: true},
	}
	answer, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(body)
	if block == nil {
		return nil, fmt.Errorf("%s: %s: no certificate in %.80q", url, answer.Status, body)
	}
	return x509.ParseCertificate(block.Bytes)
}

// forAddresses makes a pair for the hosts of addresses.
func (c *Certs) forAddresses(addresses ...string) Pair {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(c.serial.Add(1)),
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, address := range addresses {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			c.t.Fatal(err)
		}
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(host))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, c.CA, key.Public(), c.key)
	if err != nil {
		c.t.Fatal(err)
	}
	return Pair{Cert: Block("CERTIFICATE", der), Key: c.marshal(key)}
}

// Chain is what a new client of the instance is shown, leaf first.
func (i *Instance) Chain() ([]*x509.Certificate, error) {
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", i.Addr, i.Certs.Trust("http/1.1"))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates, nil
}
