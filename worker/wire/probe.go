package wire

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// The first byte of a datagram on the probe socketpair says how the connection
// that comes with it is to be served.
const (
	probeTLS   = 't' // as clients of a TLS listener are
	probePlain = 'p' // plain HTTP
)

// Dial opens a private connection to the worker at the other end of p. It does
// not go through a listening socket, where another worker might answer. A worker
// that is gone gives io.EOF.
func Dial(p *Packets, tls bool) (net.Conn, error) {
	ours, theirs, err := Socketpair(unix.SOCK_STREAM, "probe connection")
	if err != nil {
		return nil, err
	}
	defer func() { _ = theirs.Close() }()
	defer func() { _ = ours.Close() }()
	kind := byte(probePlain)
	if tls {
		kind = probeTLS
	}
	if err := p.Send([]byte{kind}, theirs); err != nil {
		return nil, fmt.Errorf("dial worker: %w", err)
	}
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("dial worker: %v", err)
	}
	return conn, nil
}

// Answer waits for the next connection that the other end of p dials, and says
// whether it is to be served with TLS. The other end's death gives io.EOF. A
// datagram of another release, which it does not understand, is passed over.
func Answer(p *Packets) (conn net.Conn, tls bool, err error) {
	for {
		packet, err := p.Receive()
		if err != nil {
			return nil, false, err
		}
		conn, tls, ok := packet.connection()
		packet.Close()
		if ok {
			return conn, tls, nil
		}
	}
}

func (p *Packet) connection() (conn net.Conn, tls, ok bool) {
	if len(p.Data) == 0 || len(p.Files) != 1 || (p.Data[0] != probeTLS && p.Data[0] != probePlain) {
		return nil, false, false
	}
	conn, err := net.FileConn(p.Files[0])
	return conn, p.Data[0] == probeTLS, err == nil
}
