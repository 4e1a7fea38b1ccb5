package worker

import (
	"crypto/x509"
	"errors"
	"net/http"

	"example.com/handover/worker/wire"
)

var (
	errUnsupervised = errors.New("no supervisor started this worker; start it with: handover run -- ./program")
	errServedTwice  = errors.New("serve: a worker serves once, by Serve or by Listeners")
)

// Supervised says whether a supervisor started this process as a worker.
func Supervised() bool { return wire.Role() == wire.RoleWorker }

// Serve serves the supervisor's listeners with handler until this worker is told
// to go. When the drain is complete it ends the process with status 0, after the
// functions given to AtExit; so it returns only an error, which says why it could
// not serve, and log.Fatal(worker.Serve(handler)) is a whole main function.
func Serve(handler http.Handler) error {
	if err := serve(handler); err != nil {
		return err
	}
	line.leave()
	return nil
}

// AtExit has Serve call f after the drain, before it ends the process; the last
// one given is called first. It is the place to flush what requests left behind.
func AtExit(f func()) { line.atExit(f) }

func serve(handler http.Handler) error {
	b, err := line.prepare()
	if err != nil {
		return err
	}
	s, err := newServer(b, handler)
	if err != nil {
		return line.fail(err)
	}
	return s.run(line)
}

// Draining returns a channel that is closed when this worker stops accepting.
// Whoever holds a connection of its own, such as a websocket, then has until
// graceful_timeout to end it.
func Draining() <-chan struct{} { return line.draining }

// Identity says which worker answers, and with which certificate.
type Identity struct {
	Generation  int
	Slot        int
	Certificate *x509.Certificate // nil over plain HTTP
}

// Identify returns the identity under which this worker answers r. Before it
// serves, and without a supervisor, it is empty. The certificate is that of the
// connection, whatever has been rotated since; where its session was resumed, the
// one that a full handshake would have got. A server that came by Listeners does
// not say on which connection r arrived: there it is the one that a new client of
// the same name gets.
func Identify(r *http.Request) Identity {
	b := line.boot.Load()
	if b == nil {
		return Identity{}
	}
	id := Identity{Generation: b.settings.Generation, Slot: b.settings.Slot}
	if r.TLS != nil && b.rotation != nil {
		id.Certificate = b.rotation.leaf(r)
	}
	return id
}
