package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net/http"
	"time"

	"example.com/handover/worker"
	"github.com/coder/websocket"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err == nil {
			_, _ = w.Write(body)
		}
	})
	mux.HandleFunc("GET /generation", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, worker.Identify(r).Generation) })
	mux.HandleFunc("GET /websocket", socket)
	mux.HandleFunc("GET /hijack", hijack)
	mux.HandleFunc("GET /events", events)
	mux.HandleFunc("GET /poll", poll)
	mux.HandleFunc("POST /sum", sum)
	log.Fatal(worker.Serve(mux))
}

// socket echoes messages, and says "draining" when that is so. With ?leave it then
// says goodbye, as a program should; else it stays for as long as it may.
func socket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = c.CloseNow() }()
	leave := r.URL.Query().Has("leave")
	ended := make(chan struct{})
	defer close(ended)
	go func() { // ends with the handler
		select {
		case <-worker.Draining():
		case <-ended:
			return
		}
		if leave {
			_ = c.Close(websocket.StatusGoingAway, "draining")
			return
		}
		_ = c.Write(context.Background(), websocket.MessageText, []byte("draining"))
	}()
	for {
		kind, words, err := c.Read(context.Background())
		if err != nil || c.Write(context.Background(), kind, words) != nil {
			return
		}
	}
}

// hijack takes the connection over and echoes lines.
func hijack(w http.ResponseWriter, _ *http.Request) {
	c, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer func() { _ = c.Close() }()
	fmt.Fprint(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: lines\r\nConnection: Upgrade\r\n\r\n")
	go func() { // ends with the drain, or the process
		<-worker.Draining()
		fmt.Fprintln(c, "draining")
	}()
	for lines := bufio.NewScanner(buffered); lines.Scan(); {
		fmt.Fprintln(c, lines.Text())
	}
}

// events sends server-sent events until the client goes, and one that says when
// the drain has begun.
func events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	draining := worker.Draining()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
			fmt.Fprintf(w, "data: %d\n\n", n)
		case <-draining:
			draining = nil
			fmt.Fprint(w, "data: draining\n\n")
		case <-r.Context().Done():
			return
		}
		if out.Flush() != nil {
			return
		}
	}
}

// poll answers when there is news, here a drain; or after d.
func poll(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("d"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	news := worker.Draining()
	if r.URL.Query().Has("deaf") {
		news = nil
	}
	select {
	case <-news:
		fmt.Fprint(w, "draining")
	case <-time.After(d):
		fmt.Fprint(w, "nothing")
	case <-r.Context().Done():
	}
}

// sum answers the length and SHA-256 of what was sent.
func sum(w http.ResponseWriter, r *http.Request) {
	hash := sha256.New()
	n, err := io.Copy(hash, r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%d %x", n, hash.Sum(nil))
}
