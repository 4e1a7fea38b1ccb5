package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// ProtocolVisit is offered, besides others, by a master that asks a public address
// whether it serves what was taken: it breaks the handshake off once it has seen the
// certificate, which is nobody's failure (RFC 7301).
const ProtocolVisit = "handover-visit"

// Probe says how a private connection is to be served: the zero Probe in plain
// HTTP, TLS alone as a client of a TLS listener is.
type Probe struct {
	TLS  bool
	Pair int  // with TLS: by exactly this pair of the bundle, from 1; 0: by the one that a client would get
	Next bool // with TLS: from the bundle that was prepared and is not served yet
}

// A probe is encoded in 6 bytes: the version, what is wanted, and the number of
// the pair, big-endian.
const (
	probeSize     = 6
	probePlain    = 'p'
	probeTLS      = 't'
	probePair     = 'c'
	probeNext     = 'n'
	probeNextPair = 'x'
)

func encodeProbe(p Probe) []byte {
	kind := byte(probePlain)
	switch {
	case p.TLS && p.Next && p.Pair > 0:
		kind = probeNextPair
	case p.TLS && p.Next:
		kind = probeNext
	case p.TLS && p.Pair > 0:
		kind = probePair
	case p.TLS:
		kind = probeTLS
	}
	return binary.BigEndian.AppendUint32([]byte{Version, kind}, uint32(p.Pair))
}

// decodeProbe says of what is no probe, or one that only another release knows,
// that it is not ok.
func decodeProbe(b []byte) (p Probe, ok bool) {
	if len(b) != probeSize || Judge("probe", int(b[0]), HintBuild) != nil {
		return Probe{}, false
	}
	kind := b[1]
	p = Probe{TLS: kind != probePlain, Next: kind == probeNext || kind == probeNextPair, Pair: int(binary.BigEndian.Uint32(b[2:]))}
	switch kind {
	case probePlain, probeTLS, probeNext:
		return p, p.Pair == 0
	case probePair, probeNextPair:
		return p, p.Pair > 0
	default:
		return Probe{}, false
	}
}

// Dial opens a private connection to the worker at the other end of p. It does
// not go through a listening socket, where another worker might answer. A worker
// that is gone gives io.EOF.
func Dial(p *Packets, probe Probe) (net.Conn, error) {
	ours, theirs, err := Socketpair(unix.SOCK_STREAM, "probe connection")
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	defer func() { _ = ours.Close() }()
	if err := p.Send(encodeProbe(probe), theirs); err != nil {
		return nil, fmt.Errorf("dial worker: %w", err)
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("dial worker: %v", err)
	}
	return conn, nil
}

// Answer waits for the next connection that the other end of p dials, and says
// how it is to be served. The other end's death gives io.EOF. A datagram of
// another release, which it does not understand, is passed over, and so is one
// whose connection could not be received: who dialled sees it end.
func Answer(p *Packets) (net.Conn, Probe, error) {
	for {
		packet, err := p.Receive()
		if err != nil && !errors.Is(err, ErrCut) {
			return nil, Probe{}, err
		}
		probe, ok := decodeProbe(packet.Data)
		if !ok || len(packet.Files) != 1 {
			packet.Close()
			continue
		}
		conn, err := net.FileConn(packet.Files[0])
		packet.Close()
		if err == nil {
			return conn, probe, nil
		}
	}
}
