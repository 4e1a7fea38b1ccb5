package worker

import (
	"context"
	"time"
)

const (
	// silence is how long a connection without a request may send nothing, once
	// the grace is over. A handshake over a slow network pauses for less.
	silence = time.Second
	// settleTimeout bounds the wait for first requests that arrive byte by byte.
	settleTimeout = 5 * time.Second
)

// drain ends this server without losing a request; doc.go has the order and why.
// It calls stopped when no client can be accepted any more.
func (s *server) drain(stopped func()) {
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
	left := s.roster.waitEmpty(grace)
	s.log.Debug("keep-alive grace over", "connections", left)

	settling, cancelSettling := context.WithTimeout(ctx, settleTimeout)
	defer cancelSettling()
	s.roster.settle(settling, silence)

	// From here on net/http drops a request whose header it reads, and closes
	// what is idle.
	_ = s.http.Shutdown(ctx)
	if left := s.roster.waitEmpty(ctx); left > 0 {
		s.log.Warn("connections cut at graceful timeout", "connections", left, "graceful_timeout", s.settings.GracefulTimeout)
	}
	_ = s.http.Close()
	s.roster.cut()
}
