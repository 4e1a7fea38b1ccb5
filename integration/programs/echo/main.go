package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/handover/worker"
)

func main() {
	folder := flag.String("behaviour", ".", "folder of the files that say how to behave")
	flag.Parse()
	boot(read(*folder, "boot"))
	log.Fatal(worker.Serve(handler(*folder, read(*folder, "marker"))))
}

func read(folder, name string) string {
	b, _ := os.ReadFile(filepath.Join(folder, name))
	return strings.TrimSpace(string(b))
}

func boot(order string) {
	word, argument, _ := strings.Cut(order, " ")
	switch word {
	case "exit":
		code, _ := strconv.Atoi(argument)
		fmt.Fprintln(os.Stderr, "echo: told to exit")
		os.Exit(code)
	case "panic":
		panic("echo: told to panic")
	case "hang":
		select {}
	case "sleep":
		d, _ := time.ParseDuration(argument)
		time.Sleep(d)
	}
}

func handler(folder, marker string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		// Read to the end first: an HTTP/1.1 client here writes its whole body
		// before it reads.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, marker) })
	mux.HandleFunc("GET /pid", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("GET /collect", func(http.ResponseWriter, *http.Request) { runtime.GC() })
	mux.HandleFunc("GET /slow", slow)
	mux.HandleFunc("GET /orphan", orphan)
	mux.HandleFunc("GET /hold", hold)
	mux.HandleFunc("GET /talk", talk)
	mux.HandleFunc("GET /open", open)
	mux.HandleFunc("GET /memfds", memfds)
	mux.HandleFunc("GET /inherited", inherited)
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		order := held(r, folder)
		if code, err := strconv.Atoi(order); err == nil {
			w.WriteHeader(code)
		}
	})
	return mux
}

// held reads the order for /health, and waits as long as it is "block".
func held(r *http.Request, folder string) string {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		order := read(folder, "health")
		if order != "block" {
			return order
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return ""
		}
	}
}

// orphan leaves a process behind whose parent ends before it does.
func orphan(w http.ResponseWriter, _ *http.Request) {
	if err := exec.Command("/bin/sh", "-c", "sleep 0.2 >/dev/null 2>&1 &").Run(); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// hold takes the connection over, as a websocket does, says when the worker
// begins to drain, and keeps the connection until the client ends it.
func hold(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\nheld\n")
	<-worker.Draining()
	fmt.Fprint(conn, "draining\n..")
	_, _ = conn.Read(make([]byte, 1))
}

// talk takes the connection over and sends back every byte until the client ends
// it, as a websocket that nobody closes.
func talk(w http.ResponseWriter, _ *http.Request) {
	conn, client, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: talk\r\nConnection: Upgrade\r\n\r\n")
	_, _ = io.Copy(conn, client)
}

// open tries to read a file as the worker's user.
func open(w http.ResponseWriter, r *http.Request) {
	if _, err := os.ReadFile(r.URL.Query().Get("path")); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
	}
}

// memfds tries to change the sealed memory that this process serves from: by the
// descriptor, if there still is one, and by making the mapping writable.
func memfds(w http.ResponseWriter, _ *http.Request) {
	report := func(what string, err error) {
		if err == nil {
			fmt.Fprintln(w, what, "written")
		} else {
			fmt.Fprintln(w, what, "refused:", err)
		}
	}
	held, _ := filepath.Glob("/proc/self/fd/*")
	for _, path := range held {
		if link, err := os.Readlink(path); err != nil || !strings.Contains(link, "memfd:handover-bundle") {
			continue
		}
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("x"), 0)
			report("grow", f.Truncate(1<<20))
			report("shrink", f.Truncate(0))
			_ = f.Close()
		}
		report("write", err)
	}
	maps, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil || !strings.Contains(line, "memfd:handover-bundle") {
			continue
		}
		_, _, errno := syscall.Syscall(syscall.SYS_MPROTECT, from, to-from, syscall.PROT_READ|syscall.PROT_WRITE)
		if errno == 0 {
			report("map", nil)
		} else {
			report("map", errno)
		}
	}
}

// slow answers its first byte at once and the last after d.
func slow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("d"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintln(w, "begun")
	_ = http.NewResponseController(w).Flush()
	select {
	case <-time.After(d):
		fmt.Fprintln(w, "ended")
	case <-r.Context().Done():
	}
}

// inherited says what a process that a handler starts finds: its environment
// and the descriptors it was given.
func inherited(w http.ResponseWriter, _ *http.Request) {
	list, err := exec.Command("/bin/sh", "-c", "ls /proc/$$/fd").Output()
	environment, envErr := exec.Command("/usr/bin/env").Output()
	if err := errors.Join(err, envErr); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string][]string{
		"descriptors": strings.Fields(string(list)),
		"environment": strings.Split(strings.TrimSpace(string(environment)), "\n"),
	})
}
