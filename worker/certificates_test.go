package worker

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// newPair makes a certificate for names, which may be addresses.
func newPair(t testing.TB, names ...string) wire.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	return pairOf(t, key, names...)
}

func newRSAPair(t testing.TB, names ...string) wire.Pair {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	return pairOf(t, key, names...)
}

func pairOf(t testing.TB, key crypto.Signer, names ...string) wire.Pair {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, // so that it can be a client authority too
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	return wire.Pair{Name: names[0], Chain: [][]byte{der}, Key: pkcs8}
}

// bundleOf has each pair serve the names of its certificate, an earlier one first.
func bundleOf(t testing.TB, pairs ...wire.Pair) wire.Bundle {
	t.Helper()
	hosts := map[string][]int{}
	for i, p := range pairs {
		leaf, err := x509.ParseCertificate(p.Chain[0])
		check(t, err)
		for _, name := range leaf.DNSNames {
			hosts[strings.ToLower(name)] = append(hosts[strings.ToLower(name)], i)
		}
		for _, ip := range leaf.IPAddresses {
			hosts[ip.String()] = append(hosts[ip.String()], i)
		}
	}
	b := wire.Bundle{Pairs: pairs}
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		b.Hosts = append(b.Hosts, wire.Host{Name: name, Pairs: hosts[name]})
	}
	return b
}

func sealBundle(t testing.TB, b wire.Bundle) *os.File {
	t.Helper()
	f, err := wire.SealBundle(b)
	check(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestAProbeIsServedWithThePairItAsksFor(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "foreign"} {
		pairs := []wire.Pair{newPair(t, "localhost"), newRSAPair(t, "localhost"), newPair(t, "other.example")}
		m := start(t, plan{program: program, sockets: []testSocket{listenTLS(t)}, pairs: pairs})
		m.hear()
		for number, want := range map[int]wire.Pair{0: pairs[0], 1: pairs[0], 2: pairs[1], 3: pairs[2]} {
			c, err := wire.Dial(m.probe, wire.Probe{TLS: true, Pair: number})
			check(t, err)
			check(t, c.SetDeadline(time.Now().Add(patience)))
			secured := tls.Client(c, clientConfig("h2", "http/1.1"))
			check(t, secured.Handshake())
			state := secured.ConnectionState()
			if !bytes.Equal(state.PeerCertificates[0].Raw, want.Chain[0]) || state.NegotiatedProtocol == "" {
				t.Errorf("probe of pair %d: got %q over %q, want %q over h2", number, state.PeerCertificates[0].Subject, state.NegotiatedProtocol, want.Name)
			}
			check(t, c.Close())
		}
		c, err := wire.Dial(m.probe, wire.Probe{TLS: true, Pair: 4})
		check(t, err)
		if err := tls.Client(c, clientConfig()).Handshake(); err == nil {
			t.Error("probe of a pair that is not there: got a handshake")
		}
		check(t, c.Close())
	}
}

func TestAHandlerLearnsWhichCertificateWasChosen(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	pairs := []wire.Pair{newPair(t, "localhost"), newRSAPair(t, "localhost")}
	start(t, plan{sockets: []testSocket{socket}, pairs: pairs}).admit()
	for i, suite := range []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256} {
		config := clientConfig("http/1.1")
		config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{suite}
		c, err := tls.Dial("tcp", socket.addr.String(), config)
		check(t, err)
		want := c.ConnectionState().PeerCertificates[0]
		if !bytes.Equal(want.Raw, pairs[i].Chain[0]) {
			t.Errorf("suite %d: got another pair than that of its key", i)
		}
		_, err = io.WriteString(c, "GET /certificate HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		check(t, err)
		response, err := http.ReadResponse(bufio.NewReader(c), nil)
		check(t, err)
		if got, err := io.ReadAll(response.Body); string(got) != want.SerialNumber.String() {
			t.Errorf("certificate: got %q (%v), want %v", got, err, want.SerialNumber)
		}
		check(t, c.Close())
	}
}
