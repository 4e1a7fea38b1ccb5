package master

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// served is a certificate as a worker serves it, and as it is described.
type served struct {
	pair      tls.Certificate
	described cert.Certificate
}

func issue(t *testing.T, names ...string) served {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour)}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return served{
		pair:      tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		described: cert.Certificate{Name: strings.Join(names, " "), Fingerprint: hex.EncodeToString(sum[:]), Names: names, ChainLength: 1},
	}
}

// serve answers probes as a worker with pairs does; a client gets the first.
func serve(t *testing.T, protocols []string, pairs ...served) *wire.Packets {
	t.Helper()
	a, b, err := wire.Socketpair(unix.SOCK_SEQPACKET, "probe")
	if err != nil {
		t.Fatal(err)
	}
	ours, err := wire.NewPackets(a)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := wire.NewPackets(b)
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			raw, probe, err := wire.Answer(theirs)
			if err != nil {
				return
			}
			config := &tls.Config{NextProtos: protocols, Certificates: []tls.Certificate{pairs[max(probe.Pair, 1)-1].pair}}
			running.Go(func() {
				defer func() { _ = raw.Close() }()
				_ = tls.Server(raw, config).Handshake()
				_, _ = raw.Read(make([]byte, 1<<10)) // the client's end
			})
		}
	})
	t.Cleanup(func() {
		_, _ = ours.Close(), theirs.Close()
		running.Wait()
	})
	return ours
}

// proofFor asks for every pair, and then for what a client of host gets.
func proofFor(host string, pairs ...served) proof {
	p := proof{tls: true, host: host, chains: map[chain]int{}}
	for i, s := range pairs {
		p.chains[chain{s.described.Fingerprint, s.described.ChainLength}]++
		p.pairs = append(p.pairs, provenPair{i + 1, s.described})
	}
	return p
}

func TestAWorkerProvesPairsThatNoNameLeadsTo(t *testing.T) {
	t.Parallel()
	for name, pairs := range map[string][]served{
		"two for one name": {issue(t, "shop.test"), issue(t, "shop.test")},
		"an address":       {issue(t, "shop.test"), issue(t, "192.0.2.1")},
		"no name":          {issue(t, "shop.test"), issue(t)},
		"shared name":      {issue(t, "shop.test", "www.test"), issue(t, "www.test", "other.test")},
	} {
		p := proofFor("shop.test", pairs...)
		if err := p.of(serve(t, []string{"h2", "http/1.1"}, pairs...)); err != nil {
			t.Errorf("%s: got %v, want a proof", name, err)
		}
	}
}

func TestPairsWithOneLeafAreProvenEach(t *testing.T) {
	t.Parallel()
	both := []string{"h2", "http/1.1"}
	first, other := issue(t, "shop.test"), issue(t, "shop.test")
	longer := first
	longer.pair.Certificate = append(longer.pair.Certificate[:1:1], other.pair.Certificate[0])
	longer.described.ChainLength = 2
	p := proofFor("shop.test", first, longer)
	if err := p.of(serve(t, both, first, longer)); err != nil {
		t.Errorf("two chains: got %v, want a proof", err)
	}
	if err := p.of(serve(t, both, first, first)); err == nil || !strings.Contains(err.Error(), "chain of 1 certificates, want 2") {
		t.Errorf("the shorter chain twice: got %v, want the longer one missed", err)
	}
	p = proofFor("shop.test", first, first)
	if err := p.of(serve(t, both, first, other)); err == nil || !strings.Contains(err.Error(), "worker serves sha256") {
		t.Errorf("one pair twice, and the second is another: got %v, want that seen", err)
	}
}

func TestAWorkerThatServesAnotherCertificateFailsItsProof(t *testing.T) {
	t.Parallel()
	first, second, other := issue(t, "shop.test"), issue(t, "www.test"), issue(t, "www.test")
	longer := second
	longer.pair.Certificate = append(longer.pair.Certificate, first.pair.Certificate[0])
	p := proofFor("shop.test", first, second)
	both := []string{"h2", "http/1.1"}
	for _, bad := range []struct {
		worker *wire.Packets
		want   string
	}{
		{serve(t, both, first, other), `certificate "www.test": worker serves sha256`},
		{serve(t, both, other, second), `serve a client of "shop.test": worker serves sha256`},
		{serve(t, both, first, longer), "chain of 2 certificates, want 1"},
		{serve(t, nil, first, second), "no protocol"},
	} {
		if err := p.of(bad.worker); err == nil || !strings.Contains(err.Error(), bad.want) || !strings.Contains(err.Error(), "(proof.handshake)") {
			t.Errorf("proof: got %v, want %q (proof.handshake)", err, bad.want)
		}
	}
	p.pairs = nil
	if err := p.of(serve(t, both, other)); err == nil || !strings.Contains(err.Error(), "none of the 2") {
		t.Errorf("a client's handshake: got %v, want none of the 2 checked", err)
	}
}
