package worker

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"example.com/handover/worker/wire"
)

// busy is a keep-alive client without retries. It says goodbye only when told
// to or when an answer says "Connection: close".
func busy(socket testSocket, stop <-chan struct{}, done func(generation string)) error {
	body := bytes.Repeat([]byte("b"), 16<<10)
	for {
		c, err := tls.Dial("tcp", socket.addr.String(), clientConfig("http/1.1"))
		if err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		r := bufio.NewReader(c)
		for again := true; again; {
			select {
			case <-stop:
				return c.Close()
			default:
			}
			response, _, err := post(c, r, body)
			if err != nil {
				return errors.Join(err, c.Close())
			}
			done(response.Header.Get("Generation"))
			again = !response.Close
		}
		_ = c.Close()
	}
}

// visit is a client that dials for every request. It ends on stop.
func visit(socket testSocket, stop <-chan struct{}) error {
	for {
		select {
		case <-stop:
			return nil
		default:
		}
		c, err := net.Dial("tcp", socket.addr.String())
		if err != nil {
			return fmt.Errorf("dial: %w", err)
		}
		_, _, err = post(c, bufio.NewReader(c), []byte("visit"))
		if err := errors.Join(err, c.Close()); err != nil {
			return err
		}
	}
}

func TestDrainLosesNoRequestOfBusyClients(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	pairs := []wire.Pair{newPair(t, "localhost")}
	old := start(t, plan{sockets: []testSocket{socket}, pairs: pairs}).admit()

	var first, second atomic.Int64
	stop, lost := make(chan struct{}), make(chan error, 32)
	var clients sync.WaitGroup
	for range 32 {
		clients.Go(func() {
			err := busy(socket, stop, func(generation string) {
				if generation == "2" {
					second.Add(1)
				} else {
					first.Add(1)
				}
			})
			if err != nil {
				lost <- err
			}
		})
	}
	await(t, "load", func() bool { return first.Load() > 300 })
	start(t, plan{sockets: []testSocket{socket}, pairs: pairs, settings: wire.Settings{Generation: 2}}).admit()
	old.drain()
	old.awaitExit(0)
	had := second.Load()
	await(t, "load on the second generation", func() bool { return second.Load() > had+300 })
	close(stop)
	clients.Wait()
	close(lost)
	for err := range lost {
		t.Errorf("lost request: %v", err)
	}
	t.Logf("%d requests answered by the first generation, %d by the second", first.Load(), second.Load())
}

func TestRequestInFlightIsAnsweredAndToldToClose(t *testing.T) {
	t.Parallel()
	for _, s := range []testSocket{listenTLS(t), listen(t, "tcp", "127.0.0.1:0", false)} {
		m := start(t, plan{sockets: []testSocket{s}}).admit()
		c := dial(t, s, "http/1.1")
		r := bufio.NewReader(c)
		if response, _, err := post(c, r, nil); err != nil || response.Close {
			t.Fatalf("before the drain: got close (%v), want keep-alive", err)
		}
		_, err := io.WriteString(c, "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab")
		check(t, err)
		m.drain()
		await(t, "end of the grace", elapsed(400*time.Millisecond))
		_, err = io.WriteString(c, "cd")
		check(t, err)
		response, err := http.ReadResponse(r, nil)
		check(t, err)
		got, err := io.ReadAll(response.Body)
		if string(got) != "abcd" || !response.Close {
			t.Errorf("answer after the grace: got %q, close %v (%v), want \"abcd\" and close", got, response.Close, err)
		}
		m.awaitExit(0)
	}
}

func elapsed(d time.Duration) func() bool {
	began := time.Now()
	return func() bool { return time.Since(began) > d }
}

func TestIdleConnectionIsAnsweredDuringTheGrace(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{KeepaliveGrace: patience}}).admit()
	c := dial(t, socket, "http/1.1")
	if mustPost(t, c, 1).Close {
		t.Error("before the drain: got close, want keep-alive")
	}
	m.drain()
	if !mustPost(t, c, 16<<10).Close {
		t.Error("during the grace: got keep-alive, want close")
	}
	m.awaitExit(0) // and not at the end of the grace: nobody is left
}

func TestHandlersLearnOfTheDrain(t *testing.T) {
	t.Parallel()
	socket := listen(t, "tcp", "127.0.0.1:0", false)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	c := dial(t, socket)
	_, err := io.WriteString(c, "GET /draining HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	await(t, "connection", func() bool { return m.slot().Connections.Load() == 1 })
	m.drain()
	got, err := io.ReadAll(c)
	check(t, err)
	if !bytes.HasSuffix(got, []byte("\r\n\r\ndraining")) || !bytes.Contains(got, []byte("Connection: close")) {
		t.Errorf("answer: got %q, want draining and Connection: close", got)
	}
	m.awaitExit(0)
}

// hijacked opens a connection that its handler takes over.
func hijacked(t *testing.T, s testSocket) (net.Conn, *bufio.Reader) {
	t.Helper()
	c := dial(t, s, "http/1.1")
	_, err := io.WriteString(c, "GET /hijack HTTP/1.1\r\nHost: localhost\r\n\r\n")
	check(t, err)
	r := bufio.NewReader(c)
	expect(t, r, "hello\n")
	return c, r
}

func expect(t *testing.T, r *bufio.Reader, want string) {
	t.Helper()
	if got, err := r.ReadString('\n'); got != want {
		t.Fatalf("line: got %q (%v), want %q", got, err, want)
	}
}

func TestHijackedConnectionIsToldAndWaitedFor(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{KeepaliveGrace: 50 * time.Millisecond}}).admit()
	c, r := hijacked(t, socket)
	m.drain()
	expect(t, r, "draining\n")
	await(t, "end of grace and Shutdown", elapsed(300*time.Millisecond))
	_, err := io.WriteString(c, "still here?\n")
	check(t, err)
	expect(t, r, "still here?\n")
	if got := m.slot().Connections.Load(); got != 1 {
		t.Errorf("connections: got %d, want 1", got)
	}
	check(t, c.Close())
	m.awaitExit(0)
	if got := m.slot().Connections.Load(); got != 0 {
		t.Errorf("connections at the end: got %d, want 0", got)
	}
}

func TestWhatIsLeftAtTheGracefulTimeoutIsCut(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{GracefulTimeout: 400 * time.Millisecond}}).admit()
	_, r := hijacked(t, socket)
	m.drain()
	expect(t, r, "draining\n")
	m.awaitExit(0)
	if _, err := r.ReadByte(); err == nil {
		t.Error("connection after the timeout: got a byte, want its end")
	}
}

func TestSilentConnectionDoesNotHoldTheDrain(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	mute := socket
	mute.tls = false
	dial(t, mute)   // not a byte
	dial(t, socket) // a handshake, as browsers do in advance
	await(t, "two connections", func() bool { return m.slot().Connections.Load() == 2 })
	began := time.Now()
	m.drain()
	m.awaitExit(0)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("drain with silent connections: took %v, want about 1.2 s", took)
	}
}

func TestForeignServerDrainsAndEnds(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{program: "foreign", sockets: []testSocket{socket}}).admit()
	c := dial(t, socket, "http/1.1")
	mustPost(t, c, 16<<10)
	m.drain()
	m.awaitExit(0)
}

func TestForeignProgramThatStaysIsEnded(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{program: "deaf", sockets: []testSocket{socket}, settings: wire.Settings{GracefulTimeout: 300 * time.Millisecond}}).admit()
	m.drain()
	m.awaitExit(0)
}
