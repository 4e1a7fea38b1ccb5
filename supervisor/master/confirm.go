package master

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/worker/wire"
)

// How the public addresses are asked after a reload or rotation.
const (
	confirmTimes = 3
	confirmLimit = 5 * time.Second
	confirmPause = 50 * time.Millisecond
)

// confirm asks the public addresses, as any client would, whether they serve
// what was taken. The answer is no verdict, there is no way back but another
// reload: it is noted and, if it is no, said.
func (m *master) confirm(r *reload) {
	p := m.proofOf(m.bundle, m.changed)
	if !p.tls {
		return
	}
	listeners := m.config.Listen
	go func() {
		err := p.confirm(listeners)
		m.post(func() {
			r.Record.Confirmed = "yes"
			if err != nil && m.quiet {
				err = errors.New("workers are stopped") // as they were told to be, meanwhile
				r.Record.Confirmed = err.Error()
			} else if err != nil {
				r.Record.Confirmed = err.Error()
				m.log.Warn("public address does not serve what was taken", "error", err)
			}
			m.rewrite(r)
			if m.last() == r && m.active() {
				m.keep()
			}
		})
	}()
}

func (p proof) confirm(listeners []config.Listen) error {
	ctx, cancel := context.WithTimeout(context.Background(), confirmLimit)
	defer cancel()
	for _, l := range listeners {
		for n := 0; l.TLS && n < confirmTimes; {
			err := p.visit(ctx, l.Address)
			if err == nil {
				n++
				continue
			}
			timer := time.NewTimer(confirmPause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return fmt.Errorf("%s: %w", l.Address, err)
			}
		}
	}
	return nil
}

// errSeen ends a handshake in which the certificate has been seen.
var errSeen = errors.New("certificate seen")

// visit asks one address once. It keeps no session: one that is resumed shows
// the certificate of yesterday.
func (p proof) visit(ctx context.Context, address string) error {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		network, address = "unix", path
	} else {
		address = reachable(address)
	}
	raw, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	var got chain
	conn := tls.Client(raw, &tls.Config{
		InsecureSkipVerify: true, ServerName: p.host, NextProtos: []string{"http/1.1", wire.ProtocolVisit}, CurvePreferences: classical,
		VerifyPeerCertificate: func(all [][]byte, _ [][]*x509.Certificate) error {
			sum := sha256.Sum256(all[0])
			got = chain{hex.EncodeToString(sum[:]), len(all)}
			return errSeen // a server that wants a certificate of us would only say no
		},
	})
	if err := conn.HandshakeContext(ctx); !errors.Is(err, errSeen) {
		return fmt.Errorf("handshake: %w", err)
	}
	if p.chains[got] == 0 {
		return fmt.Errorf("serves sha256 %.12s… in a chain of %d, which is not among those taken", got.leaf, got.length)
	}
	return nil
}

// reachable is where this machine reaches a listening address.
func reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	return net.JoinHostPort(host, port)
}
