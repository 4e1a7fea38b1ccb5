package harness

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// Talk is a connection that the echo program has taken over, as a websocket is:
// it lives until the client ends it.
type Talk struct{ conn *Conn }

// Talk opens one.
func (i *Instance) Talk() (*Talk, error) {
	c, err := i.Dial()
	if err != nil {
		return nil, err
	}
	if err := c.Send("GET", "/talk", nil); err != nil {
		c.Close()
		return nil, err
	}
	head := make([]byte, 0, 256)
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		b, err := c.r.ReadByte()
		if err != nil {
			c.Close()
			return nil, Loss{Stage: "read", Err: err}
		}
		head = append(head, b)
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		c.Close()
		return nil, fmt.Errorf("upgrade: %q", head)
	}
	return &Talk{c}, nil
}

// Say sends words and waits for them to come back.
func (t *Talk) Say(words string) error {
	_ = t.conn.conn.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(t.conn.conn, words); err != nil {
		return Loss{Stage: "write", Err: err}
	}
	back := make([]byte, len(words))
	if _, err := io.ReadFull(t.conn.r, back); err != nil {
		return Loss{Stage: "read", Err: err}
	}
	return Unless(string(back) == words, "said %q, heard %q", words, back)
}

// Close hangs up.
func (t *Talk) Close() { t.conn.Close() }
