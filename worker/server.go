package worker

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handover/worker/wire"
)

// server serves the clients and probes of one worker. Its goroutines are one
// accept loop for each socket and one for the probes; draining is written by
// drain alone.
type server struct {
	*boot
	http     *http.Server
	streams  *http.Server // serves nothing; its Shutdown sends HTTP/2 clients the second GOAWAY
	roster   *roster
	handlers *tally // running for clients
	probes   *probes
	draining atomic.Bool
	loops    sync.WaitGroup // accepting clients
	say      func(wire.Message) error
}

// connection is the context key of a request's *conn.
type connection struct{}

// connOf returns the connection of a request, or nil if it is not ours.
func connOf(r *http.Request) *conn {
	c, _ := r.Context().Value(connection{}).(*conn)
	return c
}

func newServer(b *boot, handler http.Handler) (*server, error) {
	if handler == nil {
		handler = http.DefaultServeMux
	}
	s := &server{boot: b, roster: newRoster(b.slot, b.meter, limitsOf(b.settings.Limits)), handlers: newTally(), say: line.say}
	s.probes = newProbes(b, s.roster)
	s.http = s.serving(handler)
	return s, s.configureHTTP2()
}

// serving returns what serves clients and probes over HTTP/1.1.
func (s *server) serving(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.counted(s.recorded(handler)),
		ReadHeaderTimeout: s.roster.limits.Header,
		IdleTimeout:       s.roster.limits.Idle,
		MaxHeaderBytes:    s.roster.limits.HeaderSize,
		ErrorLog:          log.New(complaints{s.log}, "", 0),
		ConnState:         observe,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connection{}, inner(c))
		},
	}
}

// counted counts the running handlers and the answered requests, and lets a
// drain put its word into the HTTP/1 responses. An HTTP/2 response stays bare:
// x/net/http2 would take "Connection: close" for a final GOAWAY.
func (s *server) counted(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := connOf(r)
		pause := s.roster.limits.Body
		if r.Body == http.NoBody {
			pause = 0
		}
		if r.ProtoMajor == 1 {
			one := &response{ResponseWriter: w, conn: c, draining: &s.draining}
			if c.client {
				s.begin(&one.outcome)
				defer s.answered(r, &one.outcome)
			}
			serveOne(handler, one, r, pause)
			one.returned = true
			return
		}
		stream := &streamResponse{ResponseWriter: w}
		if c.client {
			s.begin(&stream.outcome)
			defer s.answered(r, &stream.outcome)
		}
		serveStream(handler, stream, r, pause)
		stream.returned = true
	})
}

func (s *server) begin(o *outcome) {
	s.handlers.begin()
	o.began = s.roster.now()
}

// serveOne serves an HTTP/1 request, whose body may pause for so long; 0: for ever.
func serveOne(handler http.Handler, w *response, r *http.Request, pause time.Duration) {
	w.conn.phase.Store(asked)
	if pause == 0 {
		handler.ServeHTTP(w, r)
	} else {
		w.body = w.conn.watch(r.Body, pause)
		withBody(handler, w, r, w.body)
		w.body.expectRest() // ends with the request
	}
	w.decide() // net/http writes the header of an empty response
}

// run proves itself, accepts clients from "go" on, and returns after the drain.
func (s *server) run(l *lifeline) error {
	var proof sync.WaitGroup
	proof.Go(func() { _ = s.http.Serve(s.probes) })
	defer proof.Wait()
	if err := l.ready(); err != nil {
		_ = s.http.Close()
		return err
	}
	<-l.started
	s.slot.Accepting.Store(able)
	failed := make(chan error, len(s.sockets))
	for _, socket := range s.sockets {
		// At once and not when the first turn is left to others: how many descriptors a
		// worker has must not depend on who came.
		q, err := openQueue(socket.Listener, l.ending)
		if err != nil {
			s.log.Warn("clients are not shared evenly", "err", err)
		}
		accepting := &clients{socket: socket, boot: s.boot, roster: s.roster, over: l.ending, queue: q}
		s.loops.Go(func() { failed <- s.http.Serve(accepting) })
	}
	var err error
	select {
	case <-l.ending:
	case err = <-failed:
		s.log.Error("accept clients", "err", err)
		l.stop() // those of other sockets may wait for room, or for a turn
	}
	s.slot.Accepting.Store(0)
	s.drain(func() {
		l.stopAccepting()
		l.tellDraining()
	})
	s.access.flush()
	return err
}

// complaints is the writer behind http.Server.ErrorLog. What it has to say of
// clients (failed handshakes, mostly) is noise, but a panic of a handler is not.
type complaints struct{ log *slog.Logger }

// Write logs one line.
func (c complaints) Write(line []byte) (int, error) {
	level := slog.LevelDebug
	if bytes.Contains(line, []byte("panic serving")) {
		level = slog.LevelError
	}
	if c.log.Enabled(context.Background(), level) {
		c.log.Log(context.Background(), level, "http server", "text", string(bytes.TrimSpace(line)))
	}
	return len(line), nil
}
