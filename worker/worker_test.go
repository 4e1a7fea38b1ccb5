package worker

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// post sends one request over c and returns the whole answer.
func post(c net.Conn, r *bufio.Reader, body []byte) (*http.Response, []byte, error) {
	head := fmt.Sprintf("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", len(body))
	if _, err := c.Write(append([]byte(head), body...)); err != nil {
		return nil, nil, err
	}
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return nil, nil, err
	}
	got, err := io.ReadAll(response.Body)
	if err == nil && !bytes.Equal(got, body) {
		err = fmt.Errorf("echo: got %d bytes, want the %d sent", len(got), len(body))
	}
	return response, got, err
}

func mustPost(t *testing.T, c net.Conn, size int) *http.Response {
	t.Helper()
	response, _, err := post(c, bufio.NewReader(c), bytes.Repeat([]byte("x"), size))
	check(t, err)
	return response
}

// prove opens a private connection and has it answer.
func (m *master) prove(withTLS bool) tls.ConnectionState {
	m.t.Helper()
	c, err := wire.Dial(m.probe, wire.Probe{TLS: withTLS})
	check(m.t, err)
	defer func() { _ = c.Close() }()
	check(m.t, c.SetDeadline(time.Now().Add(patience)))
	if !withTLS {
		mustPost(m.t, c, 10)
		return tls.ConnectionState{}
	}
	secured := tls.Client(c, clientConfig("http/1.1"))
	check(m.t, secured.Handshake())
	mustPost(m.t, secured, 10)
	return secured.ConnectionState()
}

func TestServeWithoutASupervisorSaysHowToStartIt(t *testing.T) {
	t.Parallel()
	err := Serve(http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), "handover run -- ./program") {
		t.Errorf("Serve: got %v, want how to start it", err)
	}
	if _, err := Listeners(); err == nil {
		t.Error("Listeners: got no error")
	}
	if Supervised() {
		t.Error("Supervised: got true")
	}
}

func TestWorkerAcceptsClientsOnlyAfterGo(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "foreign"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			socket := listen(t, "tcp", "127.0.0.1:0", false)
			m := start(t, plan{program: program, sockets: []testSocket{socket}})
			if got := m.hear(); got.Kind != wire.KindReady {
				t.Fatalf("first message: got %q %q, want ready", got.Kind, got.Text)
			}
			answered := make(chan error, 1)
			client := dial(t, socket)
			go func() {
				_, _, err := post(client, bufio.NewReader(client), []byte("early"))
				answered <- err
			}()
			state := m.prove(true)
			if got := state.PeerCertificates[0].DNSNames[0]; got != "localhost" {
				t.Errorf("probe: got certificate of %q, want localhost", got)
			}
			m.prove(false)
			select {
			case err := <-answered:
				t.Fatalf("client before go: got an answer (%v), want none", err)
			default:
			}
			if got := m.slot().Connections.Load(); got != 0 {
				t.Errorf("connections before go: got %d, want 0 (probes do not count)", got)
			}
			m.say(wire.Message{Kind: wire.KindGo})
			check(t, <-answered)
			if got := m.slot().Connections.Load(); got != 1 {
				t.Errorf("connections: got %d, want 1", got)
			}
			m.prove(true)
		})
	}
}

func TestWorkerCountsRequestsConnectionsAndHeartbeats(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	c := dial(t, socket, "http/1.1")
	for range 3 {
		mustPost(t, c, 16<<10)
	}
	m.prove(true)
	await(t, "count of 3 requests", func() bool { return m.slot().Requests.Load() == 3 })
	check(t, c.Close())
	await(t, "end of the connection", func() bool { return m.slot().Connections.Load() == 0 })
	first := m.slot().Heartbeat.Load()
	await(t, "second heartbeat", func() bool { return m.slot().Heartbeat.Load() > first })
	var now unix.Timespec
	check(t, unix.ClockGettime(unix.CLOCK_MONOTONIC, &now))
	if age := time.Duration(now.Nano() - m.slot().Heartbeat.Load()); age < 0 || age > patience {
		t.Errorf("age of the heartbeat: got %v", age)
	}
}

func TestWorkerServesUnixAndPlainListeners(t *testing.T) {
	t.Parallel()
	sockets := []testSocket{
		listen(t, "unix", socketPath(t), false), listen(t, "unix", socketPath(t), true),
		listen(t, "tcp", "127.0.0.1:0", false), listenTLS(t),
	}
	m := start(t, plan{sockets: sockets}).admit()
	for _, s := range sockets {
		c := dial(t, s, "http/1.1")
		mustPost(t, c, 16<<10)
		check(t, c.Close())
	}
	m.drain()
	m.awaitExit(0)
	m.awaitEnd(m.gone)
	if _, err := net.Dial("unix", sockets[0].addr.String()); err != nil {
		t.Errorf("unix socket after the drain: got %v, want it to be there still", err)
	}
}

func TestWorkerEndsWithItsMasterBeforeGo(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "idle"} {
		m := start(t, plan{program: program, sockets: []testSocket{listenTLS(t)}})
		check(t, m.ctl.Close())
		m.awaitExit(1)
	}
}

func TestWorkerBeforeGoHasNothingToDrain(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "idle"} {
		m := start(t, plan{program: program, sockets: []testSocket{listenTLS(t)}})
		m.drain()
		m.awaitExit(0)
	}
}

func TestWorkerOutlivesItsMasterAfterGo(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	mustPost(t, dial(t, socket), 1)
	check(t, m.ctl.Close())
	check(t, m.probe.Close())
	mustPost(t, dial(t, socket), 1)
	m.drain()
	m.awaitExit(0)
}

func TestQuitEndsTheWorkerAtOnce(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	mustPost(t, dial(t, socket), 1)
	m.say(wire.Message{Kind: wire.KindQuit})
	m.awaitExit(0)
}

func TestWorkerIgnoresHangupAndInterruptAndDrainsOnTerm(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	mustPost(t, dial(t, socket), 1)
	check(t, syscall.Kill(m.pid, syscall.SIGHUP))
	check(t, syscall.Kill(m.pid, syscall.SIGINT))
	mustPost(t, dial(t, socket), 1)
	check(t, syscall.Kill(m.pid, syscall.SIGTERM))
	m.awaitEnd(m.accepting)
	m.awaitExit(0)
}

func TestWorkerSaysWhyItCannotServe(t *testing.T) {
	t.Parallel()
	m := start(t, plan{sockets: []testSocket{listenTLS(t)}, noBundle: true})
	if got := m.hear(); got.Kind != wire.KindFailed || !strings.Contains(got.Text, "tls without a certificate") {
		t.Errorf("message: got %q %q, want failed for want of a certificate", got.Kind, got.Text)
	}
	m.awaitExit(1)

	m = start(t, plan{program: "idle"})
	check(t, m.ctl.Send([]byte(`{"v":99,"kind":"settings"}`)))
	if got := m.hear(); got.Kind != wire.KindFailed || !strings.Contains(got.Text, "version 99") {
		t.Errorf("message: got %q %q, want failed for version 99", got.Kind, got.Text)
	}
	m.awaitExit(1)
}

func TestAWorkerServesOnce(t *testing.T) {
	t.Parallel()
	start(t, plan{program: "twice", sockets: []testSocket{listenTLS(t)}}).admit().awaitExit(1)
}

func TestStandardErrorChangesAtGo(t *testing.T) {
	t.Parallel()
	r, w, err := wire.Pipe("stderr")
	check(t, err)
	defer func() { _ = r.Close() }()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	start(t, plan{sockets: []testSocket{socket}, stderr: w}).admit()
	c := dial(t, socket)
	_, err = io.WriteString(c, "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	check(t, r.SetReadDeadline(time.Now().Add(patience)))
	if got, err := bufio.NewReader(r).ReadString('\n'); got != "logged\n" {
		t.Errorf("new standard error: got %q (%v), want what the handler logged", got, err)
	}
}

func TestListeningSocketStaysNonBlocking(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	for _, killed := range []bool{true, false} {
		m := start(t, plan{sockets: []testSocket{socket}}).admit()
		mustPost(t, dial(t, socket), 1)
		if killed {
			check(t, syscall.Kill(m.pid, syscall.SIGKILL))
			<-m.exited
		}
		flags, err := unix.FcntlInt(uintptr(wire.Descriptor(socket.file)), unix.F_GETFL, 0)
		check(t, err)
		if flags&unix.O_NONBLOCK == 0 {
			t.Errorf("shared socket (worker killed: %v): got blocking, want non-blocking", killed)
		}
	}
}

// TestReopenMovesStandardOutputTooWhereBothWereOnePipe is what a master says that
// leaves its workers to one of the release before, which reads no such pipe.
func TestReopenMovesStandardOutputTooWhereBothWereOnePipe(t *testing.T) {
	t.Parallel()
	r, w, err := wire.Pipe("words")
	check(t, err)
	defer func() { _ = r.Close() }()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{sockets: []testSocket{socket}, output: w}).admit()
	check(t, w.Close())
	path := filepath.Join(t.TempDir(), "log")
	f := openAppend(t, path)
	m.say(wire.Message{Kind: wire.KindReopen}, f)
	check(t, f.Close())
	m.awaitEnd(r) // no writer is left
	c := dial(t, socket)
	_, err = io.WriteString(c, "GET /print HTTP/1.1\r\nHost: localhost\r\n\r\nGET /log HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	await(t, "both in the file", func() bool { return contents(t, path) == "printed\nlogged\n" })
}

func TestAProgramWithAServerOfItsOwnIsToldThatItHasNoAccessLog(t *testing.T) {
	t.Parallel()
	r, w, err := wire.Pipe("words")
	check(t, err)
	defer func() { _ = r.Close() }()
	path := filepath.Join(t.TempDir(), "access")
	socket := listenTLS(t)
	m := start(t, plan{program: "foreign", sockets: []testSocket{socket}, access: openAppend(t, path), output: w}).admit()
	check(t, w.Close())
	check(t, r.SetReadDeadline(time.Now().Add(patience)))
	if got, err := bufio.NewReader(r).ReadString('\n'); !strings.Contains(got, "no access log is written") {
		t.Errorf("got %q, %v; want that there is none", got, err)
	}
	mustPost(t, dial(t, socket), 1)
	m.drain()
	m.awaitExit(0)
	if got := contents(t, path); got != "" {
		t.Errorf("access log: got %q, want nothing", got)
	}
}
