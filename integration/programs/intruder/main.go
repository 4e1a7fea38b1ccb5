package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"example.com/handover/worker"
	"golang.org/x/sys/unix"
)

func main() {
	http.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("GET /self", self)
	http.HandleFunc("GET /break", intrude)
	log.Fatal(worker.Serve(nil))
}

// self says what this process may, in words of proc_pid_status(5) and some more.
func self(w http.ResponseWriter, _ *http.Request) {
	is := map[string]any{"environment": os.Environ()}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		is[name] = strings.Join(strings.Fields(value), " ")
	}
	is["dumpable"], _ = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	is["files"] = fmt.Sprint(limit.Cur, " of ", limit.Max)
	var held []string
	paths, _ := filepath.Glob("/proc/self/fd/*")
	for _, path := range paths {
		if link, err := os.Readlink(path); err == nil {
			held = append(held, link)
		}
	}
	is["held"] = held
	_ = json.NewEncoder(w).Encode(is)
}

// intrude tries everything on the processes and files that it is given, and says
// of each how it ended; "" is a success.
func intrude(w http.ResponseWriter, r *http.Request) {
	ended := map[string]string{}
	note := func(what string, err error) {
		ended[what] = ""
		if err != nil {
			ended[what] = err.Error()
		}
	}
	for _, path := range r.URL.Query()["file"] {
		_, err := os.ReadFile(path)
		note("read "+path, err)
	}
	for _, text := range r.URL.Query()["pid"] {
		pid, err := strconv.Atoi(text)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if pid == os.Getpid() {
			continue
		}
		for what, try := range attempts {
			note(what+" "+text, try(pid))
		}
	}
	_ = json.NewEncoder(w).Encode(ended)
}

// attempts are the ways into another process.
var attempts = map[string]func(pid int) error{
	"environ": func(pid int) error { return read(pid, "environ") },
	"maps":    func(pid int) error { return read(pid, "maps") },
	"mem": func(pid int) error {
		f, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
		if err == nil {
			_ = f.Close()
		}
		return err
	},
	"descriptors": descriptors,
	"descriptor":  descriptor,
	"vm_readv":    readv,
	"ptrace":      seize,
}

func read(pid int, file string) error {
	_, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	return err
}

// descriptors opens whatever memory the process holds, by its number, for the
// folder itself may be closed to us.
func descriptors(pid int) error {
	_, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	for n := range 64 {
		if f, openErr := os.Open(fmt.Sprintf("/proc/%d/fd/%d", pid, n)); openErr == nil {
			_ = f.Close()
			return nil
		}
	}
	return err
}

// descriptor takes one by its number, sockets too.
func descriptor(pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	taken, err := unix.PidfdGetfd(fd, 0, 0)
	if err == nil {
		_ = unix.Close(taken)
	}
	return err
}

// readv reads where every process has something; another error than a refusal
// means that it was let in.
func readv(pid int) error {
	b := make([]byte, 8)
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: 0x400000, Len: len(b)}}, 0)
	return err
}

// seize uses a thread that ends, which lets go of what it traces.
func seize(pid int) error {
	ended := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		const seize = 0x4206   // PTRACE_SEIZE, which does not stop it
		var err error
		if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, seize, uintptr(pid), 0, 0, 0, 0); errno != 0 {
			err = errno
		}
		ended <- err
	}()
	return <-ended
}
