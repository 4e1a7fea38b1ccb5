package master

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"example.com/handover/supervisor/pool"
	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// handshakeTimeout bounds one private handshake.
const handshakeTimeout = 5 * time.Second

// proof is what a worker has to show over its private connection: through the
// public socket an old worker might answer in its place.
type proof struct {
	certificates []status.Certificate
	tls          bool
	healthPath   string
	timeout      time.Duration // for the health request
}

func (m *master) proof() proof {
	p := proof{certificates: m.bundle.Published(), healthPath: m.config.HealthPath, timeout: m.config.BootTimeout}
	for _, l := range m.config.Listen {
		p.tls = p.tls || l.TLS
	}
	return p
}

// prove tries a worker and posts what came of it.
func (m *master) prove(w *worker) {
	p := m.proof()
	go func() {
		err := p.of(w.probe)
		m.post(func() {
			if err != nil {
				m.log.Error("worker failed its proof", "worker", w.slot, "pid", w.process.Pid, "error", err)
				m.happened(w, pool.Failed, err.Error())
				return
			}
			m.happened(w, pool.Passed, "")
		})
	}()
}

// of tries one worker. That it has every pair as it was checked is asked pair by
// pair: by name alone a client may rightly get another one (ECDSA beside RSA), or
// none may name it at all.
func (p proof) of(probe *wire.Packets) error {
	if p.tls && len(p.certificates) > 0 {
		for i, c := range p.certificates {
			if err := p.handshake(probe, wire.Probe{TLS: true, Pair: i + 1}, c); err != nil {
				return fmt.Errorf("certificate %q: %w (proof.handshake)", c.Name, err)
			}
		}
		if err := p.handshake(probe, wire.Probe{TLS: true}, p.certificates...); err != nil {
			return fmt.Errorf("serve a client of certificate %q: %w (proof.handshake)", p.certificates[0].Name, err)
		}
	}
	if p.healthPath == "" {
		return nil
	}
	if err := p.health(probe); err != nil {
		return fmt.Errorf("health path %q: %w", p.healthPath, err)
	}
	return nil
}

// handshake completes a TLS handshake as a fresh client would and compares what
// is served with what was checked: it has to be one of want, of which there is
// at least one.
func (p proof) handshake(probe *wire.Packets, how wire.Probe, want ...status.Certificate) error {
	conn, err := p.dial(probe, how, want[0], []string{"h2", "http/1.1"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	seen := conn.ConnectionState()
	sum := sha256.Sum256(seen.PeerCertificates[0].Raw)
	got := hex.EncodeToString(sum[:])
	served := slices.IndexFunc(want, func(c status.Certificate) bool { return c.Fingerprint == got })
	switch {
	case served < 0 && len(want) > 1:
		return fmt.Errorf("worker serves sha256 %.12s…, which is none of the %d checked", got, len(want))
	case served < 0:
		return fmt.Errorf("worker serves sha256 %.12s…, want %.12s…", got, want[0].Fingerprint)
	case len(seen.PeerCertificates) != want[served].ChainLength:
		return fmt.Errorf("worker serves a chain of %d certificates, want %d", len(seen.PeerCertificates), want[served].ChainLength)
	case seen.NegotiatedProtocol == "":
		return errors.New("worker agreed on no protocol, want h2 or http/1.1 (ALPN)")
	}
	return nil
}

// dial opens a private TLS connection, by the first name of c. The fingerprint is
// compared by the caller: it proves more than a chain to some root would.
func (p proof) dial(probe *wire.Packets, how wire.Probe, c status.Certificate, protocols []string) (*tls.Conn, error) {
	raw, err := wire.Dial(probe, how)
	if err != nil {
		return nil, err
	}
	name := ""
	if len(c.Names) > 0 {
		name = c.Names[0]
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: serverName(name), NextProtos: protocols})
	ctx, cancel := context.WithTimeout(context.Background(), handshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return conn, nil
}

// serverName makes a name that a client may ask for of one in a certificate: a
// wildcard stands for any label, and an address is not asked for (RFC 6066).
func serverName(name string) string {
	if net.ParseIP(name) != nil {
		return ""
	}
	if len(name) > 2 && name[:2] == "*." {
		return "handover" + name[1:]
	}
	return name
}

// health asks for the health path; 2xx and 3xx pass.
func (p proof) health(probe *wire.Packets) error {
	var conn net.Conn
	var err error
	host := "localhost"
	if p.tls && len(p.certificates) > 0 {
		conn, err = p.dial(probe, wire.Probe{TLS: true}, p.certificates[0], []string{"http/1.1"})
		if names := p.certificates[0].Names; len(names) > 0 {
			host = names[0]
		}
	} else {
		conn, err = wire.Dial(probe, wire.Probe{})
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(p.timeout))
	request, err := http.NewRequest(http.MethodGet, "http://"+host+p.healthPath, nil)
	if err != nil {
		return err
	}
	request.Close = true
	request.Header.Set("User-Agent", "handover-proof")
	if err := request.Write(conn); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.CopyN(io.Discard, response.Body, 1<<16)
	if response.StatusCode < 200 || response.StatusCode > 399 {
		return fmt.Errorf("answered %s, want 2xx or 3xx", response.Status)
	}
	return nil
}

// describeProofs says what every worker has shown.
func (m *master) describeProofs() string {
	p := m.proof()
	text := count(m.pool.Want(), "worker") + " ready"
	if p.tls && len(p.certificates) > 0 {
		text += fmt.Sprintf(", each served sha256 %.12s…", p.certificates[0].Fingerprint)
		if more := len(p.certificates) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	if p.healthPath != "" {
		text += ", " + p.healthPath + " answered"
	}
	return text
}
