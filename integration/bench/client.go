package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"example.com/handover/integration/harness"
)

// patience is how long a client waits for anything: longer is a loss.
const patience = 10 * time.Second

// client is what reaches a server. Clients share the cores with the server that
// they measure, so they do what is needed and no more: no chain is verified, since
// the fingerprint is looked at, which says more; of key exchanges those that every
// peer knows are offered, so that no client makes a key for nothing. The second is
// there because its curve is the certificates', which TLS 1.2 asks for.
type client struct {
	address string
	tls     *tls.Config
	request []byte
}

// client returns one that asks for the last site; protocol is "http/1.1" or "h2".
func (s *subject) client(protocol string) client {
	return client{
		address: s.Addr,
		tls: &tls.Config{
			ServerName: s.site(), NextProtos: []string{protocol}, InsecureSkipVerify: true,
			CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		},
		request: []byte("GET / HTTP/1.1\r\nHost: " + s.site() + "\r\n\r\n"),
	}
}

// connection is one HTTP/1.1 connection that never retries. It belongs to one
// goroutine.
type connection struct {
	raw     net.Conn
	tls     *tls.Conn
	request []byte
	begun   time.Time // when the dial began
	shaken  time.Time // when the handshake had ended
	buffer  [4096]byte
	length  int  // of the answers so far, header and all; learned from the first
	leaving bool // the server has announced that it closes
}

// dial connects and shakes hands, in full. Its error is a harness.Loss.
func (c client) dial() (*connection, error) {
	conn := &connection{request: c.request, begun: time.Now()}
	var err error
	if conn.raw, err = net.DialTimeout("tcp", c.address, patience); err != nil {
		return nil, harness.Loss{Stage: "dial", Err: err}
	}
	conn.patient(patience)
	conn.tls = tls.Client(conn.raw, c.tls)
	if err := conn.tls.Handshake(); err != nil {
		_ = conn.raw.Close()
		return nil, harness.Loss{Stage: "handshake", Err: err}
	}
	conn.shaken = time.Now()
	return conn, nil
}

// patient says how long from now the connection may take for whatever it does.
func (c *connection) patient(d time.Duration) { _ = c.raw.SetDeadline(time.Now().Add(d)) }

// close hangs up as TLS has it.
func (c *connection) close() { _ = c.tls.Close() }

// fingerprint names the certificate that was shown.
func (c *connection) fingerprint() string {
	return harness.Fingerprint(c.tls.ConnectionState().PeerCertificates[0].Raw)
}

// ask sends one request and reads its answer. The first answer is parsed, and so
// is each whose length is another; of the others length and status are compared.
func (c *connection) ask() error {
	if _, err := c.tls.Write(c.request); err != nil {
		return harness.Loss{Stage: "write", Err: err}
	}
	for n := 0; ; {
		more, err := c.tls.Read(c.buffer[n:])
		n += more
		if n == c.length && n > 0 {
			return answered(c.buffer[:n])
		}
		if c.whole(c.buffer[:n]) {
			return c.parse(c.buffer[:n])
		}
		if err != nil {
			return harness.Loss{Stage: "read", Err: err}
		}
		if n == len(c.buffer) {
			return harness.Loss{Stage: "answer", Err: fmt.Errorf("more than %d bytes", n)}
		}
	}
}

// whole says whether bytes may be all of an answer, so that an answer in pieces is
// parsed once: they end as its body or its last chunk does.
func (c *connection) whole(text []byte) bool {
	return bytes.HasSuffix(text, []byte(body)) || bytes.HasSuffix(text, []byte("\r\n0\r\n\r\n"))
}

// body is what every server answers.
const body = "ok\n"

func answered(text []byte) error {
	if !bytes.HasPrefix(text, []byte("HTTP/1.1 200 ")) {
		return harness.Loss{Stage: "answer", Err: fmt.Errorf("%.40q", text)}
	}
	return nil
}

// parse reads an answer by the rules, and learns its length.
func (c *connection) parse(text []byte) error {
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(text)), nil)
	if err != nil {
		return harness.Loss{Stage: "answer", Err: err}
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || string(got) != body || answer.StatusCode != http.StatusOK {
		return harness.Loss{Stage: "answer", Err: fmt.Errorf("status %d, %q, %v", answer.StatusCode, got, err)}
	}
	c.length, c.leaving = len(text), answer.Close
	return nil
}

// once dials, asks once and hangs up.
func (c client) once() (*connection, error) {
	conn, err := c.dial()
	if err != nil {
		return nil, err
	}
	defer conn.close()
	return conn, conn.ask()
}

// reason sorts what a client met into kinds.
func reason(err error) string {
	var loss harness.Loss
	if errors.As(err, &loss) {
		return loss.Reason()
	}
	return err.Error()
}

// unixConn is a connection whose descriptor can be looked at.
type unixConn interface {
	SyscallConn() (syscall.RawConn, error)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
