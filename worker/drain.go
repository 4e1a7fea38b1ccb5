package worker

import (
	"context"
	"os"
	"time"

	"example.com/handover/worker/wire"
)

const (
	// silence is how long a connection on which a request may be on its way may
	// send nothing, once the grace is over. A handshake over a slow network pauses
	// for less.
	silence = time.Second
	// settleTimeout bounds the wait for a request that arrives byte by byte.
	settleTimeout = 5 * time.Second
	// afterwards is how long the functions given to AtExit may take once the
	// graceful timeout is over.
	afterwards = 5 * time.Second
)

// drain ends this server without losing a request; doc.go has the order and why.
// It calls stopped when no client can be accepted any more.
func (s *server) drain(stopped func()) {
	go s.limit()
	ctx, cancel := context.WithTimeout(context.Background(), s.settings.GracefulTimeout)
	defer cancel()
	s.draining.Store(true)
	for _, socket := range s.sockets {
		_ = socket.Close()
	}
	// An accept loop that has ended has handed over all that it accepted.
	s.loops.Wait()
	stopped()
	s.announce()

	grace, cancelGrace := context.WithTimeout(ctx, s.settings.KeepaliveGrace)
	defer cancelGrace()
	left := s.roster.clients.wait(grace)
	s.log.Debug("keep-alive grace over", "connections", left)

	_ = s.streams.Shutdown(ctx)
	s.roster.settle(ctx, s.settings.KeepaliveGrace)

	// From here on net/http drops a request whose header it reads, and closes
	// what is idle. An HTTP/2 connection that was about to register with streams
	// when the grace ended has not been told twice yet.
	_ = s.streams.Shutdown(ctx)
	_ = s.http.Shutdown(ctx)
	if left := s.roster.clients.wait(ctx); left > 0 {
		s.meter.Add(wire.ConnectionsCut, uint64(left))
		s.log.Warn("connections cut at graceful timeout", "connections", left, "graceful_timeout", s.settings.GracefulTimeout)
	} else if left := s.handlers.wait(ctx); left > 0 {
		// A handler may have closed its connection and still have something to save.
		s.log.Warn("handlers cut at graceful timeout", "handlers", left, "graceful_timeout", s.settings.GracefulTimeout)
	}
	_ = s.http.Close()
	s.roster.cut()
}

// limit ends the process if the program's own code does not let it end.
func (b *boot) limit() {
	<-time.After(b.settings.GracefulTimeout + afterwards)
	b.log.Error("process ended: it hung after its drain", "graceful_timeout", b.settings.GracefulTimeout)
	os.Exit(1)
}
