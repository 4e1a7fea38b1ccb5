package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"example.com/handover/worker"
)

// everything is the lock that all handlers take.
var everything sync.Mutex

// hoard keeps what was leaked.
var hoard struct {
	sync.Mutex
	kept [][]byte
}

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		_, _ = w.Write(body)
	})
	mux.HandleFunc("GET /health", locked(func(http.ResponseWriter, *http.Request) {}))
	mux.HandleFunc("GET /pid", locked(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) }))
	mux.HandleFunc("GET /freeze", locked(freeze))
	mux.HandleFunc("GET /stuck", stuck)
	mux.HandleFunc("GET /leak", leak)
	mux.HandleFunc("GET /exit", exit)
	mux.HandleFunc("GET /crash", func(http.ResponseWriter, *http.Request) { go crash() })
	log.Fatal(worker.Serve(mux))
}

func locked(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		everything.Lock()
		defer everything.Unlock()
		h(w, r)
	}
}

// freeze never gives the lock back.
func freeze(http.ResponseWriter, *http.Request) { select {} }

// stuck makes a system call that never returns on every thread that Go code may
// run on, unknown to the scheduler: nothing else in the process runs any more.
func stuck(http.ResponseWriter, *http.Request) {
	for range runtime.GOMAXPROCS(0) {
		var fds [2]int
		if err := syscall.Pipe(fds[:]); err != nil {
			panic(err)
		}
		go forever(fds[0])
	}
}

func forever(fd int) {
	b := make([]byte, 1)
	for {
		_, _, _ = syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), 1)
	}
}

// leak keeps as many MiB as it is told to.
func leak(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("mib"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for range n {
		b := make([]byte, 1<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		hoard.Lock()
		hoard.kept = append(hoard.kept, b)
		hoard.Unlock()
	}
}

func exit(_ http.ResponseWriter, r *http.Request) {
	code, _ := strconv.Atoi(r.URL.Query().Get("code"))
	fmt.Fprintln(os.Stderr, "faulty: told to exit")
	os.Exit(code)
}

func crash() { panic("faulty: told to crash") }
