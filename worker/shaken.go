package worker

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// shaken counts how the handshake of a client ended. The master's own visits to
// the public addresses say by their protocol that they are none.
func (c *conn) shaken(outer *tls.Conn, err error) {
	if c.visit {
		return
	}
	if err != nil {
		c.roster.meter.Add(c.whyNot(err), 1)
		return
	}
	state := outer.ConnectionState()
	what := wire.Handshakes12
	if state.Version >= tls.VersionTLS13 {
		what = wire.Handshakes13
	}
	if state.DidResume {
		what++ // Resumed12, Resumed13
	}
	c.roster.meter.Add(what, 1)
}

// The alerts by which a client says that our certificate is the reason (RFC 8446,
// section 6.2), and those by which it says that it only leaves.
const (
	alertCloseNotify        = 0
	alertBadCertificate     = 42 // and up to
	alertCertificateUnknown = 46
	alertUnknownCA          = 48
	alertUserCanceled       = 90
)

// What crypto/tls has no type for it says in words, which a test holds.
const (
	remoteError         = "remote error" // an alert that it has received
	localError          = "local error"  // one that it has sent
	itsOwn              = "tls: "        // all that it has to say itself begins so
	clientCertificate   = "client certificate"
	noClientCertificate = "client didn't provide a certificate"
)

// whyNot tells failed handshakes apart.
func (c *conn) whyNot(err error) wire.Measure {
	var alert *net.OpError
	var unverified *tls.CertificateVerificationError
	text := err.Error()
	switch {
	case c.refused:
		return wire.FailedName
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed): // a drain closes what does not come to an end
		return wire.FailedTimeout
	case errors.As(err, &alert) && alert.Op == remoteError:
		return whyTheyRefuse(alertOf(alert.Err))
	case errors.As(err, &alert) && alert.Op == localError && c.alert.Load() > 0:
		return whyTheyRefuse(int(c.alert.Load()) - 1)
	case errors.As(err, &alert) && alert.Op == localError:
		return wire.FailedProtocol
	case errors.As(err, &unverified), strings.Contains(text, clientCertificate), strings.Contains(text, noClientCertificate):
		return wire.FailedClientCertificate
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE), errors.Is(err, unix.ETIMEDOUT):
		return wire.FailedGone
	case strings.HasPrefix(text, itsOwn):
		return wire.FailedProtocol
	default:
		return wire.FailedOther
	}
}

// plainAlert is how the record of an alert begins that is not encrypted.
var plainAlert = []byte{21, 3, 3, 0, 2}

// noteAlert looks for an alert at the end of what has come. OpenSSL rejects a
// certificate in the clear, also over TLS 1.3, when all else is encrypted by then
// (curl does so): crypto/tls finds only that it cannot be decrypted.
func (c *conn) noteAlert(b []byte) {
	at := len(b) - len(plainAlert) - 2
	if at >= 0 && b[at] == plainAlert[0] && bytes.Equal(b[at:at+len(plainAlert)], plainAlert) {
		c.alert.Store(int32(b[len(b)-1]) + 1)
	}
}

// alertOf returns the number of an alert, whose type crypto/tls keeps to itself; -1:
// it is none.
func alertOf(err error) int {
	if v := reflect.ValueOf(err); v.Kind() == reflect.Uint8 {
		return int(v.Uint())
	}
	return -1
}

// whyTheyRefuse tells the alerts of clients apart.
func whyTheyRefuse(n int) wire.Measure {
	switch {
	case n < 0:
		return wire.FailedOther
	case n == alertCloseNotify || n == alertUserCanceled:
		return wire.FailedGone
	case n >= alertBadCertificate && n <= alertCertificateUnknown, n == alertUnknownCA:
		return wire.FailedRejected
	default:
		return wire.FailedProtocol
	}
}
