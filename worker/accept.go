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
		var c net.Conn = p.roster.add(raw, false)
		if probe.TLS {
			config := p.configFor(probe)
			if config == nil {
				_ = c.Close()
				continue
			}
			c = tls.Server(c, config)
		}
		p.offer(c)
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

// configFor returns what a probe is to be served with: the clients' configuration,
// or one that differs from it only in knowing a single pair. It is nil if there
// is none.
func (b *boot) configFor(probe wire.Probe) *tls.Config {
	if b.tls == nil || probe.Pair == 0 {
		return b.tls
	}
	if probe.Pair > len(b.certificates.all) {
		return nil
	}
	only := b.certificates.all[probe.Pair-1]
	config := b.tls.Clone()
	config.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return only.load() }
	return config
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
