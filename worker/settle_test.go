package worker

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// long asks for an answer that ends a while after the drain began, and returns
// when its header has arrived.
func long(t *testing.T, c io.Writer, r *bufio.Reader, rest string) *http.Response {
	t.Helper()
	_, err := io.WriteString(c, "GET /long?rest="+rest+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	response, err := http.ReadResponse(r, nil)
	check(t, err)
	if response.Close {
		t.Fatal("header before the drain: got close, want keep-alive")
	}
	return response
}

func TestClientThatWasNotToldToCloseMayComeAgain(t *testing.T) {
	t.Parallel()
	for _, s := range []testSocket{listenTLS(t), listen(t, "tcp", "127.0.0.1:0", false)} {
		m := start(t, plan{sockets: []testSocket{s}}).admit()
		c := dial(t, s, "http/1.1")
		r := bufio.NewReader(c)
		response := long(t, c, r, "700ms")
		m.drain()
		got, err := io.ReadAll(response.Body)
		if string(got) != "begun\nended\n" {
			t.Fatalf("long answer: got %q (%v), want begun and ended", got, err)
		}
		again, _, err := post(c, r, []byte("again"))
		check(t, err)
		if !again.Close {
			t.Error("answer after the long one: got keep-alive, want close")
		}
		m.awaitExit(0)
	}
}

func TestClientThatWasNotToldToCloseAndStaysAwayIsLeftAfterTheGrace(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	c := dial(t, socket, "http/1.1")
	r := bufio.NewReader(c)
	response := long(t, c, r, "500ms")
	m.drain()
	_, err := io.ReadAll(response.Body)
	check(t, err)
	began := time.Now()
	m.awaitExit(0)
	if took := time.Since(began); took < 200*time.Millisecond || took > 4*time.Second {
		t.Errorf("end after the last answer: got %v, want a little over the grace of 200 ms", took)
	}
}

func TestHTTP2ClientIsNotHeldByALongHTTP1Answer(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	c := dial(t, socket, "http/1.1")
	r := bufio.NewReader(c)
	response := long(t, c, r, "4s")
	h := newH2Client(t, dial(t, socket, "h2"))
	h.settle()
	h.post(1, "x", true)
	h.expectAnswer(1, "x")
	m.drain()
	began := time.Now()
	h.expectGoAway(lastPossibleStream)
	h.expectGoAway(1)
	if took := time.Since(began); took > 2500*time.Millisecond {
		t.Errorf("second GOAWAY: got it after %v, want about 200 ms", took)
	}
	_, err := io.ReadAll(response.Body)
	check(t, err)
	check(t, c.Close())
	m.awaitExit(0)
}

func TestRequestThatArrivesAcrossTheEndOfTheGraceIsAnswered(t *testing.T) {
	t.Parallel()
	for _, s := range []testSocket{listenTLS(t), listen(t, "tcp", "127.0.0.1:0", false)} {
		m := start(t, plan{sockets: []testSocket{s}, settings: wire.Settings{KeepaliveGrace: 300 * time.Millisecond}}).admit()
		c := dial(t, s, "http/1.1")
		r := bufio.NewReader(c)
		_, _, err := post(c, r, nil)
		check(t, err)
		m.drain()
		_, err = io.WriteString(c, "POST /echo HTTP/1.1\r\nHo")
		check(t, err)
		await(t, "end of the grace", elapsed(700*time.Millisecond))
		_, err = io.WriteString(c, "st: localhost\r\nContent-Length: 4\r\n\r\nabcd")
		check(t, err)
		response, err := http.ReadResponse(r, nil)
		check(t, err)
		if got, err := io.ReadAll(response.Body); string(got) != "abcd" || !response.Close {
			t.Errorf("answer: got %q, close %v (%v), want abcd and close", got, response.Close, err)
		}
		m.awaitExit(0)
	}
}

func TestHalfARequestDoesNotHoldTheDrain(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	c := dial(t, socket, "http/1.1")
	mustPost(t, c, 1)
	m.drain()
	_, err := io.WriteString(c, "POST /echo HTTP/1.1\r\nHo")
	check(t, err)
	began := time.Now()
	m.awaitExit(0)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("drain with half a request: took %v, want about 1.2 s", took)
	}
}

func TestHandlerWithoutAConnectionIsWaitedFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	check(t, syscall.Mkfifo(filepath.Join(dir, "hold"), 0o600))
	hold, err := os.OpenFile(filepath.Join(dir, "hold"), os.O_RDWR, 0)
	check(t, err)
	defer func() { _ = hold.Close() }()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	c := dial(t, socket, "http/1.1")
	_, err = io.WriteString(c, "GET /save?dir="+dir+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	r := bufio.NewReader(c)
	expect(t, r, "hello\n")
	m.drain()
	if got, err := io.ReadAll(r); err != nil || len(got) > 0 {
		t.Fatalf("connection: got %q (%v), want its end", got, err)
	}
	await(t, "end of the grace", elapsed(500*time.Millisecond))
	_, err = io.WriteString(hold, "x")
	check(t, err)
	m.awaitExit(0)
	if got, err := os.ReadFile(filepath.Join(dir, "state")); string(got) != "saved" {
		t.Errorf("state: got %q (%v), want saved", got, err)
	}
}

func TestHandlerThatNeverEndsIsLeftAtTheGracefulTimeout(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	check(t, syscall.Mkfifo(filepath.Join(dir, "hold"), 0o600))
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{GracefulTimeout: time.Second}}).admit()
	c := dial(t, socket, "http/1.1")
	_, err := io.WriteString(c, "GET /save?dir="+dir+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	expect(t, bufio.NewReader(c), "hello\n")
	m.drain()
	m.awaitExit(0)
}

func TestAHangingAtExitIsEndedAfterTheGracefulTimeout(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{program: "stubborn", sockets: []testSocket{socket}, settings: wire.Settings{GracefulTimeout: 100 * time.Millisecond}}).admit()
	mustPost(t, dial(t, socket, "http/1.1"), 1)
	m.drain()
	m.awaitExit(1)
}

func TestAWorkerBeginsWithFreshCounters(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, before: func(s *wire.Slot) {
		s.Requests.Store(7)
		s.Connections.Store(3)
		s.Heartbeat.Store(1)
	}}).admit()
	mustPost(t, dial(t, socket, "http/1.1"), 1)
	await(t, "count of 1 request", func() bool { return m.slot().Requests.Load() == 1 })
	if got := m.slot().Connections.Load(); got != 1 {
		t.Errorf("connections: got %d, want 1", got)
	}
	if got := m.slot().Heartbeat.Load(); got <= 1 {
		t.Errorf("heartbeat: got %d, want this worker's", got)
	}
}

func TestALimitedServerLeavesTheRestToTheNextGeneration(t *testing.T) {
	t.Parallel()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{program: "limited", sockets: []testSocket{socket}}).admit()
	first := dial(t, socket)
	mustPost(t, first, 1)
	waiting := dial(t, socket)
	_, err := io.WriteString(waiting, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
	check(t, err)
	await(t, "time to accept too much", elapsed(100*time.Millisecond))
	m.drain()
	m.awaitExit(0)
	start(t, plan{program: "limited", sockets: []testSocket{socket}, settings: wire.Settings{Generation: 2}}).admit()
	response, err := http.ReadResponse(bufio.NewReader(waiting), nil)
	check(t, err)
	if got, err := io.ReadAll(response.Body); string(got) != "hi" || response.Header.Get("Generation") != "2" {
		t.Errorf("answer: got %q of generation %s (%v), want hi of 2", got, response.Header.Get("Generation"), err)
	}
}

func TestAProbeOfALimitedServerThatIsFullIsEnded(t *testing.T) {
	t.Parallel()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{program: "limited", sockets: []testSocket{socket}}).admit()
	mustPost(t, dial(t, socket), 1)
	probe, err := wire.Dial(m.probe, wire.Probe{})
	check(t, err)
	defer probe.Close()
	check(t, probe.SetReadDeadline(time.Now().Add(patience)))
	if _, err := probe.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("probe: got %v, want its end: the master is to know that somebody lives here", err)
	}
}

func TestAForeignServerLosesNoNewConnection(t *testing.T) {
	t.Parallel()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	stop, ended := make(chan struct{}), make(chan error, 8)
	old := start(t, plan{program: "foreign", sockets: []testSocket{socket}}).admit()
	for range cap(ended) {
		go func() { ended <- visit(socket, stop) }()
	}
	for generation := 2; generation < 6; generation++ {
		await(t, "load", elapsed(100*time.Millisecond))
		next := start(t, plan{program: "foreign", sockets: []testSocket{socket}, settings: wire.Settings{Generation: generation}}).admit()
		old.drain()
		old.awaitExit(0)
		old = next
	}
	close(stop)
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Errorf("lost request: %v", err)
		}
	}
}

func TestDrainingIsSaidAfterAcceptingHasEnded(t *testing.T) {
	t.Parallel()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{program: "foreign", sockets: []testSocket{socket}}).admit()
	c := dial(t, socket)
	_, err := io.WriteString(c, "GET /draining HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	await(t, "connection", func() bool { return m.slot().Connections.Load() == 1 })
	m.drain()
	got, err := io.ReadAll(c)
	if !strings.HasSuffix(string(got), "\r\n\r\ndraining") {
		t.Errorf("answer: got %q (%v), want draining", got, err)
	}
	m.awaitExit(0)
}

func TestAHandshakeThatTakesThisSideLongIsNotSilence(t *testing.T) {
	t.Parallel()
	const grace = time.Second
	c := &conn{roster: newRoster(new(wire.Slot), nil, limitsOf(wire.Limits{}))}
	c.await()
	begun := time.Duration(c.since.Load())
	late := begun + grace + 2*silence
	if !c.over(late, begun, grace) {
		t.Error("a silent client: is waited for, want it given up")
	}
	c.owing.Store(true) // it has said hello, and the signature takes its time
	if c.over(late, begun, grace) {
		t.Error("a client that waits for its half of the handshake: is given up, want it waited for")
	}
	if !c.over(begun+grace+settleTimeout+silence, begun, grace) {
		t.Error("a handshake without an end: is waited for, want an end to it")
	}
}
