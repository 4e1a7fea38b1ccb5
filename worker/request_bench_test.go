package worker

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"example.com/handover/worker/wire"
)

// benchServer is what serves the clients of a worker, without the process around
// it; path: where its access log lies, empty: it has none.
func benchServer(b *testing.B, handler http.Handler, path string) *server {
	b.Helper()
	s := &server{boot: &boot{slot: new(wire.Slot), meter: new(wire.Meter)}, handlers: newTally()}
	s.log = slog.New(slog.DiscardHandler)
	s.roster = newRoster(s.slot, s.meter, limitsOf(wire.Limits{}))
	if path != "" {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		check(b, err)
		b.Cleanup(func() { _ = f.Close() })
		s.access = newAccessLog(f, wire.Settings{}, s.log)
	}
	s.http = s.serving(handler)
	return s
}

// hello is the least that a handler does with an answer.
func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = []string{"text/plain"}
	_, _ = io.WriteString(w, "hello\n")
}

// BenchmarkKeepAlive is a request over a connection that is open already, beside
// what net/http alone makes of it: bare, and with the limits that a worker has.
func BenchmarkKeepAlive(b *testing.B) {
	for _, kind := range []string{"plain", "limited", "worker", "worker+log"} {
		for _, over := range []string{"tcp", "tls"} {
			b.Run(kind+"/"+over, func(b *testing.B) {
				path := ""
				if kind == "worker+log" {
					path = filepath.Join(b.TempDir(), "access")
				}
				w := benchServer(b, http.HandlerFunc(hello), path)
				p := &http.Server{Handler: http.HandlerFunc(hello)}
				if kind == "limited" {
					p.ReadHeaderTimeout, p.IdleTimeout, p.MaxHeaderBytes = w.http.ReadHeaderTimeout, w.http.IdleTimeout, w.http.MaxHeaderBytes
				}
				inner := benchListen(b)
				var l net.Listener = &clients{socket: socket{Listener: inner}, boot: w.boot, roster: w.roster}
				if kind == "plain" || kind == "limited" {
					w.http, l = p, inner
				}
				if over == "tls" {
					pair, err := parse(newPair(b, "localhost"))
					check(b, err)
					l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*pair}})
				}
				askAgain(b, w.http, l, over == "tls")
			})
		}
	}
}

func benchListen(b *testing.B) net.Listener {
	b.Helper()
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	check(b, err)
	return l
}

// askAgain serves l and asks it over one connection.
func askAgain(b *testing.B, s *http.Server, l net.Listener, over bool) {
	served := make(chan struct{})
	go func() { // ends with the server
		defer close(served)
		_ = s.Serve(l)
	}()
	defer func() { _ = s.Close(); <-served }()
	c, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", l.Addr().String())
	check(b, err)
	if over {
		c = tls.Client(c, clientConfig("http/1.1"))
	}
	defer func() { _ = c.Close() }()
	// The client neither parses nor allocates: what is measured is the server.
	ask := []byte("GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\n\r\n")
	answers := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(ask); err != nil {
			b.Fatal(err)
		}
		for {
			line, err := answers.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) == 2 {
				break
			}
		}
		if _, err := answers.Discard(len("hello\n")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWrapping is what a worker adds to a handler, without a socket: it is to
// be held against "none".
func BenchmarkWrapping(b *testing.B) {
	for _, kind := range []string{"none", "worker", "worker+log"} {
		b.Run(kind, func(b *testing.B) {
			path := ""
			if kind == "worker+log" {
				path = os.DevNull
			}
			s := benchServer(b, http.HandlerFunc(hello), path)
			handler := s.http.Handler
			if kind == "none" {
				handler = http.HandlerFunc(hello)
			}
			c := &conn{roster: s.roster, client: true}
			r, err := http.NewRequestWithContext(context.WithValue(b.Context(), connection{}, c), "GET", "/", http.NoBody)
			check(b, err)
			r.RemoteAddr = "127.0.0.1:4711"
			w := nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(w, r)
			}
		})
	}
}
