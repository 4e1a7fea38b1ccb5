package worker

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// registering is how long a drain leaves the program to take up what it accepted,
// and to read what is there, before Draining tells it to shut down.
const registering = 100 * time.Millisecond

// Listeners returns the supervisor's listeners, in the order of its
// configuration, for a program that brings its own server. TLS is applied:
// Accept returns a *tls.Conn that offers h2 and http/1.1, on plain listeners a
// bare connection, and on any of them the private connections by which the
// master proves this worker; those with whichever of the two they ask for. The
// first Accept says ready. Clients arrive from the master's "go" on.
//
// When the drain begins, Accept returns net.ErrClosed, and so the program's
// server returns from its Serve. That is not the time to exit: requests are still
// being answered. A moment later Draining is closed; then it is for the program to
// shut its server down, gracefully, and to exit. At graceful_timeout the process
// is ended.
//
// A connection that no Accept asked for stays in the socket for the next
// generation, so a server that limits its connections loses none. What happens to
// accepted ones is the program's: http.Server.Shutdown loses the next request of
// kept-alive HTTP/1 clients now and then. That they lose nothing either is
// promised by Serve alone. Nor is there an access log: what a request is, the
// program's server knows.
func Listeners() ([]net.Listener, error) {
	b, err := line.prepare()
	if err != nil {
		return nil, err
	}
	g := &gate{boot: b, line: line, roster: newRoster(b.slot, b.meter, limitsOf(b.settings.Limits))}
	g.probes = newProbes(b, g.roster)
	if b.access != nil && b.settings.Slot == 1 { // said once for all workers
		b.log.Warn("no access log is written: this program serves by Listeners, and knows its requests alone")
	}
	listeners := make([]net.Listener, 0, len(b.sockets))
	for _, socket := range b.sockets {
		l := &gatedListener{
			gate: g, socket: socket,
			wanted: make(chan struct{}), accepted: make(chan acceptance), closed: make(chan struct{}),
		}
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
	g.pumps.Wait()
	g.line.stopAccepting()
	<-time.After(registering)
	g.line.tellDraining()
	<-timeout
	g.roster.abandon()
	g.log.Warn("process ended at graceful timeout", "graceful_timeout", g.settings.GracefulTimeout)
	os.Exit(0)
}

// gatedListener merges the clients of one socket, from "go" on, with the probes.
type gatedListener struct {
	*gate
	socket   socket
	wanted   chan struct{} // an Accept asks pump for one client and waits for it
	accepted chan acceptance
	closed   chan struct{}
	closing  sync.Once
}

// acceptance is what an Accept returned.
type acceptance struct {
	conn net.Conn
	err  error
}

// pump accepts a client whenever an Accept wants one, and none besides: what the
// program did not ask for belongs to whoever else has the socket. It ends with
// the drain or Close; both close the socket, so that no Accept is left waiting.
func (l *gatedListener) pump() {
	select {
	case <-l.line.started:
	case <-l.closed:
		return
	}
	clients := &clients{socket: l.socket, boot: l.boot, roster: l.roster, over: l.line.ending, closed: l.closed}
	for l.roster.room(l.line.ending, l.closed) {
		select {
		case <-l.wanted:
		case <-l.line.ending:
			return
		case <-l.closed:
			return
		}
		c, err := clients.accept()
		if errors.Is(err, net.ErrClosed) {
			err = net.ErrClosed
		}
		l.accepted <- acceptance{c, err}
	}
}

// Accept waits for the next client or probe.
func (l *gatedListener) Accept() (net.Conn, error) {
	l.proof.Do(func() { _ = l.line.ready() })
	select {
	case l.wanted <- struct{}{}:
		return l.await()
	case probe := <-l.probes.accepted:
		return probe, nil
	case <-l.line.ending:
		return nil, net.ErrClosed
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// await waits for the client that pump accepts. A probe that comes first has pump
// give up, and waits its turn if a client came all the same.
func (l *gatedListener) await() (net.Conn, error) {
	select {
	case a := <-l.accepted:
		if errors.Is(a.err, os.ErrDeadlineExceeded) {
			return l.Accept() // meant for another goroutine, which a probe interrupted
		}
		return a.conn, a.err
	case probe := <-l.probes.accepted:
		l.limitAccept(time.Now())
		a := <-l.accepted
		l.limitAccept(time.Time{})
		if errors.Is(a.err, os.ErrDeadlineExceeded) {
			return probe, nil
		}
		go l.probes.offer(probe)
		return a.conn, a.err
	}
}

// limitAccept sets a deadline, which TCP and unix sockets have.
func (l *gatedListener) limitAccept(t time.Time) {
	if s, ok := l.socket.Listener.(interface{ SetDeadline(time.Time) error }); ok {
		_ = s.SetDeadline(t)
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
