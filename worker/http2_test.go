package worker

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const lastPossibleStream = 1<<31 - 1

// h2Client speaks HTTP/2 frame by frame.
type h2Client struct {
	t      *testing.T
	conn   net.Conn
	framer *http2.Framer
}

func newH2Client(t *testing.T, c net.Conn) *h2Client {
	t.Helper()
	h := &h2Client{t: t, conn: c, framer: http2.NewFramer(c, c)}
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err := io.WriteString(c, http2.ClientPreface)
	check(t, err)
	check(t, h.framer.WriteSettings())
	return h
}

// post begins a request; without end its body goes on.
func (h *h2Client) post(stream uint32, body string, end bool) {
	h.t.Helper()
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", "/echo"}} {
		check(h.t, encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}))
	}
	check(h.t, h.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndHeaders: true}))
	check(h.t, h.framer.WriteData(stream, end, []byte(body)))
}

// next returns the next frame that says something, or nil at the end.
func (h *h2Client) next() http2.Frame {
	h.t.Helper()
	for {
		f, err := h.framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return nil
		}
		check(h.t, err)
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				check(h.t, h.framer.WriteSettingsAck())
			}
		case *http2.WindowUpdateFrame, *http2.PingFrame:
		default:
			return f
		}
	}
}

// settle waits for the server's SETTINGS.
func (h *h2Client) settle() {
	h.t.Helper()
	f, err := h.framer.ReadFrame()
	check(h.t, err)
	if _, ok := f.(*http2.SettingsFrame); !ok {
		h.t.Fatalf("first frame: got %v, want SETTINGS", f)
	}
	check(h.t, h.framer.WriteSettingsAck())
}

func (h *h2Client) expectGoAway(last uint32) {
	h.t.Helper()
	f, ok := h.next().(*http2.GoAwayFrame)
	if !ok || f.LastStreamID != last || f.ErrCode != http2.ErrCodeNo {
		h.t.Fatalf("frame: got %v, want GOAWAY with stream %d", f, last)
	}
}

// expectAnswer reads the answer of one stream.
func (h *h2Client) expectAnswer(stream uint32, want string) {
	h.t.Helper()
	headers, ok := h.next().(*http2.MetaHeadersFrame)
	if !ok || headers.StreamID != stream || headers.PseudoValue("status") != "200" {
		h.t.Fatalf("frame: got %v, want HEADERS of stream %d", headers, stream)
	}
	for _, f := range headers.RegularFields() {
		if f.Name == "connection" {
			h.t.Errorf("HTTP/2 response: got a connection field")
		}
	}
	got := ""
	for end := headers.StreamEnded(); !end; {
		data, ok := h.next().(*http2.DataFrame)
		if !ok || data.StreamID != stream {
			h.t.Fatalf("frame: got %v, want DATA of stream %d", data, stream)
		}
		got, end = got+string(data.Data()), data.StreamEnded()
	}
	if got != want {
		h.t.Fatalf("answer: got %q, want %q", got, want)
	}
}

func TestHTTP2ClientIsToldTwiceAndLosesNothing(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{KeepaliveGrace: 2 * time.Second}}).admit()
	h := newH2Client(t, dial(t, socket, "h2"))
	h.settle()
	h.post(1, "in ", false)
	await(t, "connection", func() bool { return m.slot().Connections.Load() == 1 })
	m.drain()
	h.expectGoAway(lastPossibleStream)
	h.post(3, "on its way", true) // written before the GOAWAY was read, for all the worker knows
	h.expectAnswer(3, "on its way")
	h.expectGoAway(3)
	check(t, h.framer.WriteData(1, true, []byte("flight")))
	h.expectAnswer(1, "in flight")
	if f := h.next(); f != nil {
		t.Errorf("after the last answer: got %v, want the end", f)
	}
	m.awaitExit(0)
}

func TestHTTP2ConnectionThatRegistersLateIsToldAtOnce(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{KeepaliveGrace: 2 * time.Second}}).admit()
	mute := socket
	mute.tls = false
	c := dial(t, mute)
	await(t, "connection", func() bool { return m.slot().Connections.Load() == 1 })
	m.drain()
	secured := tls.Client(c, clientConfig("h2"))
	check(t, secured.Handshake())
	h := newH2Client(t, secured)
	h.post(1, "late", true)
	h.expectGoAway(lastPossibleStream)
	h.expectAnswer(1, "late")
	h.expectGoAway(1)
	m.awaitExit(0)
}

func TestIdleHTTP2ConnectionIsToldTwice(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}}).admit()
	h := newH2Client(t, dial(t, socket, "h2"))
	h.settle()
	h.post(1, "x", true)
	h.expectAnswer(1, "x")
	m.drain()
	h.expectGoAway(lastPossibleStream)
	h.expectGoAway(1)
	m.awaitExit(0)
}

func TestProbeMaySpeakHTTP2(t *testing.T) {
	t.Parallel()
	m := start(t, plan{sockets: []testSocket{listenTLS(t)}})
	m.hear()
	c, err := wire.Dial(m.probe, wire.Probe{TLS: true})
	check(t, err)
	defer func() { _ = c.Close() }()
	check(t, c.SetDeadline(time.Now().Add(patience)))
	secured := tls.Client(c, clientConfig("h2"))
	check(t, secured.Handshake())
	h := newH2Client(t, secured)
	h.settle()
	h.post(1, "x", true)
	h.expectAnswer(1, "x")
	if got := m.slot().Requests.Load(); got != 0 {
		t.Errorf("requests: got %d, want 0: probes do not count", got)
	}
}

// What a client writes before it has read the first GOAWAY is served only if the
// second leaves it time: a connection from the end of the grace has one of its own.
func TestHTTP2ConnectionThatRegistersLateHasAGraceOfItsOwn(t *testing.T) {
	t.Parallel()
	const grace = 4 * time.Second // the half that is left is for a handshake on a busy machine
	socket := listenTLS(t)
	m := start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{KeepaliveGrace: grace}}).admit()
	mute := socket
	mute.tls = false
	c := dial(t, mute)
	await(t, "connection", func() bool { return m.slot().Connections.Load() == 1 })
	m.drain()
	await(t, "half of the grace", elapsed(grace/2))
	secured := tls.Client(c, clientConfig("h2"))
	check(t, secured.Handshake())
	h := newH2Client(t, secured)
	h.post(1, "late", true)
	h.expectGoAway(lastPossibleStream)
	told := time.Now()
	h.expectAnswer(1, "late")
	h.expectGoAway(1)
	if took := time.Since(told); took < grace*9/10 {
		t.Errorf("second GOAWAY: got it %v after the first, want the grace of %v", took, grace)
	}
	m.awaitExit(0)
}

// An answer to a ping comes when the client has read all that was sent before it:
// that takes as long as the client likes.
func TestAnHTTP2ClientIsAskedForNoSignOfLife(t *testing.T) {
	t.Parallel()
	socket := listenTLS(t)
	start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{Header: 100 * time.Millisecond}}}).admit()
	c := dial(t, socket, "h2")
	h := newH2Client(t, c)
	h.settle()
	h.post(1, "in ", false)
	check(t, c.SetReadDeadline(time.Now().Add(time.Second)))
	for {
		f, err := h.framer.ReadFrame()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		check(t, err)
		if f, ok := f.(*http2.PingFrame); ok {
			t.Fatalf("got %v in silence, want nothing", f)
		}
	}
}

func TestAnHTTP2HeaderThatArrivesByteByByteIsCutAtItsLimit(t *testing.T) {
	t.Parallel()
	for name, begun := range map[string][]byte{
		"HEADERS":      {0, 0x3f, 0xff, frameHeaders, 0, 0, 0, 0, 3},
		"CONTINUATION": {0, 0, 0, frameHeaders, 0, 0, 0, 0, 3, 0, 0x3f, 0xff, frameContinuation, 0, 0, 0, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket := listenTLS(t)
			start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{Header: 300 * time.Millisecond}}}).admit()
			c := dial(t, socket, "h2")
			h := newH2Client(t, c)
			h.settle()
			h.post(1, "open", false) // so that the connection is not an idle one
			_, err := c.Write(begun)
			check(t, err)
			tick := time.NewTicker(100 * time.Millisecond)
			t.Cleanup(tick.Stop)
			ended := make(chan struct{})
			go func() {
				for {
					select {
					case <-tick.C:
						_, _ = c.Write([]byte{0})
					case <-ended:
						return
					}
				}
			}()
			closedBy(t, "header", c)
			close(ended)
		})
	}
}

func TestAnHTTP2BodyMayArriveByteByByte(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	socket := listenTLS(t)
	start(t, plan{sockets: []testSocket{socket}, settings: wire.Settings{Limits: wire.Limits{Header: limit}}}).admit()
	c := dial(t, socket, "h2")
	h := newH2Client(t, c)
	h.settle()
	h.post(1, "", false)
	_, err := c.Write([]byte{0, 0, 4, frameData, flagEndStream, 0, 0, 0, 1})
	check(t, err)
	for _, b := range []byte("body") {
		await(t, "pause", elapsed(limit/2))
		_, err := c.Write([]byte{b})
		check(t, err)
	}
	h.expectAnswer(1, "body")
}

const flagEndStream = 0x1

// framedPair is an HTTP/2 connection as a worker has it, and its client.
func framedPair(t *testing.T, limit time.Duration) (*framedConn, *tls.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer func() { _ = l.Close() }()
	near, err := net.Dial("tcp", l.Addr().String())
	check(t, err)
	end := time.AfterFunc(patience, func() { _ = near.Close() }) // of a test that waits in vain
	t.Cleanup(func() { end.Stop(); _ = near.Close() })
	far, err := l.Accept()
	check(t, err)
	t.Cleanup(func() { _ = far.Close() })
	pair, err := parse(newPair(t, "localhost"))
	check(t, err)
	server := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*pair}})
	client := tls.Client(near, clientConfig())
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	check(t, client.Handshake())
	check(t, <-shaken)
	return &framedConn{Conn: server, patience: limit}, client
}

func TestAnHTTP2ClientThatTakesNothingIsGivenUp(t *testing.T) {
	t.Parallel()
	c, _ := framedPair(t, 50*time.Millisecond)
	for {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want a deadline that was exceeded", err)
			}
			return
		}
	}
}

func TestAnHTTP2ConnectionThatWasQuietForLongIsWrittenTo(t *testing.T) {
	t.Parallel()
	c, client := framedPair(t, time.Minute)
	settings := []byte{0, 0, 0, frameSettings, 0, 0, 0, 0, 0}
	_, err := c.Write(settings)
	check(t, err)
	soon := c.until
	for name, speak := range map[string]func(){
		"an answer":  func() { _, err = c.Write(settings) },
		"a farewell": c.leave,
	} {
		c.until = time.Now().Add(-time.Hour) // the last word was so long ago
		check(t, c.Conn.SetWriteDeadline(c.until))
		if speak(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if c.until.Before(soon) {
			t.Errorf("%s: its time ends %v, want a minute from now", name, c.until)
		}
	}
	got := make([]byte, 2*len(settings)+len(farewell))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Errorf("read what was written: %v", err)
	}
}
