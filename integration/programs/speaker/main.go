package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"

	"example.com/handover/worker"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /say", say)
	mux.HandleFunc("GET /crash", func(http.ResponseWriter, *http.Request) { go crash() })
	mux.HandleFunc("GET /talk", talk)
	mux.HandleFunc("GET /spew", spew)
	mux.HandleFunc("GET /spewed", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, spewed.Load()) })
	log.Fatal(worker.Serve(mux))
}

// say writes a line to standard output, error, or both; or opens a device for it.
func say(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	switch to := r.URL.Query().Get("to"); to {
	case "/dev/stdout", "/dev/stderr":
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer f.Close()
		fmt.Fprintln(f, text)
	case "out":
		fmt.Println(text)
	case "both":
		fmt.Println(text)
		fallthrough
	default:
		fmt.Fprintln(os.Stderr, text)
	}
}

func crash() { panic("speaker: told to panic") }

// talk takes the connection over, and says and sends back each line of its client
// until that hangs up.
func talk(w http.ResponseWriter, _ *http.Request) {
	conn, client, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: talk\r\nConnection: Upgrade\r\n\r\n")
	for {
		line, err := client.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprintln(os.Stderr, strings.TrimSpace(line))
		fmt.Fprint(conn, line)
	}
}

var spewed atomic.Int64

// spew begins to write numbered lines of a hundred bytes.
func spew(w http.ResponseWriter, r *http.Request) {
	lines, err := strconv.Atoi(r.URL.Query().Get("lines"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	go func() {
		for n := range lines {
			fmt.Fprintf(os.Stderr, "spewed %092d\n", n)
			spewed.Add(1)
		}
	}()
}
