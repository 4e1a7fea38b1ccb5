package worker

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// hears waits for the worker's answer to a rotation.
func (m *master) hears(kind wire.Kind, rotation int) {
	m.t.Helper()
	if got := m.hear(); got.Kind != kind || got.Rotation != rotation || (got.Text != "") != (kind == wire.KindFailed) {
		m.t.Fatalf("message: got %q of rotation %d %q, want %q of rotation %d", got.Kind, got.Rotation, got.Text, kind, rotation)
	}
}

func (m *master) prepare(rotation int, b wire.Bundle) {
	m.t.Helper()
	f, err := wire.SealBundle(b)
	check(m.t, err)
	m.say(wire.Message{Kind: wire.KindPrepare, Rotation: rotation}, f)
	check(m.t, f.Close())
}

func (m *master) rotate(rotation int, b wire.Bundle) {
	m.t.Helper()
	m.prepare(rotation, b)
	m.hears(wire.KindPrepared, rotation)
	m.say(wire.Message{Kind: wire.KindSwap, Rotation: rotation})
	m.hears(wire.KindSwapped, rotation)
}

// probed returns the certificate that a probe is served with, nil if none.
func (m *master) probed(p wire.Probe) *x509.Certificate {
	m.t.Helper()
	c, err := wire.Dial(m.probe, p)
	check(m.t, err)
	defer func() { _ = c.Close() }()
	check(m.t, c.SetDeadline(time.Now().Add(patience)))
	secured := tls.Client(c, clientConfig("http/1.1"))
	if err := secured.Handshake(); err != nil {
		return nil
	}
	mustPost(m.t, secured, 10)
	return secured.ConnectionState().PeerCertificates[0]
}

func (m *master) expectProbed(p wire.Probe, want *wire.Pair) {
	m.t.Helper()
	got := m.probed(p)
	switch {
	case (got == nil) != (want == nil):
		m.t.Errorf("probe %+v: got served %v, want %v", p, got != nil, want != nil)
	case got != nil && !bytes.Equal(got.Raw, want.Chain[0]):
		m.t.Errorf("probe %+v: got %q, want %q", p, got.Subject, want.Name)
	}
}

// serial asks, over an open connection, under which certificate it is answered.
func serial(t *testing.T, c net.Conn) string {
	t.Helper()
	_, err := io.WriteString(c, "GET /certificate HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	got, err := io.ReadAll(response.Body)
	check(t, err)
	return string(got)
}

func serialOf(c net.Conn) *big.Int {
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber
}

func expectServed(t *testing.T, s testSocket, want wire.Pair) net.Conn {
	t.Helper()
	c := dial(t, s, "http/1.1")
	if got := c.(*tls.Conn).ConnectionState().PeerCertificates[0]; !bytes.Equal(got.Raw, want.Chain[0]) {
		t.Errorf("new client: got %q of another serial, want %q", got.Subject, want.Name)
	}
	return c
}

func TestARotationIsPreparedProvenAndSwapped(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "foreign"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			socket := listenTLS(t)
			first, second, third := newPair(t, "localhost"), newPair(t, "localhost"), newPair(t, "localhost")
			m := start(t, plan{program: program, sockets: []testSocket{socket}, pairs: []wire.Pair{first}})
			if got := m.hear(); got.Kind != wire.KindReady {
				t.Fatalf("first message: got %q %q, want ready", got.Kind, got.Text)
			}
			m.expectProbed(wire.Probe{TLS: true, Next: true}, nil)

			// Before go.
			m.prepare(1, bundleOf(t, second, third))
			m.hears(wire.KindPrepared, 1)
			m.expectProbed(wire.Probe{TLS: true}, &first)
			m.expectProbed(wire.Probe{TLS: true, Pair: 2}, nil)
			m.expectProbed(wire.Probe{TLS: true, Next: true}, &second)
			m.expectProbed(wire.Probe{TLS: true, Next: true, Pair: 2}, &third)
			m.say(wire.Message{Kind: wire.KindSwap, Rotation: 1})
			m.hears(wire.KindSwapped, 1)
			m.expectProbed(wire.Probe{TLS: true, Pair: 2}, &third)
			m.expectProbed(wire.Probe{TLS: true, Next: true}, nil)
			m.say(wire.Message{Kind: wire.KindGo})
			old := expectServed(t, socket, second)

			// After it.
			m.prepare(2, bundleOf(t, third))
			m.hears(wire.KindPrepared, 2)
			expectServed(t, socket, second)
			m.say(wire.Message{Kind: wire.KindSwap, Rotation: 2})
			m.hears(wire.KindSwapped, 2)
			expectServed(t, socket, third)
			m.expectProbed(wire.Probe{TLS: true}, &third)
			mustPost(t, old, 10)
		})
	}
}

func TestARequestIsAnsweredUnderTheCertificateOfItsConnection(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	var open []net.Conn
	for i := range 3 {
		open = append(open, dial(t, socket, "http/1.1"))
		m.rotate(i+1, bundleOf(t, newPair(t, "localhost")))
	}
	for i, c := range open {
		if got, want := serial(t, c), serialOf(c); got != want.String() {
			t.Errorf("connection %d: answered under %s, want %s", i, got, want)
		}
	}
}

func TestARotationThatCannotBeServedChangesNothing(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	first, second := newPair(t, "localhost"), newPair(t, "localhost")
	m := start(t, plan{sockets: []testSocket{socket}, pairs: []wire.Pair{first}}).admit()

	broken := newPair(t, strings.Repeat("long", 60<<10))
	broken.Key = nil
	m.prepare(1, wire.Bundle{Pairs: []wire.Pair{broken}})
	m.hears(wire.KindFailed, 1)
	m.prepare(2, wire.Bundle{})
	m.hears(wire.KindFailed, 2)
	m.say(wire.Message{Kind: wire.KindPrepare, Rotation: 3})
	m.hears(wire.KindFailed, 3)
	r, w, err := wire.Pipe("no bundle")
	check(t, err)
	m.say(wire.Message{Kind: wire.KindPrepare, Rotation: 4}, r)
	m.hears(wire.KindFailed, 4)
	check(t, r.Close())
	check(t, w.Close())
	m.say(wire.Message{Kind: wire.KindSwap, Rotation: 4})
	m.hears(wire.KindFailed, 4)
	expectServed(t, socket, first)

	// A later one replaces an earlier one, and one that was forgotten is gone.
	m.prepare(5, bundleOf(t, newPair(t, "localhost")))
	m.hears(wire.KindPrepared, 5)
	m.prepare(6, bundleOf(t, second))
	m.hears(wire.KindPrepared, 6)
	m.say(wire.Message{Kind: wire.KindSwap, Rotation: 5})
	m.hears(wire.KindFailed, 5)
	m.say(wire.Message{Kind: wire.KindForget, Rotation: 5}) // not what is prepared
	m.expectProbed(wire.Probe{TLS: true, Next: true}, &second)
	m.say(wire.Message{Kind: wire.KindForget, Rotation: 6})
	m.say(wire.Message{Kind: wire.KindSwap, Rotation: 6})
	m.hears(wire.KindFailed, 6)
	m.expectProbed(wire.Probe{TLS: true, Next: true}, nil)
	expectServed(t, socket, first)
	m.rotate(7, bundleOf(t, second))
	expectServed(t, socket, second)
}

func TestARotationWaitsForTheStartOfTheProgram(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	second := newPair(t, "localhost")
	m := start(t, plan{program: "late", sockets: []testSocket{socket}})
	m.prepare(1, bundleOf(t, second))
	m.say(wire.Message{Kind: wire.KindSwap, Rotation: 1})
	if got := m.hear(); got.Kind != wire.KindReady {
		t.Fatalf("first message: got %q %q, want ready", got.Kind, got.Text)
	}
	m.hears(wire.KindPrepared, 1)
	m.hears(wire.KindSwapped, 1)
	m.say(wire.Message{Kind: wire.KindGo})
	expectServed(t, socket, second)
}

func TestAWorkerThatIsOrderedARotationStillHearsQuit(t *testing.T) {
	t.Parallel()
	m := start(t, plan{program: "idle", sockets: []testSocket{listenTLS(t)}})
	for i := range 100 {
		m.say(wire.Message{Kind: wire.KindForget, Rotation: i + 1})
	}
	m.say(wire.Message{Kind: wire.KindQuit})
	m.awaitExit(0)
}

func TestAWorkerWithoutTLSAgreesToEveryRotation(t *testing.T) {
	t.Parallel()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{sockets: []testSocket{socket}, noBundle: true}).admit()
	m.rotate(1, bundleOf(t, newPair(t, "localhost")))
	m.say(wire.Message{Kind: wire.KindTickets, Tickets: ring(1)})
	m.say(wire.Message{Kind: wire.KindForget, Rotation: 1})
	m.rotate(2, wire.Bundle{})
	mustPost(t, dial(t, socket), 10)
	m.expectProbed(wire.Probe{TLS: true, Next: true}, nil)
}

func TestAWorkerThatDrainsAnswersARotation(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "foreign"} {
		socket := listenTLS(t)
		m := start(t, plan{program: program, sockets: []testSocket{socket}}).admit()
		c := dial(t, socket, "http/1.1")
		_, err := io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
		check(t, err)
		r := bufio.NewReader(c)
		expectLine(t, r, "HTTP/1.1 100 Continue\r") // its handler waits for the body
		m.drain()
		m.rotate(1, bundleOf(t, newPair(t, "localhost")))
		_, err = io.WriteString(c, "late")
		check(t, err)
		expectLine(t, r, "\r")
		response, err := http.ReadResponse(r, nil)
		check(t, err)
		if got, err := io.ReadAll(response.Body); string(got) != "late" {
			t.Errorf("answer: got %q (%v), want \"late\"", got, err)
		}
		m.awaitExit(0)
	}
}

func expectLine(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want+"\n" {
		t.Fatalf("line: got %q (%v), want %q", got, err, want)
	}
}

// descriptors counts the open descriptors of a process.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	check(t, err)
	return len(list)
}

func TestOpenConnectionsOutliveFiftyRotations(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	hijacked := dial(t, socket, "http/1.1")
	_, err := io.WriteString(hijacked, "GET /hijack HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	r := bufio.NewReader(hijacked)
	expectLine(t, r, "hello")
	h := newH2Client(t, dial(t, socket, "h2"))
	h.settle()
	kept := dial(t, socket, "http/1.1")
	mustPost(t, kept, 10)
	before := descriptors(t, m.pid)
	bundles := []wire.Bundle{bundleOf(t, newPair(t, "localhost")), bundleOf(t, newPair(t, "localhost"))}
	for i := range 50 {
		m.rotate(i+1, bundles[i%2])
		_, err := fmt.Fprintln(hijacked, i)
		check(t, err)
		expectLine(t, r, fmt.Sprint(i))
		h.post(uint32(2*i+1), "x", true)
		h.expectAnswer(uint32(2*i+1), "x")
		mustPost(t, kept, 10)
		check(t, expectServed(t, socket, bundles[i%2].Pairs[0]).Close())
	}
	if got := mappings(t, m.pid); got != 1 {
		t.Errorf("bundles mapped: got %d, want 1, although connections of the first are open", got)
	}
	await(t, "end of the other connections", func() bool { return m.slot().Connections.Load() == 3 })
	if got := descriptors(t, m.pid); got != before {
		t.Errorf("open descriptors after 50 rotations: got %d, want %d", got, before)
	}
}

func TestProbesAreNotAskedForACertificateAndAnswerToNoPolicyWhenTheyNameAPair(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	other := newPair(t, "other.example")
	m := start(t, plan{sockets: []testSocket{socket}, pairs: []wire.Pair{other}, settings: wire.Settings{SNI: "strict"}}).admit()
	m.expectProbed(wire.Probe{TLS: true, Pair: 1}, &other) // which names localhost
	m.expectProbed(wire.Probe{TLS: true}, nil)
	guarded := bundleOf(t, newPair(t, "localhost"))
	guarded.ClientCAs = [][]byte{other.Chain[0]}
	m.rotate(1, guarded)
	m.expectProbed(wire.Probe{TLS: true}, &guarded.Pairs[0])
	c, err := tls.Dial("tcp", socket.addr.String(), clientConfig("http/1.1"))
	if err == nil {
		_, _, err = post(c, bufio.NewReader(c), nil)
	}
	if err == nil {
		t.Error("client without a certificate: got served")
	}
}
