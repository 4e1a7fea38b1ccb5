package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// light is a load that the machine bears several of.
var light = harness.Load{New: 1, Kept: 2, Think: 5 * time.Millisecond, Rest: 5 * time.Millisecond}

// rows is the table of signals as it is printed, and how each row is kept.
var rows = map[string]func(t *testing.T){
	"HUP: validate, hand over to a fresh generation (config, certificates and binary from disk)": func(t *testing.T) {
		takesAll(t, syscall.SIGHUP)
	},
	"USR2: as HUP: the binary is always read again": func(t *testing.T) {
		takesAll(t, syscall.SIGUSR2)
	},
	"TERM: graceful stop: drain up to graceful_timeout":                              drains,
	"INT, QUIT: quick stop":                                                          stopsQuickly,
	"TTIN: one worker more; survives reloads until the config's own number changes":  grows,
	"TTOU: one worker fewer; survives reloads until the config's own number changes": shrinks,
	"USR1: reopen log files":                                                         reopens,
	"WINCH: gracefully stop the workers, keep the sockets; HUP starts them again":    quietens,
}

func TestEveryRowOfTheSignalTableIsKept(t *testing.T) {
	t.Parallel()
	_, table, found := strings.Cut(typed(t, "/", "run", "--help").Stdout, "Signals, to the process that was started:\n")
	table, _, ended := strings.Cut(table, "\nOPTIONS:")
	if !found || !ended {
		t.Fatal("run --help has no table of signals before its options")
	}
	printed := map[string]bool{}
	for line := range strings.Lines(table) {
		names, does, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if names != "" {
			printed[names+": "+strings.TrimSpace(does)] = true
		}
	}
	for row := range printed {
		keep, known := rows[row]
		if !known {
			t.Errorf("row %q has no case", row)
			continue
		}
		t.Run(row, func(t *testing.T) {
			t.Parallel()
			keep(t)
		})
	}
	for row := range rows {
		if !printed[row] {
			t.Errorf("case %q: the table has no such row", row)
		}
	}
}

// takesAll requires that a signal takes config, certificates and binary from
// disk, and that nothing is lost by it.
func takesAll(t *testing.T, s syscall.Signal) {
	dir := harness.Folder(t)
	path := release(t, dir)
	i := harness.Start(t, harness.Config{Binary: path})
	load := i.Load(t, light)
	if err := os.Rename(release(t, filepath.Join(dir, "next")), path); err != nil {
		t.Fatal(err)
	}
	config := i.Config
	config.Workers = 3
	i.Configure(config)
	pair := i.Certs.Renew()
	asked := time.Now()
	i.Signal(s)
	i.Until(t, "done", within, harness.Ended("done", asked))
	served(t, i, pair)
	after := manned(t, i, 3)
	// The file that the others run was replaced: they have it as "… (deleted)".
	if got := running(t, after.Master.Pid); got != path {
		t.Errorf("master runs %q, want %q", got, path)
	}
	load.More(t, 50)
	load.Stop().NothingLost(t)
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
	calm(t, i)
}

func drains(t *testing.T) {
	i := harness.Start(t, harness.Config{GracefulTimeout: "60s", UnixToo: true})
	slow := begin(t, i, 1500*time.Millisecond)
	i.Signal(syscall.SIGTERM)
	refused(t, "tcp", i.Addr)
	slow.completes(t)
	stopped(t, i, within)
	calm(t, i)
	i.Launch()
	i.WaitServing()
	defer asking(t, i, "/slow?d=60s").Close()
	i.Signal(syscall.SIGTERM)
	refused(t, "tcp", i.Addr)
	i.Signal(syscall.SIGTERM) // a second one shortens
	stopped(t, i, within)
	calm(t, i)
}

func stopsQuickly(t *testing.T) {
	i := harness.Prepare(t, harness.Config{GracefulTimeout: "60s", UnixToo: true})
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT} {
		i.Launch()
		i.WaitServing()
		c := asking(t, i, "/slow?d=60s")
		i.Signal(s)
		stopped(t, i, within)
		if _, err := c.Receive("GET"); err == nil {
			t.Errorf("%v: the slow request was answered in full, want it cut", s)
		}
		c.Close()
	}
	calm(t, i)
}

// manned waits until so many workers serve, and no others are left.
func manned(t *testing.T, i *harness.Instance, want int) harness.Status {
	t.Helper()
	return i.Until(t, fmt.Sprintf("%d workers", want), within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == want && harness.Serving(s) == nil, "%+v", s.Workers)
	})
}

// scaled requires that the number of workers survives whatever replaces them
// or their master, until the config has another number of its own.
func scaled(t *testing.T, i *harness.Instance, want, configured int) {
	t.Helper()
	hup(t, i, "done")
	manned(t, i, want)
	asked := time.Now()
	i.Signal(syscall.SIGUSR2)
	i.Until(t, "USR2", within, harness.Ended("done", asked))
	manned(t, i, want)
	i.Certs.Renew()
	rotate(t, i)
	manned(t, i, want)
	victim := master(t, i)
	kill(t, victim)
	i.Until(t, "another master", within, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != victim, "still %d", victim)
	})
	manned(t, i, want)
	i.Certs.Install(mismatched(i))
	hup(t, i, "refused")
	manned(t, i, want)
	config := i.Config
	config.Workers = configured
	i.Configure(config)
	renew(t, i)
	manned(t, i, configured)
}

func grows(t *testing.T) {
	i := harness.Start(t, harness.Config{Workers: 1})
	load := i.Load(t, light)
	first := manned(t, i, 1).Workers[0].Pid
	i.Signal(syscall.SIGTTIN)
	manned(t, i, 2)
	i.Signal(syscall.SIGTTIN)
	if s := manned(t, i, 3); s.Workers[0].Pid != first {
		t.Errorf("worker 1 is %d, want %d as before", s.Workers[0].Pid, first)
	}
	scaled(t, i, 3, 2)
	load.Stop().NothingLost(t)
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
	calm(t, i, "pair.mismatch")
}

func shrinks(t *testing.T) {
	i := harness.Start(t, harness.Config{Workers: 3})
	load := i.Load(t, light)
	before := manned(t, i, 3)
	for want := 2; want > 0; want-- {
		i.Signal(syscall.SIGTTOU)
		// The highest slot goes.
		for n, w := range manned(t, i, want).Workers {
			if w.Slot != n+1 || w.Pid != before.Workers[n].Pid {
				t.Errorf("worker %d of %d is %+v, want %+v", n+1, want, w, before.Workers[n])
			}
		}
	}
	// None goes below one: else one more would not make two. Of signals that are
	// pending the kernel delivers TTIN first, so a reload stands between them.
	harness.Every(20*time.Millisecond, 5, func(int) { i.Signal(syscall.SIGTTOU) })
	if s := manned(t, i, 1); s.Workers[0].Pid != before.Workers[0].Pid {
		t.Errorf("worker 1 is %d, want %d as before", s.Workers[0].Pid, before.Workers[0].Pid)
	}
	hup(t, i, "done")
	i.Signal(syscall.SIGTTIN)
	manned(t, i, 2)
	i.Signal(syscall.SIGTTOU)
	manned(t, i, 1)
	scaled(t, i, 1, 2)
	load.Stop().NothingLost(t)
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
	calm(t, i, "pair.mismatch")
}

func reopens(t *testing.T) {
	i := harness.Start(t, harness.Config{Tables: "[log]\nfile = \"handover.log\""})
	load := i.Load(t, light)
	before := i.Until(t, "settled", within, harness.Settled)
	file := filepath.Join(i.Dir, "handover.log")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	i.Signal(syscall.SIGUSR1)
	harness.Until(t, "everybody writes to the new file", within, func() error {
		for _, pid := range []int{before.Master.Pid, before.Workers[0].Pid, before.Workers[1].Pid} {
			for n, link := range harness.Descriptors(pid) {
				if link == file+".1" {
					return fmt.Errorf("process %d writes to %q as descriptor %d", pid, link, n)
				}
			}
		}
		_, err := os.Stat(file)
		return err
	})
	load.More(t, 50)
	load.Stop().NothingLost(t)
	same(t, before, i.Until(t, "settled", within, harness.Settled))
	calm(t, i)
}

// same requires that neither the master nor a worker was replaced.
func same(t *testing.T, before, after harness.Status) {
	t.Helper()
	if after.Generation != before.Generation || after.Master.Pid != before.Master.Pid {
		t.Errorf("generation %d, master %d; want %d, %d as before", after.Generation, after.Master.Pid, before.Generation, before.Master.Pid)
	}
	for n, w := range before.Workers {
		if n >= len(after.Workers) || after.Workers[n].Pid != w.Pid {
			t.Errorf("workers %+v, want %+v as before", after.Workers, before.Workers)
			return
		}
	}
}

func quietens(t *testing.T) {
	i := harness.Start(t, harness.Config{})
	load := i.Load(t, light)
	before := i.Until(t, "settled", within, harness.Settled)
	slow := begin(t, i, 1500*time.Millisecond)
	i.Signal(syscall.SIGWINCH)
	slow.completes(t)
	gone(t, before.Workers[0].Pid, before.Workers[1].Pid)
	idle := func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 0 && s.Master.Pid == before.Master.Pid, "master %d, workers %+v", s.Master.Pid, s.Workers)
	}
	i.Until(t, "no workers", within, idle)
	// The sockets are kept: who comes now waits.
	waiting, err := harness.Dial("tcp", i.Addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	waiting.Close()
	i.Signal(syscall.SIGTTOU) // one fewer than none is none
	harness.Every(20*time.Millisecond, 10, func(int) {
		if s, err := i.Status(); err != nil || idle(s) != nil {
			t.Errorf("after TTOU: %v, %v; want no workers", idle(s), err)
		}
	})
	renew(t, i) // by HUP
	manned(t, i, 1)
	i.Signal(syscall.SIGTTIN)
	manned(t, i, 2)
	load.More(t, 50)
	load.Stop().NothingLost(t) // the load's clients waited, too
	i.Until(t, "settled", within, harness.Settled)
	exactly(t, i)
	calm(t, i)
}

// calm requires that an instance has logged no error but the expected ones.
func calm(t *testing.T, i *harness.Instance, expected ...string) {
	t.Helper()
	texts, err := filepath.Glob(filepath.Join(i.Dir, "*.log*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(texts, filepath.Join(i.Dir, "output")) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(b)) {
			bad := strings.Contains(line, "level=ERROR") || strings.Contains(line, `"level":"ERROR"`) || strings.HasPrefix(line, "<3>")
			if bad && !slices.ContainsFunc(expected, func(w string) bool { return strings.Contains(line, w) }) {
				t.Errorf("log has %q, want no errors but %q", line, expected)
			}
		}
	}
}
