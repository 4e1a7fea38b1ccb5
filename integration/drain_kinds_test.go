package integration

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"github.com/coder/websocket"
)

// holding starts the program that holds connections in every way.
func holding(t *testing.T, c harness.Config) *harness.Instance {
	t.Helper()
	c.Command = []string{harness.Program(t, "kinds")}
	return harness.Start(t, c)
}

// held is a connection that its handler keeps: what it says comes line by line.
type held struct {
	kind  string
	lines chan string             // closed when the connection has ended
	say   func(line string) error // nil: it speaks by itself
	hang  func()                  // hangs up
}

// listen passes lines on until the connection or the test ends.
func (h *held) listen(t *testing.T, next func() (string, error)) {
	h.lines = make(chan string)
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer close(h.lines)
		for {
			line, err := next()
			if err != nil {
				return
			}
			select {
			case h.lines <- line:
			case <-over:
				return
			}
		}
	}()
	hang := h.hang
	h.hang = sync.OnceFunc(func() {
		close(over)
		hang()
		<-ended
	})
	t.Cleanup(h.hang)
}

// hears waits for a line that holds a word.
func (h *held) hears(t *testing.T, word string) {
	t.Helper()
	limit := time.After(within)
	for {
		select {
		case line, open := <-h.lines:
			if !open {
				t.Errorf("%s: the connection has ended, want %q", h.kind, word)
				return
			}
			if strings.Contains(line, word) {
				return
			}
		case <-limit:
			t.Errorf("%s: no %q within %v", h.kind, word, within)
			return
		}
	}
}

// lives requires an exchange.
func (h *held) lives(t *testing.T, word string) {
	t.Helper()
	if h.say == nil {
		h.hears(t, "") // what comes next was sent since
		h.hears(t, "")
		return
	}
	if err := h.say(word); err != nil {
		t.Errorf("%s: say %q: %v", h.kind, word, err)
		return
	}
	h.hears(t, word)
}

// ends waits for the end of the connection and returns when it came.
func (h *held) ends(t *testing.T) time.Time {
	t.Helper()
	limit := time.After(within)
	for {
		select {
		case _, open := <-h.lines:
			if !open {
				return time.Now()
			}
		case <-limit:
			t.Errorf("%s: not ended within %v", h.kind, within)
			return time.Now()
		}
	}
}

// openWebsocket opens one, as any client of the library does.
func openWebsocket(t *testing.T, i *harness.Instance, path string) (*held, *websocket.Conn) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: i.Certs.Trust("http/1.1")}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	c, answer, err := websocket.Dial(ctx, "wss://"+i.Addr+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatalf("websocket: %v (%v)", err, answer)
	}
	h := &held{kind: "websocket", hang: func() { _ = c.CloseNow() }}
	h.say = func(line string) error { return c.Write(context.Background(), websocket.MessageText, []byte(line)) }
	return h, c
}

func holdWebsocket(t *testing.T, i *harness.Instance) *held {
	h, c := openWebsocket(t, i, "/websocket")
	h.listen(t, func() (string, error) {
		_, words, err := c.Read(context.Background())
		return string(words), err
	})
	return h
}

// holdHijacked takes a connection over by hand.
func holdHijacked(t *testing.T, i *harness.Instance) *held {
	t.Helper()
	c, err := tls.Dial("tcp", i.Addr, i.Certs.Trust("http/1.1"))
	if err != nil {
		t.Fatal(err)
	}
	h := &held{kind: "hijacked", hang: func() { _ = c.Close() }}
	h.say = func(line string) error {
		_, err := io.WriteString(c, line+"\n")
		return err
	}
	if err := h.say("GET /hijack HTTP/1.1\r\nHost: " + harness.Name + "\r\n\r"); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	h.listen(t, func() (string, error) { return r.ReadString('\n') })
	h.hears(t, "101 Switching")
	return h
}

// holdEvents reads server-sent events over HTTP/1.1 or HTTP/2.
func holdEvents(t *testing.T, i *harness.Instance, protocol string) *held {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: i.Certs.Trust(protocol), ForceAttemptHTTP2: protocol == "h2"}
	ctx, cancel := context.WithCancel(context.Background())
	request, err := http.NewRequestWithContext(ctx, "GET", "https://"+i.Addr+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.ProtoMajor == 2; got != (protocol == "h2") {
		t.Errorf("events by %s, want %s", answer.Proto, protocol)
	}
	h := &held{kind: "events over " + protocol}
	h.hang = func() {
		cancel()
		_ = answer.Body.Close()
		transport.CloseIdleConnections()
	}
	r := bufio.NewReader(answer.Body)
	h.listen(t, func() (string, error) { return r.ReadString('\n') })
	h.hears(t, "data: ")
	return h
}

// holdEveryKind holds a connection of each kind.
func holdEveryKind(t *testing.T, i *harness.Instance) []*held {
	t.Helper()
	return []*held{holdWebsocket(t, i), holdHijacked(t, i), holdEvents(t, i, "http/1.1"), holdEvents(t, i, "h2")}
}

func TestEveryKindOfConnectionIsToldOfAReloadAndLivesOn(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	load := i.Load(t, harness.Load{New: 1, Kept: 1, H2: 1, Think: 10 * time.Millisecond, Rest: 10 * time.Millisecond})
	every := holdEveryKind(t, i)
	renew(t, i)
	for _, h := range every {
		h.hears(t, "draining")
		h.lives(t, "after the first reload")
	}
	renew(t, i) // another one is accepted meanwhile
	for _, h := range every {
		h.lives(t, "after the second reload")
		h.hang()
	}
	i.Until(t, "settled", within, harness.Settled)
	load.Stop().NothingLost(t)
}

func TestEveryKindOfConnectionIsToldOfAStopAndLivesOn(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	every := holdEveryKind(t, i)
	i.Signal(syscall.SIGTERM)
	for _, h := range every {
		h.hears(t, "draining")
		h.lives(t, "after the stop")
	}
	if c, err := i.Dial(); err == nil {
		c.Close()
		t.Error("a new client is accepted during the drain of a stop, want it refused")
	}
	for _, h := range every {
		h.hang()
	}
	if got := i.WaitExit(within); got != 0 {
		t.Errorf("exit %d, want 0", got)
	}
}

func TestEveryKindOfConnectionIsCutAtTheGracefulTimeoutAndNotBefore(t *testing.T) {
	t.Parallel()
	const graceful = 2 * time.Second
	for name, drain := range map[string]func(*harness.Instance){
		"reload": func(i *harness.Instance) { i.Signal(syscall.SIGHUP) },
		"stop":   func(i *harness.Instance) { i.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := holding(t, harness.Config{Workers: 1, GracefulTimeout: graceful.String()})
			every := holdEveryKind(t, i)
			asked := time.Now()
			drain(i)
			for _, h := range every {
				if lived := h.ends(t).Sub(asked); lived < graceful {
					t.Errorf("%s: ended %v after the drain was asked for, want at least %v", h.kind, lived, graceful)
				}
			}
			if name == "reload" {
				i.Until(t, "settled", within, harness.Settled)
			} else if got := i.WaitExit(within); got != 0 {
				t.Errorf("exit %d, want 0", got)
			}
		})
	}
}

func TestAWebsocketThatIsToldMayCloseAndTheWorkerGoesAtOnce(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	old := i.Until(t, "worker", within, harness.Settled).Workers[0].Pid
	h, c := openWebsocket(t, i, "/websocket?leave")
	defer h.hang()
	renew(t, i)
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_, _, err := c.Read(ctx)
	if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
		t.Errorf("websocket: %v, want a close frame with status %d", err, websocket.StatusGoingAway)
	}
	harness.Until(t, "old worker gone", within, func() error { return harness.Unless(!harness.Alive(old), "%d lives", old) })
	i.Until(t, "settled", within, harness.Settled)
}

func TestLongPollsAreAnsweredAcrossAReload(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	i.Until(t, "settled", within, harness.Settled)
	type question struct {
		path, want string
		conn       *harness.Conn
	}
	questions := []question{{path: "/poll?d=10m", want: "draining"}, {path: "/poll?d=3s&deaf", want: "nothing"}}
	for n := range questions {
		c, err := i.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Send("GET", questions[n].path, nil); err != nil {
			t.Fatal(err)
		}
		questions[n].conn = c
	}
	h2, err := i.DialH2()
	if err != nil {
		t.Fatal(err)
	}
	defer h2.Close()
	answers := make(chan error, 1)
	go func() { // ends with the answer
		a, err := h2.Do("GET", "/poll?d=10m", nil, nil)
		if err == nil && string(a.Body) != "draining" {
			err = fmt.Errorf("%q, want draining", a.Body)
		}
		answers <- err
	}()
	i.Until(t, "connections", within, func(s harness.Status) error {
		return harness.Unless(s.Workers[0].Connections == 3, "%d of 3", s.Workers[0].Connections)
	})
	renew(t, i)
	for _, q := range questions {
		if a, err := q.conn.Receive("GET"); err != nil || string(a.Body) != q.want || !a.Close {
			t.Errorf("%s: %q, close %v, %v; want %q and close", q.path, a.Body, a.Close, err, q.want)
		}
	}
	if err := <-answers; err != nil {
		t.Errorf("poll over h2: %v", err)
	}
	i.Until(t, "settled", within, harness.Settled)
}

func TestSilentConnectionsDoNotHoldADrain(t *testing.T) {
	t.Parallel()
	for name, drain := range map[string]func(*harness.Instance){
		"reload": func(i *harness.Instance) { renew(t, i) },
		"stop":   func(i *harness.Instance) { i.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
			old := i.Until(t, "worker", within, harness.Settled).Workers[0].Pid
			silent := func(trust *tls.Config, words string) {
				c, err := harness.Dial("tcp", i.Addr, trust)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(c.Close)
				if err := c.Write([]byte(words)); err != nil {
					t.Fatal(err)
				}
			}
			silent(nil, "")                                             // not a byte
			silent(nil, "\x16\x03\x01")                                 // half a handshake
			silent(i.Certs.Trust("http/1.1"), "")                       // a handshake, as browsers do in advance
			silent(i.Certs.Trust("http/1.1"), "GET / HTTP/1.1\r\nHo")   // half a header
			silent(i.Certs.Trust("h2"), "PRI * HTTP/2.0\r\n\r\nSM\r\n") // half a preface
			idle, err := i.DialH2()
			if err != nil {
				t.Fatal(err)
			}
			defer idle.Close()
			if a, err := idle.Do("GET", "/generation", nil, nil); err != nil || string(a.Body) != "1" {
				t.Fatalf("generation: %q, %v; want 1", a.Body, err)
			}
			i.Until(t, "connections", within, func(s harness.Status) error {
				return harness.Unless(s.Workers[0].Connections == 6, "%d of 6", s.Workers[0].Connections)
			})
			drain(i)
			harness.Until(t, "old worker gone", within, func() error { return harness.Unless(!harness.Alive(old), "%d lives", old) })
			<-idle.Ended()
			if len(idle.GoAways) != 2 || idle.GoAways[0] != 1<<31-1 || idle.GoAways[1] != 1 {
				t.Errorf("idle HTTP/2 client: GOAWAY %v, want 2147483647 and 1", idle.GoAways)
			}
		})
	}
}

func TestAKeptConnectionIsAnsweredOnceMoreDuringTheGrace(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, KeepaliveGrace: "5m", GracefulTimeout: "5m"})
	old := i.Until(t, "worker", within, harness.Settled).Workers[0].Pid
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if a, err := c.Do("GET", "/generation", nil); err != nil || string(a.Body) != "1" || a.Close {
		t.Fatalf("before the reload: %q, close %v, %v; want 1 and kept", a.Body, a.Close, err)
	}
	renew(t, i)
	if a, err := c.Do("GET", "/generation", nil); err != nil || string(a.Body) != "1" || !a.Close {
		t.Errorf("after the reload: %q, close %v, %v; want 1 and close", a.Body, a.Close, err)
	}
	if a, err := i.Get("/generation"); err != nil || string(a.Body) != "2" {
		t.Errorf("a new connection: %q, %v; want 2", a.Body, err)
	}
	// Nobody is left, so the worker does not sit the grace out.
	harness.Until(t, "old worker gone", within, func() error { return harness.Unless(!harness.Alive(old), "%d lives", old) })
}

func TestTheOldestGenerationIsCutWhateverItHolds(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m", Keys: "max_draining = 1"})
	oldest := holdEveryKind(t, i)
	renew(t, i)
	for _, h := range oldest {
		h.hears(t, "draining")
		h.lives(t, "one generation drains")
	}
	newer := holdEveryKind(t, i)
	renew(t, i)
	for _, h := range oldest {
		h.ends(t)
	}
	for _, h := range newer {
		h.hears(t, "draining")
		h.lives(t, "the oldest is cut")
		h.hang()
	}
	i.Until(t, "settled", within, harness.Settled)
}

func TestAStreamedHTTP2RequestCrossesTwoReloads(t *testing.T) {
	t.Parallel()
	i := holding(t, harness.Config{Workers: 1, GracefulTimeout: "5m"})
	c, err := i.DialH2()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	body, pieces := harness.Body(), 0
	a, err := c.Do("POST", "/", body, func() {
		if pieces++; pieces <= 2 {
			renew(t, i)
		}
	})
	if err != nil || string(a.Body) != string(body) {
		t.Errorf("streamed request: %d bytes came back for %d, %v; want the same", len(a.Body), len(body), err)
	}
	if pieces < 2 {
		t.Errorf("%d pieces, want the request to cross two reloads", pieces)
	}
	if _, err := c.Do("GET", "/generation", nil, nil); !errors.Is(err, harness.ErrLeaving) {
		t.Errorf("one more request: %v, want it told to go elsewhere", err)
	}
	i.Until(t, "settled", within, harness.Settled)
}
