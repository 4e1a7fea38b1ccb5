package harness

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// announced is the last stream of the first GOAWAY of RFC 9113 section 6.8:
// open no more, those open go on.
const announced = 1<<31 - 1

// ErrLeaving is what a connection answers that has been told to go away: the
// next request belongs on another, and nothing was lost.
var ErrLeaving = errors.New("the server has announced its leave")

// H2 is an HTTP/2 client connection that replays nothing. A stream opened
// before the leave was announced must be answered.
type H2 struct {
	Sighting
	conn   *tls.Conn
	ended  chan struct{} // closed when the reader has ended
	mu     sync.Mutex    // guards everything below and all writing
	moved  *sync.Cond    // a window, a stream or the end has changed
	framer *http2.Framer
	fields bytes.Buffer
	coder  *hpack.Encoder

	streams map[uint32]*stream
	next    uint32
	leaving bool
	GoAways []uint32 // the last stream of each GOAWAY received
	window  int64    // what may still be sent on the connection
	initial int64    // what may be sent on a new stream
	err     error    // why the reader ended
}

// stream is one request and what has come back; guarded by its connection.
type stream struct {
	window int64
	status string
	body   bytes.Buffer
	done   bool
	err    error
}

// DialH2 connects to the instance as an HTTP/2 client.
func (i *Instance) DialH2() (*H2, error) { return DialH2(i.Addr, i.Certs.Trust("h2")) }

// DialH2 connects as an HTTP/2 client. Its error is a Loss.
func DialH2(addr string, trust *tls.Config) (*H2, error) {
	c, err := Dial("tcp", addr, trust)
	if err != nil {
		return nil, err
	}
	conn := c.conn.(*tls.Conn)
	if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
		_ = conn.Close()
		return nil, Loss{Stage: "handshake", Err: fmt.Errorf("protocol %q, want h2", got)}
	}
	_ = conn.SetDeadline(time.Time{})
	return newH2(conn, c.Sighting)
}

func newH2(conn *tls.Conn, s Sighting) (*H2, error) {
	h := &H2{
		Sighting: s, conn: conn, ended: make(chan struct{}), framer: http2.NewFramer(conn, conn),
		streams: map[uint32]*stream{}, next: 1, window: 65535, initial: 65535,
	}
	h.moved = sync.NewCond(&h.mu)
	h.coder = hpack.NewEncoder(&h.fields)
	h.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_, err := io.WriteString(conn, http2.ClientPreface)
	if err == nil {
		err = h.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	}
	if err != nil {
		_ = conn.Close()
		return nil, Loss{Stage: "handshake", Err: err, On: s}
	}
	go h.read() // ends with the connection, which Close waits for
	return h, nil
}

// Close hangs up.
func (h *H2) Close() {
	_ = h.conn.Close()
	<-h.ended
}

// Leaving says whether the server has announced its leave or the connection
// has ended.
func (h *H2) Leaving() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.leaving || h.err != nil
}

// Do sends a request whose body goes out in pieces, and waits for the answer.
// between, if there is one, is called before each piece but the first. The
// error is ErrLeaving, or a Loss.
func (h *H2) Do(method, path string, body []byte, between func()) (Answer, error) {
	id, s, err := h.open(method, path, body == nil)
	if err != nil {
		return Answer{}, err
	}
	timer := time.AfterFunc(patience, func() { h.fail(s, errors.New("no answer in time")) })
	defer timer.Stop()
	for len(body) > 0 {
		piece := body[:min(len(body), 5000)]
		body = body[len(piece):]
		if err := h.send(id, s, piece, len(body) == 0); err != nil {
			return Answer{}, err
		}
		if between != nil && len(body) > 0 {
			between()
		}
	}
	return h.answer(id, s)
}

func (h *H2) open(method, path string, end bool) (uint32, *stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.leaving || h.err != nil {
		return 0, nil, ErrLeaving
	}
	id := h.next
	h.next += 2
	s := &stream{window: h.initial}
	h.streams[id] = s
	h.fields.Reset()
	for _, f := range [][2]string{{":method", method}, {":scheme", "https"}, {":authority", Name}, {":path", path}} {
		_ = h.coder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	err := h.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: h.fields.Bytes(), EndStream: end, EndHeaders: true,
	})
	if err != nil {
		delete(h.streams, id)
		return 0, nil, Loss{Stage: "write", Err: err}
	}
	return id, s, nil
}

// send writes one piece as the windows allow.
func (h *H2) send(id uint32, s *stream, piece []byte, last bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for len(piece) > 0 {
		for h.window <= 0 || s.window <= 0 {
			if err := h.broken(s); err != nil {
				return Loss{Stage: "write", Err: err}
			}
			h.moved.Wait()
		}
		if err := h.broken(s); err != nil {
			return Loss{Stage: "write", Err: err}
		}
		n := min(int64(len(piece)), h.window, s.window)
		h.window -= n
		s.window -= n
		if err := h.framer.WriteData(id, last && n == int64(len(piece)), piece[:n]); err != nil {
			return Loss{Stage: "write", Err: err}
		}
		piece = piece[n:]
	}
	return nil
}

func (h *H2) broken(s *stream) error {
	if s.err != nil || s.done {
		return s.err
	}
	return h.err
}

func (h *H2) answer(id uint32, s *stream) (Answer, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for !s.done && s.err == nil && h.err == nil {
		h.moved.Wait()
	}
	delete(h.streams, id)
	if !s.done {
		err := h.broken(s)
		return Answer{}, Loss{Stage: "read", Err: err}
	}
	var status int
	_, _ = fmt.Sscan(s.status, &status)
	return Answer{Status: status, Body: s.body.Bytes()}, nil
}

func (h *H2) fail(s *stream, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !s.done && s.err == nil {
		s.err = err
	}
	h.moved.Broadcast()
}

// read takes every frame that comes, to the end of the connection.
func (h *H2) read() {
	defer close(h.ended)
	for {
		frame, err := h.framer.ReadFrame()
		h.mu.Lock()
		if err == nil {
			err = h.take(frame)
		}
		if err != nil {
			h.err = fmt.Errorf("connection ended after GOAWAY %v: %w", h.GoAways, err)
		}
		h.moved.Broadcast()
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// take changes the state by one frame; the lock is held.
func (h *H2) take(frame http2.Frame) error {
	s := h.streams[frame.Header().StreamID]
	switch f := frame.(type) {
	case *http2.SettingsFrame:
		return h.settings(f)
	case *http2.PingFrame:
		if !f.IsAck() {
			return h.framer.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			h.window += int64(f.Increment)
		} else if s != nil {
			s.window += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		if s != nil {
			s.status = f.PseudoValue("status")
			s.done = f.StreamEnded()
		}
	case *http2.DataFrame:
		return h.data(f, s)
	case *http2.RSTStreamFrame:
		if s != nil && !s.done {
			s.err = fmt.Errorf("stream %d reset: %v, after GOAWAY %v", f.StreamID, f.ErrCode, h.GoAways)
		}
	case *http2.GoAwayFrame:
		h.goAway(f)
	}
	return nil
}

func (h *H2) settings(f *http2.SettingsFrame) error {
	if f.IsAck() {
		return nil
	}
	if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
		for _, s := range h.streams {
			s.window += int64(v) - h.initial
		}
		h.initial = int64(v)
	}
	return h.framer.WriteSettingsAck()
}

func (h *H2) data(f *http2.DataFrame, s *stream) error {
	if s != nil {
		s.body.Write(f.Data())
		s.done = f.StreamEnded()
	}
	if f.Length == 0 {
		return nil
	}
	if err := h.framer.WriteWindowUpdate(0, f.Length); err != nil || s == nil || s.done {
		return err
	}
	return h.framer.WriteWindowUpdate(f.StreamID, f.Length)
}

// goAway stops new streams. Those above the last one are refused ones: they
// were opened before this client could know, and so they are lost.
func (h *H2) goAway(f *http2.GoAwayFrame) {
	h.leaving = true
	h.GoAways = append(h.GoAways, f.LastStreamID)
	if f.LastStreamID == announced {
		return
	}
	for id, s := range h.streams {
		if id > f.LastStreamID && !s.done {
			s.err = fmt.Errorf("stream %d refused by GOAWAY %v", id, h.GoAways)
		}
	}
}

// Ended is closed when the connection has ended; GoAways is complete then.
func (h *H2) Ended() <-chan struct{} { return h.ended }
