package worker

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// handOver is how long a drain waits for the program to take what was accepted.
const handOver = time.Second

// Listeners returns the supervisor's listeners, in the order of its
// configuration, for a program that brings its own server. TLS is applied:
// Accept returns a *tls.Conn that offers h2 and http/1.1, on plain listeners a
// bare connection, and on any of them the private connections by which the
// master proves this worker; those with whichever of the two they ask for. The
// first Accept says ready. Clients arrive from the master's "go" on. When the
// drain begins, Accept returns net.ErrClosed and Draining is closed; then it is
// for the program to finish what it has and to exit, and graceful_timeout later
// the process ends.
func Listeners() ([]net.Listener, error) {
	b, err := line.prepare()
	if err != nil {
		return nil, err
	}
	g := &gate{boot: b, line: line, roster: newRoster(b.slot)}
	g.probes = newProbes(b, g.roster)
	listeners := make([]net.Listener, 0, len(b.sockets))
	for _, socket := range b.sockets {
		l := &gatedListener{gate: g, socket: socket, accepted: make(chan acceptance), closed: make(chan struct{})}
		g.pumps.Go(l.pump)
		listeners = append(listeners, l)
	}
	go g.watch()
	return listeners, nil
}

// gate is what the listeners of a foreign server share.
type gate struct {
	*boot
	line   *lifeline
	roster *roster
	probes *probes
	proof  sync.Once
	pumps  sync.WaitGroup
}

// watch waits for the drain and sees to its end; it ends with the process.
func (g *gate) watch() {
	<-g.line.ending
	timeout := time.After(g.settings.GracefulTimeout)
	for _, socket := range g.sockets {
		_ = socket.Close()
	}
	taken := make(chan struct{})
	go func() {
		g.pumps.Wait()
		close(taken)
	}()
	select {
	case <-taken:
	case <-time.After(handOver):
	}
	g.line.stopAccepting()
	<-timeout
	g.log.Warn("process ended at graceful timeout", "graceful_timeout", g.settings.GracefulTimeout)
	os.Exit(0)
}

// gatedListener merges the clients of one socket, from "go" on, with the probes.
type gatedListener struct {
	*gate
	socket   socket
	accepted chan acceptance // closed by pump
	closed   chan struct{}
	closing  sync.Once
}

// acceptance is what an Accept returned.
type acceptance struct {
	conn net.Conn
	err  error
}

// pump accepts clients until its socket is closed; what it has accepted by then
// it still delivers.
func (l *gatedListener) pump() {
	defer close(l.accepted)
	select {
	case <-l.line.started:
	case <-l.closed:
		return
	}
	clients := &clients{socket: l.socket, roster: l.roster, config: l.tls}
	for {
		c, err := clients.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case l.accepted <- acceptance{c, err}: // an error such as EMFILE passes; the server waits as it sees fit
		case <-l.closed:
			if c != nil {
				_ = c.Close()
			}
			return
		}
	}
}

// Accept waits for the next client or probe.
func (l *gatedListener) Accept() (net.Conn, error) {
	l.proof.Do(func() { _ = l.line.ready() })
	select {
	case a, ok := <-l.accepted:
		if !ok {
			return nil, net.ErrClosed
		}
		return a.conn, a.err
	case c := <-l.probes.accepted:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close closes this worker's copy of the socket.
func (l *gatedListener) Close() error {
	l.closing.Do(func() {
		close(l.closed)
		_ = l.socket.Close()
	})
	return nil
}

// Addr returns the address of the socket.
func (l *gatedListener) Addr() net.Addr { return l.socket.Addr() }
