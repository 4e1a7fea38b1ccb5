package worker

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// closedBy waits until the other side has closed a connection.
func closedBy(t *testing.T, what string, c net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("%s: %v, want it closed", what, err)
	}
}

func dialRaw(t *testing.T, s testSocket) net.Conn {
	t.Helper()
	return dial(t, testSocket{addr: s.addr})
}

func TestASilentClientIsCutAtTheLimitOfItsHandshake(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "foreign"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			socket := listenTLS(t)
			m := start(t, plan{program: program, sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{Handshake: 300 * time.Millisecond}}}).admit()
			shaken := dial(t, socket)
			silent := dialRaw(t, socket)
			closedBy(t, "silent connection", silent)
			get(t, shaken, "/log") // which the limit does not concern
			m.drain()
		})
	}
}

func get(t *testing.T, c net.Conn, path string) {
	t.Helper()
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path)
	check(t, err)
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	_, err = io.Copy(io.Discard, a.Body)
	check(t, err)
	if a.StatusCode != http.StatusOK {
		t.Errorf("%s: status %d, want 200", path, a.StatusCode)
	}
}

// TestTheLimitOfAHeaderBeginsAfterTheHandshake has one client begin its handshake
// when another has been cut for its header already.
func TestTheLimitOfAHeaderBeginsAfterTheHandshake(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{Handshake: patience, Header: time.Second}}}).admit()
	late := dialRaw(t, socket)
	headless := dial(t, socket)
	_, err := io.WriteString(headless, "GET / HTTP/1.1\r\nHo")
	check(t, err)
	closedBy(t, "half a header", headless)
	c := tls.Client(late, clientConfig())
	if err := c.Handshake(); err != nil {
		t.Fatalf("handshake after the time for a header: %v", err)
	}
	get(t, c, "/log")
}

func TestAHeaderThatIsTooLargeIsRefused(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{HeaderSize: 1 << 10}}}).admit()
	c := dial(t, socket)
	_, err := fmt.Fprintf(c, "GET /log HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 8<<10))
	check(t, err)
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("header of 8 KiB: %v, %v; want status 431", a, err)
	}
}

// pausing starts a worker whose clients may pause in a body for so long.
func pausing(t *testing.T, pause time.Duration) testSocket {
	t.Helper()
	socket := listenTLS(t)
	start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{Body: pause}}}).admit()
	return socket
}

// TestABodyThatPausesTooLongEndsItsRequest also has the rest come after all: it
// must not be taken for the next request.
func TestABodyThatPausesTooLongEndsItsRequest(t *testing.T) {
	t.Parallel()
	socket := pausing(t, 300*time.Millisecond)
	for _, path := range []string{"/echo", "/unread"} {
		c := dial(t, socket)
		_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\nhalf", path)
		check(t, err)
		answers := bufio.NewReader(c)
		a, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatalf("%s: %v, want an answer when the pause is over", path, err)
		}
		body, _ := io.ReadAll(a.Body)
		if want := map[string]int{"/echo": 400, "/unread": 200}[path]; a.StatusCode != want {
			t.Errorf("%s: status %d %q, want %d", path, a.StatusCode, body, want)
		}
		_, _ = io.WriteString(c, "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if rest, _ := io.ReadAll(answers); len(rest) > 0 {
			t.Errorf("%s: %q after the answer, want the connection closed", path, rest)
		}
	}
}

func TestABodyThatGoesOnMayTakeLongerThanAPause(t *testing.T) {
	t.Parallel()
	socket := pausing(t, 2*time.Second)
	c := dial(t, socket)
	_, err := io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n")
	check(t, err)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for n := range 6 {
		<-tick.C
		_, err := fmt.Fprint(c, n)
		check(t, err)
	}
	a, err := http.ReadResponse(bufio.NewReader(c), nil)
	check(t, err)
	if body, err := io.ReadAll(a.Body); string(body) != "012345" {
		t.Errorf("six bytes in three seconds: %q, %v; want them back", body, err)
	}
}

// TestAHandlerMayTakeLongerThanABodyMayPause tries it with a body that was read,
// one that net/http reads when the answer begins, and none.
func TestAHandlerMayTakeLongerThanABodyMayPause(t *testing.T) {
	t.Parallel()
	socket := pausing(t, 200*time.Millisecond)
	for _, request := range []string{
		"POST /linger?read=1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody",
		"POST /linger HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody",
		"POST /linger?read=1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
		"GET /linger HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		c := dial(t, socket)
		_, err := io.WriteString(c, request)
		check(t, err)
		answers := bufio.NewReader(c)
		a, err := http.ReadResponse(answers, nil)
		check(t, err)
		if body, err := io.ReadAll(a.Body); string(body) != "begun\nended\n" {
			t.Errorf("%.30q: got %q, %v; want it to end in its own time", request, body, err)
		}
		get(t, c, "/log") // over the same connection
	}
}

func TestABodyOfAStreamThatPausesTooLongEndsItsRequestAlone(t *testing.T) {
	t.Parallel()
	socket := pausing(t, 300*time.Millisecond)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   clientConfig("h2"),
	}}
	t.Cleanup(client.CloseIdleConnections)
	r, w := io.Pipe()
	defer func() { _ = w.Close() }()
	site := "https://" + socket.addr.String()
	other, err := client.Get(site + "/linger")
	check(t, err)
	go func() { _, _ = io.WriteString(w, "half") }()
	a, err := client.Post(site+"/echo", "text/plain", r)
	check(t, err)
	if a.StatusCode != http.StatusBadRequest || a.ProtoMajor != 2 {
		t.Errorf("half a body: HTTP/%d, status %d; want 400 over HTTP/2 when the pause is over", a.ProtoMajor, a.StatusCode)
	}
	if body, err := io.ReadAll(other.Body); string(body) != "begun\nended\n" {
		t.Errorf("another stream: got %q, %v; want it answered to its end", body, err)
	}
}

func TestAWorkerWithAllItsConnectionsLeavesTheNextToOthers(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"serve", "foreign"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			socket := listen(t, "tcp", "127.0.0.1:0", false)
			m := start(t, plan{program: program, sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{Connections: 2}}}).admit()
			first, second := dial(t, socket), dial(t, socket)
			get(t, first, "/log")
			get(t, second, "/log")
			third := dial(t, socket)
			_, err := io.WriteString(third, "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n")
			check(t, err)
			// Each answered request is a chance for it to be accepted.
			for range 20 {
				get(t, first, "/log")
				m.prove(false)
			}
			if n := m.slot().Connections.Load(); n != 2 {
				t.Errorf("connections: %d, want 2", n)
			}
			check(t, second.Close())
			if a, err := http.ReadResponse(bufio.NewReader(third), nil); err != nil || a.StatusCode != http.StatusOK {
				t.Errorf("the third, when there is room: %v, %v; want it answered", a, err)
			}
			fourth := dial(t, socket)
			m.drain() // also while it waits for room
			check(t, fourth.Close())
		})
	}
}

func TestAWorkerWithoutDescriptorsServesOnWhenItHasSomeAgain(t *testing.T) {
	t.Parallel()
	log, theirs, err := wire.Pipe("log")
	check(t, err)
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{program: "exhausted", sockets: []testSocket{socket}, stderr: theirs}).admit()
	kept := dial(t, socket)
	get(t, kept, "/exhaust")
	waits := dial(t, socket)
	_, err = io.WriteString(waits, "GET /log HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	check(t, log.SetReadDeadline(time.Now().Add(patience)))
	lines := bufio.NewScanner(log)
	for lines.Scan() && !strings.Contains(lines.Text(), "no client can be accepted for now") {
	}
	check(t, lines.Err())
	if got := m.slot().Accepting.Load(); got != unable {
		t.Errorf("without descriptors: says %d, want %d, so that no other waits for it", got, unable)
	}
	get(t, kept, "/relieve")
	if a, err := http.ReadResponse(bufio.NewReader(waits), nil); err != nil || a.StatusCode != http.StatusOK {
		t.Errorf("the client that waited: %v, %v; want it answered", a, err)
	}
	if got := m.slot().Accepting.Load(); got != able {
		t.Errorf("with descriptors again: says %d, want %d", got, able)
	}
	m.prove(false)
}

// TestAHandshakeWaitsForItsTurnAndAProbeDoesNot takes every turn.
func TestAHandshakeWaitsForItsTurnAndAProbeDoesNot(t *testing.T) {
	t.Parallel()
	roster := newRoster(new(wire.Slot), nil, limitsOf(wire.Limits{}))
	mapped, err := wire.OpenBundle(sealBundle(t, bundleOf(t, newPair(t, "localhost"))))
	check(t, err)
	r, err := newRotation(wire.Settings{}, mapped)
	check(t, err)
	shake := func(client bool) chan error {
		ours, theirs := net.Pipe()
		server := roster.add(ours, client)
		done := make(chan error, 1)
		go func() { done <- tls.Server(server, r.front).Handshake() }()
		go func() { _ = tls.Client(theirs, clientConfig()).Handshake(); _, _ = io.Copy(io.Discard, theirs) }()
		t.Cleanup(func() {
			_ = server.Close()
			_ = theirs.Close()
		})
		return done
	}
	for range cap(roster.turns) {
		roster.turns <- struct{}{}
	}
	waits := shake(true)
	if err := <-shake(false); err != nil {
		t.Errorf("probe: %v, want it served out of turn", err)
	}
	select {
	case err := <-waits:
		t.Errorf("handshake of a client: over (%v) while all turns are taken", err)
	default:
	}
	for range cap(roster.turns) {
		<-roster.turns
	}
	if err := <-waits; err != nil {
		t.Errorf("handshake in its turn: %v", err)
	}
	if n := len(roster.turns); n != 0 {
		t.Errorf("%d turns are taken afterwards, want none", n)
	}
}

func TestConnectionsAreWhatDescriptorsAllow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ asked, files, want int }{
		{0, 1024, 736}, {500, 1024, 500}, {5000, 1024, 736}, {0, 64, 16}, {0, 16, 1}, {7, 1 << 20, 7},
	} {
		if got := affordable(c.asked, c.files); got != c.want {
			t.Errorf("%d asked for, %d descriptors: got %d, want %d", c.asked, c.files, got, c.want)
		}
	}
}

// exhausted is a program that can be told to use up its descriptors.
func exhausted() error {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 128, Max: 128}); err != nil {
		return err
	}
	var taken []*os.File
	mux := http.NewServeMux()
	mux.Handle("/", routes())
	mux.HandleFunc("GET /exhaust", func(http.ResponseWriter, *http.Request) {
		for {
			f, err := os.Open("/dev/null")
			if err != nil {
				return
			}
			taken = append(taken, f)
		}
	})
	mux.HandleFunc("GET /relieve", func(http.ResponseWriter, *http.Request) {
		for _, f := range taken {
			_ = f.Close()
		}
	})
	return Serve(mux)
}

// linger reads its body if it is told to, and takes a while over its answer.
func linger(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("read") != "" {
		_, _ = io.Copy(io.Discard, r.Body)
	}
	_, _ = fmt.Fprintln(w, "begun")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-time.After(time.Second):
		_, _ = fmt.Fprintln(w, "ended")
	case <-r.Context().Done():
		_, _ = fmt.Fprintln(w, "given up")
	}
}
