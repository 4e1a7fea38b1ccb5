package worker

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// clients accepts from one listening socket: connections on the roster, with
// TLS around them where the socket asks for it.
type clients struct {
	socket
	*boot
	roster *roster
	over   <-chan struct{} // closed when no client is wanted any more
	closed <-chan struct{} // like over; nil: never
	short  bool            // the last one could not be accepted; of the goroutine that accepts
	queue  *queue          // nil: there is none, and no turn is left to others
}

// Accept waits until there is room, for its turn, and for the next client.
func (l *clients) Accept() (net.Conn, error) {
	if !l.roster.room(l.over, l.closed) {
		return nil, net.ErrClosed
	}
	l.yield()
	return l.accept()
}

// accept waits for the next client. What is wrong with one client, or will pass,
// is no reason to end: the next try comes when something may have changed.
func (l *clients) accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err == nil {
			if l.short {
				l.short = false
				l.slot.Accepting.CompareAndSwap(unable, able) // and not in a drain
			}
			return l.admit(raw), nil
		}
		if !passes(err) {
			return nil, err
		}
		if !l.short {
			l.short = true
			l.slot.Accepting.CompareAndSwap(able, unable)
			l.log.Warn("no client can be accepted for now", "err", err)
		}
		select {
		case <-l.over: // the socket is closed by then, or about to be
		case <-l.closed:
		case <-time.After(again): // and not a token of the roster: who takes one passes it on, but this may wait long
		}
	}
}

// again is how soon another client is tried for.
const again = 100 * time.Millisecond

// passes says whether an error of accept(2) is of one client, of the network, or
// of a moment without memory or descriptors.
func passes(err error) bool {
	return slices.ContainsFunc([]error{
		unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM,
		unix.ECONNABORTED, unix.EPERM, unix.EPROTO, unix.ENOPROTOOPT,
		unix.ENETDOWN, unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.ENETUNREACH,
	}, func(one error) bool { return errors.Is(err, one) })
}

func (l *clients) admit(raw net.Conn) net.Conn {
	c := l.roster.add(raw, true)
	if !l.socket.tls {
		return c
	}
	outer := tls.Server(c, l.boot.tls)
	c.shake(outer)
	return outer
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
	var late <-chan time.Time
	if line.hasStarted() {
		timer := time.NewTimer(unaccepted)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case p.accepted <- c:
	case <-p.closed:
		_ = c.Close()
	case <-late:
		_ = c.Close()
	}
}

// unaccepted is how long a probe waits for a program with a server of its own that
// serves already. One that limits its connections accepts nobody while it has them
// all. That is no sign of being hung: the end of the probe tells the master that
// somebody lives here.
const unaccepted = 2 * time.Second

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
