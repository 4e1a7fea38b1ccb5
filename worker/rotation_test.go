package worker

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// site serves one rotation on loopback, in this process: handshakes, and a byte
// behind each.
type site struct {
	*rotation
	t        testing.TB
	listener net.Listener
	loop     sync.WaitGroup
}

func newSite(t testing.TB, settings wire.Settings, b wire.Bundle) *site {
	t.Helper()
	return newSiteAt(t, "127.0.0.1:0", settings, b)
}

func newSiteAt(t testing.TB, address string, settings wire.Settings, b wire.Bundle) *site {
	t.Helper()
	mapped, err := wire.OpenBundle(sealBundle(t, b))
	check(t, err)
	s := &site{t: t}
	s.rotation, err = newRotation(settings, mapped)
	check(t, err)
	s.listener, err = net.Listen("tcp", address)
	check(t, err)
	s.loop.Go(s.serveAll)
	t.Cleanup(func() {
		check(t, s.listener.Close())
		s.loop.Wait()
		s.drop()
		s.current.Load().certificates.release()
		if s.current.Load().certificates.hold() {
			t.Error("bundle at the end: got it mapped still, want every hold released")
		}
	})
	return s
}

func (s *site) serveAll() {
	roster := newRoster(new(wire.Slot), nil, limitsOf(wire.Limits{}))
	for {
		raw, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.loop.Go(func() {
			c := tls.Server(roster.add(raw, true), s.front)
			defer func() { _ = c.Close() }()
			_ = c.SetDeadline(time.Now().Add(patience))
			_, _ = io.WriteString(c, "x")
		})
	}
}

// visit connects and reads the byte, and with it the session tickets.
func (s *site) visit(config *tls.Config) (tls.ConnectionState, error) {
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		return tls.ConnectionState{}, err
	}
	secured := tls.Client(c, config)
	defer func() { _ = secured.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, err = io.ReadFull(secured, make([]byte, 1))
	return secured.ConnectionState(), err
}

// name visits and returns how the certificate is called, or what was said instead.
func (s *site) name(config *tls.Config) string {
	state, err := s.visit(config)
	if err != nil {
		return err.Error()
	}
	return state.PeerCertificates[0].Subject.CommonName
}

// rotate prepares and swaps.
func (s *site) rotate(number int, b wire.Bundle, tickets ...[]byte) {
	s.t.Helper()
	f, err := wire.SealBundle(b)
	check(s.t, err)
	for _, o := range []order{
		{Message: wire.Message{Kind: wire.KindPrepare, Rotation: number}, bundle: f},
		{Message: wire.Message{Kind: wire.KindSwap, Rotation: number, Tickets: tickets}},
	} {
		if answer, ok := s.obey(o); !ok || answer.Kind == wire.KindFailed || answer.Rotation != number {
			s.t.Fatalf("%q: got %+v", o.Kind, answer)
		}
	}
}

func client(host string) *tls.Config {
	return &tls.Config{ServerName: host, InsecureSkipVerify: true, NextProtos: []string{"h2"}}
}

const refused = "remote error: tls: unrecognized name"

func TestSNIPolicyDecidesWhatAnUnknownClientGets(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, newPair(t, "first.example"), newPair(t, "*.wild.example", "Other.example"))
	known := map[string]string{
		"first.example": "first.example", "FIRST.example": "first.example", "other.EXAMPLE": "*.wild.example",
		"a.wild.example": "*.wild.example",
	}
	for sni, unknown := range map[string]map[string]string{
		"":        {"": "first.example", "unknown": "first.example", "a.b.wild.example": "first.example", "wild.example": "first.example"},
		"lenient": {"": "first.example", "unknown": "first.example", "a.b.wild.example": "first.example", "wild.example": "first.example"},
		"san":     {"": "first.example", "unknown": refused, "a.b.wild.example": refused, "wild.example": refused},
		"strict":  {"": refused, "unknown": refused, "a.b.wild.example": refused, "wild.example": refused},
	} {
		s := newSite(t, wire.Settings{SNI: sni}, b)
		for _, hosts := range []map[string]string{known, unknown} {
			for host, want := range hosts {
				for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
					config := client(host)
					config.MinVersion, config.MaxVersion = version, version
					if got := s.name(config); got != want {
						t.Errorf("policy %q, host %q, version %#x: got %q, want %q", sni, host, version, got, want)
					}
				}
			}
		}
	}
	mapped, err := wire.OpenBundle(sealBundle(t, b))
	check(t, err)
	if _, err := newRotation(wire.Settings{SNI: "polite"}, mapped); err == nil {
		t.Error("unknown policy: got no error")
	}
}

func TestAClientOfAnAddressGetsThePairForIt(t *testing.T) {
	t.Parallel()
	b := bundleOf(t, newPair(t, "first.example"), newPair(t, "127.0.0.1"), newPair(t, "::1"))
	for address, want := range map[string]string{"127.0.0.1:0": "127.0.0.1", "[::1]:0": "::1", "127.0.0.2:0": "first.example"} {
		if l, err := net.Listen("tcp", address); err != nil {
			t.Logf("listen on %q: %v", address, err)
			continue
		} else {
			check(t, l.Close())
		}
		for sni, unserved := range map[string]string{"lenient": "first.example", "san": "first.example", "strict": refused} {
			s := newSiteAt(t, address, wire.Settings{SNI: sni}, b)
			want := want
			if want == "first.example" {
				want = unserved
			}
			if got := s.name(client("")); got != want {
				t.Errorf("client of %q, policy %q: got %q, want %q", address, sni, got, want)
			}
		}
	}
}

func TestOfSeveralPairsForANameTheFirstThatTheClientSupportsIsServed(t *testing.T) {
	t.Parallel()
	ecdsaPair, rsaPair := newPair(t, "ecdsa", "both.example"), newRSAPair(t, "rsa", "both.example")
	suites := map[string]uint16{"ecdsa": tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "rsa": tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	for first, b := range map[string]wire.Bundle{"ecdsa": bundleOf(t, ecdsaPair, rsaPair), "rsa": bundleOf(t, rsaPair, ecdsaPair)} {
		s := newSite(t, wire.Settings{}, b)
		if got := s.name(client("both.example")); got != first {
			t.Errorf("client of both: got %q, want the first, %q", got, first)
		}
		for want, suite := range suites {
			config := client("both.example")
			config.MaxVersion, config.CipherSuites = tls.VersionTLS12, []uint16{suite}
			if got := s.name(config); got != want {
				t.Errorf("client of %q alone: got %q", want, got)
			}
		}
	}
}

func TestBundleThatCannotBeServedIsRefused(t *testing.T) {
	t.Parallel()
	noKey, noChain, badLeaf := newPair(t, "a"), newPair(t, "a"), newPair(t, "a")
	noKey.Key, noChain.Chain, badLeaf.Chain = nil, nil, [][]byte{[]byte("x")}
	badAuthority := bundleOf(t, newPair(t, "a"))
	badAuthority.ClientCAs = [][]byte{[]byte("x")}
	for want, b := range map[string]wire.Bundle{
		"parse key of": {Pairs: []wire.Pair{noKey}}, "an empty chain": {Pairs: []wire.Pair{noChain}},
		`parse certificate "a"`: {Pairs: []wire.Pair{badLeaf}}, "no certificate": {}, "client authority 1": badAuthority,
	} {
		mapped, err := wire.OpenBundle(sealBundle(t, b))
		check(t, err)
		if _, err := newRotation(wire.Settings{}, mapped); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("serve: got %v, want an error with %q", err, want)
		}
		if err := mapped.Close(); err != nil {
			t.Errorf("close again: %v", err)
		}
	}
}

// mappings counts the bundles that this process has mapped.
func mappings(t *testing.T, pid any) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%v/maps", pid))
	check(t, err)
	return strings.Count(string(b), "/memfd:handover-bundle")
}

// Not parallel: it counts what the whole process has mapped.
func TestAThousandSwapsUnderHandshakesLeaveNothingMapped(t *testing.T) {
	before := mappings(t, "self")
	bundles := make([]wire.Bundle, 5)
	for i := range bundles {
		bundles[i] = bundleOf(t, newPair(t, "first.example"), newPair(t, "localhost"), newPair(t, "localhost"))
	}
	s := newSite(t, wire.Settings{Tickets: ring(1)}, bundles[0])
	stop := make(chan struct{})
	var visitors sync.WaitGroup
	var visits [3]int
	for i, host := range []string{"localhost", "first.example", "unknown"} {
		visitors.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := s.visit(client(host)); err != nil {
					t.Errorf("visit of %q: %v", host, err)
					return
				}
				visits[i]++
			}
		})
	}
	most := 0
	for i := range 1000 {
		s.rotate(i+1, bundles[i%len(bundles)])
		most = max(most, mappings(t, "self")-before)
	}
	close(stop)
	visitors.Wait()
	if most > 4 {
		t.Errorf("bundles mapped during the swaps: got %d, want the served one and at most one for each of 3 visitors", most)
	}
	if now := mappings(t, "self") - before; now != 1 {
		t.Errorf("bundles mapped after the swaps: got %d, want 1", now)
	}
	for i, n := range visits {
		if n == 0 {
			t.Errorf("visitor %d: got no handshake during the swaps", i)
		}
	}
}

// manyPairs makes a bundle of n pairs, which have their bytes in common.
func manyPairs(t testing.TB, n int) wire.Bundle {
	t.Helper()
	b := bundleOf(t, newPair(t, "localhost"))
	for i := range n - 1 {
		b.Pairs = append(b.Pairs, b.Pairs[0])
		b.Hosts = append(b.Hosts, wire.Host{Name: fmt.Sprintf("many%06d.example", i), Pairs: []int{i + 1}})
	}
	return b
}

func BenchmarkRotate(b *testing.B) {
	many := manyPairs(b, 5000)
	s := newSite(b, wire.Settings{}, many)
	f := sealBundle(b, many)
	b.ReportAllocs()
	for number := 1; b.Loop(); number++ {
		if err := s.prepare(number, f); err != nil {
			b.Fatal(err)
		}
		if err := s.swap(number, nil); err != nil {
			b.Fatal(err)
		}
	}
}
