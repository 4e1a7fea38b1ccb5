package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"example.com/handover/integration/harness"
)

// streams is how many requests are in flight on one HTTP/2 connection.
const streams = 8

// multiplexed is one HTTP/2 connection of a client that does as little as it can:
// a request is always the same bytes, and of an answer's header only the field
// :status is read, which comes first. It belongs to one goroutine.
type multiplexed struct {
	*connection
	framer  *http2.Framer
	in      *bufio.Reader
	out     *bufio.Writer
	header  []byte // of each request
	next    uint32
	open    int
	leaving bool // the server has announced that it takes no more
	count   int
}

func streamAgainAndAgain(c client, until time.Time) (answered int, err error) {
	for time.Now().Before(until) {
		m, err := c.multiplex()
		if err != nil {
			return answered, err
		}
		m.patient(time.Until(until) + patience)
		err = m.run(until)
		m.close()
		answered += m.count
		if err != nil {
			return answered, err
		}
		if m.count == 0 {
			return answered, errors.New("keep a connection: the server left before its first answer")
		}
	}
	return answered, nil
}

// multiplex dials and says what HTTP/2 begins with.
func (c client) multiplex() (*multiplexed, error) {
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	if got := conn.tls.ConnectionState().NegotiatedProtocol; got != "h2" {
		conn.close()
		return nil, harness.Loss{Stage: "handshake", Err: fmt.Errorf("protocol %q, want h2", got)}
	}
	m := &multiplexed{connection: conn, in: bufio.NewReaderSize(conn.tls, 32<<10), out: bufio.NewWriterSize(conn.tls, 16<<10), next: 1}
	m.header = constantHeader(c.tls.ServerName)
	m.framer = http2.NewFramer(m.out, m.in)
	m.framer.SetReuseFrames()
	_, _ = io.WriteString(m.out, http2.ClientPreface) // a Writer keeps its first error, and Flush returns it
	_ = m.framer.WriteSettings(http2.Setting{ID: http2.SettingEnablePush, Val: 0})
	// More than all answers of a round: no window is ever opened again.
	_ = m.framer.WriteWindowUpdate(0, 1<<30)
	if err := m.out.Flush(); err != nil {
		conn.close()
		return nil, harness.Loss{Stage: "write", Err: err}
	}
	return m, nil
}

// constantHeader encodes a request without the table that grows with each, so that
// the same bytes serve for all of them.
func constantHeader(host string) []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	e.SetMaxDynamicTableSize(0)
	for range 2 { // the first block begins with the size of the table; the second is kept
		b.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", "/"}} {
			_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
	}
	return b.Bytes()
}

// run keeps its streams busy until a moment or the server's leave, and waits for
// those that are open then.
func (m *multiplexed) run(until time.Time) error {
	for range streams {
		m.ask()
	}
	for m.open > 0 {
		// Requests go out together when nothing that has come is left to read.
		if m.in.Buffered() == 0 {
			if err := m.out.Flush(); err != nil {
				return harness.Loss{Stage: "write", Err: err}
			}
			if time.Now().After(until) {
				m.leaving = true
			}
		}
		frame, err := m.framer.ReadFrame()
		if err != nil {
			return harness.Loss{Stage: "read", Err: err}
		}
		if err := m.take(frame); err != nil {
			return harness.Loss{Stage: "answer", Err: err}
		}
	}
	return nil
}

func (m *multiplexed) ask() {
	if m.leaving {
		return
	}
	_ = m.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: m.next, BlockFragment: m.header, EndStream: true, EndHeaders: true})
	m.next += 2
	m.open++
}

func (m *multiplexed) take(frame http2.Frame) error {
	switch f := frame.(type) {
	case *http2.HeadersFrame:
		if block := f.HeaderBlockFragment(); !good(block) {
			return fmt.Errorf("header %x, want it to begin with status 200", block)
		}
		m.closed(f.StreamEnded())
	case *http2.DataFrame:
		m.closed(f.StreamEnded())
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return m.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return m.framer.WritePing(true, f.Data)
		}
	case *http2.RSTStreamFrame:
		return fmt.Errorf("stream %d reset: %v", f.StreamID, f.ErrCode)
	case *http2.GoAwayFrame:
		return m.goAway(f)
	}
	return nil
}

// good says whether a header block begins with :status 200, which is entry 8 of
// the static table (RFC 7541), after changes of the other table's size.
func good(block []byte) bool {
	for len(block) > 0 && block[0]&0xe0 == 0x20 {
		size := 1
		for more := block[0]&0x1f == 0x1f; more && size < len(block); size++ {
			more = block[size]&0x80 != 0
		}
		block = block[size:]
	}
	return len(block) > 0 && block[0] == 0x88
}

// closed counts a stream that has ended and asks anew.
func (m *multiplexed) closed(ended bool) {
	if !ended {
		return
	}
	m.open--
	m.count++
	m.ask()
}

// goAway stops asking. Streams above the last one were refused, and nothing of
// them comes any more.
func (m *multiplexed) goAway(f *http2.GoAwayFrame) error {
	m.leaving = true
	if f.ErrCode != http2.ErrCodeNo {
		return fmt.Errorf("goaway: %v", f.ErrCode)
	}
	for id := m.next - 2; id > f.LastStreamID && id < m.next; id -= 2 {
		m.open--
		m.next -= 2
	}
	return nil
}
