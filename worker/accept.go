package worker

import (
	"crypto/tls"
	"net"
	"sync"

	"example.com/handover/worker/wire"
)

// clients accepts from one listening socket: connections on the roster, with
// TLS around them where the socket asks for it.
type clients struct {
	socket
	roster *roster
	config *tls.Config
}

// Accept waits for the next client.
func (l *clients) Accept() (net.Conn, error) {
	raw, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := l.roster.add(raw, true)
	if l.tls {
		return tls.Server(c, l.config), nil
	}
	return c, nil
}

// probes is the listener of the private connections that the master dials. It
// outlives its master: Accept then waits for Close.
type probes struct {
	*boot
	roster   *roster
	accepted chan net.Conn
	closed   chan struct{}
	closing  sync.Once
}

// newProbes starts the goroutine that receives; it ends with the master or Close.
func newProbes(b *boot, r *roster) *probes {
	p := &probes{boot: b, roster: r, accepted: make(chan net.Conn), closed: make(chan struct{})}
	go p.receive()
	return p
}

func (p *probes) receive() {
	for {
		raw, probe, err := wire.Answer(p.packets)
		if err != nil {
			return
		}
		c := p.roster.add(raw, false)
		c.probe = probe
		switch {
		case !probe.TLS:
			p.offer(c)
		case p.tls == nil:
			_ = c.Close()
		default:
			p.offer(tls.Server(c, p.tls))
		}
	}
}

// offer waits until a probe is accepted, or closes it with the listener.
func (p *probes) offer(c net.Conn) {
	select {
	case p.accepted <- c:
	case <-p.closed:
		_ = c.Close()
	}
}

// Accept waits for the next probe.
func (p *probes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and the receiving.
func (p *probes) Close() error {
	p.closing.Do(func() {
		close(p.closed)
		_ = p.packets.Close()
	})
	return nil
}

// Addr returns the address of nothing that can be dialled.
func (p *probes) Addr() net.Addr { return &net.UnixAddr{Name: wire.DescriptorProbe, Net: "unix"} }
