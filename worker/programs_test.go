package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

// programs are what the test binary can be when started as a worker.
var programs = map[string]func() error{
	"serve":   func() error { return Serve(routes()) },
	"foreign": foreign,
	"idle":    func() error { select {} },
	"deaf":    deaf,
	"limited": limited,
	"stubborn": func() error {
		AtExit(func() { select {} })
		return Serve(routes())
	},
	"late":      late,
	"exhausted": exhausted,
	"twice": func() error {
		go func() { _ = Serve(routes()) }()
		<-line.started
		return Serve(routes())
	},
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Generation", strconv.Itoa(Identify(r).Generation))
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /hijack", hijack)
	mux.HandleFunc("GET /long", takeLong)
	mux.HandleFunc("GET /save", save)
	mux.HandleFunc("GET /certificate", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, Identify(r).Certificate.SerialNumber)
	})
	mux.HandleFunc("GET /draining", func(w http.ResponseWriter, _ *http.Request) {
		<-Draining()
		_, _ = fmt.Fprint(w, "draining")
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	mux.HandleFunc("GET /moved", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("GET /print", func(_ http.ResponseWriter, _ *http.Request) { fmt.Println("printed") })
	mux.HandleFunc("POST /unread", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "not of interest") })
	mux.HandleFunc("/linger", linger)
	bodies(mux)
	mux.HandleFunc("POST /notified", notified)
	mux.HandleFunc("GET /log", func(_ http.ResponseWriter, _ *http.Request) { fmt.Fprintln(os.Stderr, "logged") })
	return mux
}

// hijack says hello, draining once that is so, and whatever it is told.
func hijack(w http.ResponseWriter, _ *http.Request) {
	c, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	_, _ = fmt.Fprintln(c, "hello")
	go func() {
		<-Draining()
		_, _ = fmt.Fprintln(c, "draining")
	}()
	_, _ = io.Copy(c, buffered)
}

// takeLong sends its header at once, and the rest a while after the drain began.
func takeLong(w http.ResponseWriter, r *http.Request) {
	rest, err := time.ParseDuration(r.FormValue("rest"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = fmt.Fprintln(w, "begun")
	w.(http.Flusher).Flush()
	<-Draining()
	<-time.After(rest)
	_, _ = fmt.Fprintln(w, "ended")
}

// save hijacks its connection, closes it when the drain begins, and then saves
// its state, as soon as the test lets it.
func save(w http.ResponseWriter, r *http.Request) {
	dir := r.FormValue("dir")
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = fmt.Fprintln(c, "hello")
	<-Draining()
	_ = c.Close()
	hold, err := os.Open(filepath.Join(dir, "hold"))
	if err != nil {
		return
	}
	defer func() { _ = hold.Close() }()
	if _, err := hold.Read(make([]byte, 1)); err == nil {
		_ = os.WriteFile(filepath.Join(dir, "state"), []byte("saved"), 0o600)
	}
}

// limited is a program that serves one connection at a time.
func limited() error {
	listeners, err := Listeners()
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes()}
	go func() { _ = server.Serve(netutil.LimitListener(listeners[0], 1)) }()
	<-Draining()
	return server.Shutdown(context.Background())
}

// foreign is a program with a server of its own.
func foreign() error {
	listeners, err := Listeners()
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes()}
	var loops sync.WaitGroup
	for _, l := range listeners {
		loops.Go(func() {
			if err := server.Serve(l); !errors.Is(err, net.ErrClosed) {
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	<-Draining()
	loops.Wait()
	return server.Shutdown(context.Background())
}

// late is a program whose own start takes until the master has ordered something.
func late() error {
	<-line.orders.more
	select {
	case line.orders.more <- struct{}{}:
	default:
	}
	return Serve(routes())
}

// deaf accepts, and does not care about drains.
func deaf() error {
	listeners, err := Listeners()
	if err != nil {
		return err
	}
	for {
		_, _ = listeners[0].Accept()
	}
}
