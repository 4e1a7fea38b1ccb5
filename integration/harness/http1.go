package harness

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// patience is how long a client waits for anything: longer is a loss.
const patience = 45 * time.Second

// Conn is one connection of a client that never retries. It belongs to one
// goroutine.
type Conn struct {
	Sighting
	conn net.Conn
	r    *bufio.Reader
}

// Answer is a complete response.
type Answer struct {
	Status int
	Body   []byte
	Header http.Header
	Close  bool // the server announced that it closes the connection
}

// Dial connects and shakes hands; trust nil means without TLS. Its error is a
// Loss.
func Dial(network, addr string, trust *tls.Config) (*Conn, error) {
	begun := time.Now()
	raw, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		return nil, Loss{Stage: "dial", Err: err}
	}
	c := &Conn{conn: raw, Sighting: Sighting{From: raw.LocalAddr().String(), Dialled: begun}}
	_ = raw.SetDeadline(begun.Add(patience))
	if trust != nil {
		shaken := tls.Client(raw, trust)
		if err := shaken.Handshake(); err != nil {
			_ = raw.Close()
			return nil, Loss{Stage: "handshake", Err: err, On: c.Sighting}
		}
		c.conn = shaken
		c.Resumed = shaken.ConnectionState().DidResume
		c.Fingerprint = Fingerprint(shaken.ConnectionState().PeerCertificates[0].Raw)
	}
	c.Shown = time.Now()
	c.r = bufio.NewReader(c.conn)
	return c, nil
}

// Dial connects to the instance as an HTTP/1.1 client.
func (i *Instance) Dial() (*Conn, error) {
	if i.plain {
		return Dial("tcp", i.Addr, nil)
	}
	return Dial("tcp", i.Addr, i.Certs.Trust("http/1.1"))
}

// Answers returns what gets an answer to /health over a connection of its own:
// plain, but at the instance's own address.
func (i *Instance) Answers(network, address string) func() error {
	return func() error {
		dial := i.Dial
		if address != i.Addr {
			dial = func() (*Conn, error) { return Dial(network, address, nil) }
		}
		c, err := dial()
		if err != nil {
			return err
		}
		defer c.Close()
		a, err := c.Do("GET", "/health", nil)
		if err != nil {
			return err
		}
		return Unless(a.Status == 200, "status %d", a.Status)
	}
}

// Close hangs up.
func (c *Conn) Close() { _ = c.conn.Close() }

// Do sends one request and reads its answer. An error is a Loss.
func (c *Conn) Do(method, path string, body []byte) (Answer, error) {
	if err := c.Send(method, path, body); err != nil {
		return Answer{}, err
	}
	return c.Receive(method)
}

// Send writes one request.
func (c *Conn) Send(method, path string, body []byte) error {
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, Name)
	if body != nil {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	if _, err := c.conn.Write(b.Bytes()); err != nil {
		return Loss{Stage: "write", Err: err}
	}
	return nil
}

// Write sends bytes as they are.
func (c *Conn) Write(b []byte) error {
	_ = c.conn.SetDeadline(time.Now().Add(patience))
	if _, err := c.conn.Write(b); err != nil {
		return Loss{Stage: "write", Err: err}
	}
	return nil
}

// Begun waits for the first byte of an answer.
func (c *Conn) Begun() error {
	if _, err := c.r.Peek(1); err != nil {
		return Loss{Stage: "read", Err: err}
	}
	return nil
}

// Receive reads one answer.
func (c *Conn) Receive(method string) (Answer, error) {
	answer, err := http.ReadResponse(c.r, &http.Request{Method: method})
	if err != nil {
		return Answer{}, Loss{Stage: "read", Err: err}
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return Answer{}, Loss{Stage: "read body", Err: err}
	}
	return Answer{Status: answer.StatusCode, Body: body, Header: answer.Header, Close: answer.Close}, nil
}

// Get asks the instance once, over a new connection.
func (i *Instance) Get(path string) (Answer, error) {
	c, err := i.Dial()
	if err != nil {
		return Answer{}, err
	}
	defer c.Close()
	return c.Do("GET", path, nil)
}

// Served is the fingerprint that a new connection is shown.
func (i *Instance) Served() (string, error) {
	c, err := i.Dial()
	if err != nil {
		return "", err
	}
	defer c.Close()
	return c.Fingerprint, nil
}

// WaitServed waits until new connections are shown a certificate.
func (i *Instance) WaitServed(p Pair, limit time.Duration) {
	i.t.Helper()
	Until(i.t, "the certificate on disk is served", limit, func() error {
		got, err := i.Served()
		if err != nil {
			return err
		}
		return Unless(got == p.Fingerprint, "served %s…, want %s…", got[:12], p.Fingerprint[:12])
	})
}
