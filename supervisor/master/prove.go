package master

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/pool"
	"example.com/handover/worker/wire"
)

// handshakeTimeout bounds one private handshake.
const handshakeTimeout = 5 * time.Second

// maxProven is how many pairs a worker has to show one by one. All lie in the
// same sealed memory and are read by the same code, so of thousands the first and
// those that are new stand for the others: a handshake with each by each worker
// would take longer than the whole handover.
const maxProven = 16

// proof is what a worker has to show over its private connection: through the
// public socket an old worker might answer in its place.
type proof struct {
	pairs      []provenPair
	chains     map[chain]int // of all pairs: how many have it
	host       string        // that a client may ask for; empty: none of the names can be asked for
	tls        bool
	next       bool // show what is prepared, not what is served
	healthPath string
	timeout    time.Duration // for the health request
}

// chain is what a handshake shows of a pair. One leaf may be there with several.
type chain struct {
	leaf   string // its fingerprint
	length int
}

// provenPair is one pair that is asked for by its number.
type provenPair struct {
	number int // from 1
	cert.Certificate
}

// proofOf says what workers that serve b, of which some pairs are new, have to
// show.
func (m *master) proofOf(b *cert.Bundle, changed []int) proof {
	p := proof{chains: map[chain]int{}, healthPath: m.config.HealthPath, timeout: m.config.BootTimeout}
	for _, l := range m.config.Listen {
		p.tls = p.tls || l.TLS
	}
	p.tls = p.tls && len(b.Certificates) > 0
	for _, c := range b.Certificates {
		p.chains[chain{c.Fingerprint, c.ChainLength}]++
		for _, name := range c.Names {
			if p.host == "" {
				p.host = serverName(name)
			}
		}
	}
	seen := map[int]bool{}
	for _, i := range slices.Concat([]int{0}, changed, upTo(len(b.Certificates))) {
		if len(p.pairs) < maxProven && i < len(b.Certificates) && !seen[i] {
			seen[i] = true
			p.pairs = append(p.pairs, provenPair{i + 1, b.Certificates[i]})
		}
	}
	return p
}

// healthProof is a proof of nothing but the health path, over the first pair: it
// is asked for again and again, and must not cost more with thousands of pairs.
func (m *master) healthProof() proof {
	p := proof{tls: slices.ContainsFunc(m.config.Listen, func(l config.Listen) bool { return l.TLS }), healthPath: m.config.HealthPath, timeout: m.config.Timeout}
	if p.tls = p.tls && len(m.bundle.Certificates) > 0; p.tls {
		p.pairs = []provenPair{{1, m.bundle.Certificates[0]}}
	}
	return p
}

// upTo returns the first numbers from 0, no more than are ever needed.
func upTo(n int) []int {
	list := make([]int, min(n, maxProven))
	for i := range list {
		list[i] = i
	}
	return list
}

// prove tries a worker and posts what came of it.
func (m *master) prove(w *worker) {
	p, swaps := m.proofOf(m.bundle, m.changed), m.swaps
	go func() {
		err := p.of(w.probe)
		m.post(func() {
			switch {
			case err != nil && swaps != m.swaps && m.workers[w.slot] == w:
				m.prove(w) // other certificates came in between
			case err != nil && !m.isProving(w):
				m.log.Debug("proof ended with its worker", "worker", w.slot, "pid", w.process.Pid, "error", err)
			case err != nil:
				m.log.Error("worker failed its proof", "worker", w.slot, "pid", w.process.Pid, "error", err)
				m.happened(w, pool.Failed, err.Error())
			default:
				m.happened(w, pool.Passed, "")
			}
		})
	}()
}

// isProving says whether the outcome of a proof still matters: a worker that was
// retired meanwhile is killed, and its proof with it.
func (m *master) isProving(w *worker) bool {
	return m.workers[w.slot] == w && slices.ContainsFunc(m.pool.Workers(), func(p pool.Worker) bool {
		return p.Slot == w.slot && p.State == pool.Proving
	})
}

// of tries one worker. First as a client that asks for a name. That it has a pair
// as it was checked is then asked pair by pair, but for one that was seen for certain:
// by name alone a client may rightly get another one (ECDSA beside RSA), or none may
// name it at all.
func (p proof) of(probe *wire.Packets) error {
	if p.tls {
		if err := p.served(probe); err != nil {
			return err
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

func (p proof) served(probe *wire.Packets) error {
	var seen chain
	if p.host != "" {
		var err error
		if seen, err = p.handshake(probe, 0, p.host, p.chains); err != nil {
			return fmt.Errorf("serve a client of %q: %w (proof.handshake)", p.host, err)
		}
	}
	for _, c := range p.pairs {
		own := chain{c.Fingerprint, c.ChainLength}
		if own == seen && p.chains[own] == 1 {
			continue
		}
		if _, err := p.handshake(probe, c.number, c.host(), map[chain]int{own: 1}); err != nil {
			return fmt.Errorf("certificate %q: %w (proof.handshake)", c.Name, err)
		}
	}
	return nil
}

func (c provenPair) host() string {
	for _, name := range c.Names {
		if name = serverName(name); name != "" {
			return name
		}
	}
	return ""
}

// handshake completes a TLS handshake as a fresh client would and compares what
// is served with what was checked: it has to be one of want. It returns which one
// it was.
func (p proof) handshake(probe *wire.Packets, pair int, host string, want map[chain]int) (chain, error) {
	conn, err := p.dial(probe, pair, host, []string{"h2", "http/1.1"})
	if err != nil {
		return chain{}, err
	}
	defer func() { _ = conn.Close() }()
	seen := conn.ConnectionState()
	sum := sha256.Sum256(seen.PeerCertificates[0].Raw)
	got := chain{hex.EncodeToString(sum[:]), len(seen.PeerCertificates)}
	switch {
	case want[got] == 0:
		return chain{}, unwanted(got, want)
	case seen.NegotiatedProtocol == "":
		return chain{}, errors.New("worker agreed on no protocol, want h2 or http/1.1 (ALPN)")
	}
	return got, nil
}

func unwanted(got chain, want map[chain]int) error {
	for c := range want {
		if c.leaf == got.leaf {
			return fmt.Errorf("worker serves a chain of %d certificates, want %d", got.length, c.length)
		}
	}
	if len(want) > 1 {
		return fmt.Errorf("worker serves sha256 %.12s…, which is none of the %d checked", got.leaf, len(want))
	}
	return fmt.Errorf("worker serves sha256 %.12s…, want %.12s…", got.leaf, slices.Collect(maps.Keys(want))[0].leaf)
}

// classical are the groups that a handshake is cheap with, and all workers know: the
// hybrid with ML-KEM costs each side as much again, and what is proven is the
// certificate.
var classical = []tls.CurveID{tls.CurveP256, tls.CurveP384, tls.CurveP521}

// dial opens a private TLS connection. The fingerprint is compared by the
// caller: it proves more than a chain to some root would.
func (p proof) dial(probe *wire.Packets, pair int, host string, protocols []string) (*tls.Conn, error) {
	raw, err := wire.Dial(probe, wire.Probe{TLS: true, Pair: pair, Next: p.next})
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: host, NextProtos: protocols, CurvePreferences: classical})
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
	if p.tls {
		host = cmp.Or(p.pairs[0].host(), host)
		conn, err = p.dial(probe, 1, host, []string{"http/1.1"})
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
func (m *master) describeProofs(workers int) string {
	text := count(workers, "worker") + " ready"
	p := m.proofOf(m.bundle, m.changed)
	if p.tls {
		text += fmt.Sprintf(", each served sha256 %.12s…", p.pairs[0].Fingerprint)
		if more := len(p.pairs) - 1; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
	}
	if p.healthPath != "" {
		text += ", " + p.healthPath + " answered"
	}
	return text
}
