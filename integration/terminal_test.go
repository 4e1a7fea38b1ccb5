package integration

import (
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
	"golang.org/x/sys/unix"
)

// inTerminal starts an instance in the foreground of a terminal: the leader of a
// session gets the first one it opens.
func inTerminal(t *testing.T) (*harness.Instance, *os.File) {
	t.Helper()
	keyboard, name := harness.OpenTerminal(t)
	i := harness.Start(t, harness.Config{
		UnixToo: true, GracefulTimeout: "60s", Wrap: []string{"/bin/sh", "-c", `exec "$@" <"$0"`, name},
	})
	group, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPGRP)
	if err != nil || group != i.Pid {
		t.Fatalf("the foreground of the terminal is %d, %v; want %d", group, err, i.Pid)
	}
	return i, keyboard
}

func TestWINCHInTheForegroundOfATerminalIsIgnored(t *testing.T) {
	t.Parallel()
	i, keyboard := inTerminal(t)
	before := i.Until(t, "settled", within, harness.Settled)
	for n := range 5 {
		size := &unix.Winsize{Row: uint16(20 + n), Col: 80}
		if err := unix.IoctlSetWinsize(int(keyboard.Fd()), unix.TIOCSWINSZ, size); err != nil {
			t.Fatal(err)
		}
	}
	i.Signal(syscall.SIGWINCH)
	// Had one been taken, these would bring back others than before.
	i.Signal(syscall.SIGTTIN)
	same(t, before, manned(t, i, 3))
	i.Signal(syscall.SIGTTOU)
	same(t, before, manned(t, i, 2))
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	calm(t, i)
}

func TestTheKeysOfATerminalStopQuickly(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{"Ctrl-C": "\x03", "Ctrl-\\": "\x1c"} {
		t.Run(name, func(t *testing.T) {
			i, keyboard := inTerminal(t)
			defer asking(t, i, "/slow?d=60s").Close()
			if _, err := keyboard.WriteString(key); err != nil {
				t.Fatal(err)
			}
			stopped(t, i, within)
			calm(t, i)
		})
	}
}

func TestATerminalThatHangsUpIsOneReload(t *testing.T) {
	t.Parallel()
	i, keyboard := inTerminal(t)
	before := i.Until(t, "settled", within, harness.Settled)
	load := i.Load(t, light)
	pair := i.Certs.Renew()
	asked := time.Now()
	if err := keyboard.Close(); err != nil {
		t.Fatal(err)
	}
	i.Until(t, "done", within, harness.Ended("done", asked))
	served(t, i, pair)
	if s := i.Until(t, "settled", within, harness.Settled); s.Generation != before.Generation+1 {
		t.Errorf("generation %d, want %d", s.Generation, before.Generation+1)
	}
	load.Stop().NothingLost(t)
	reloadWorks(t, i)
	i.Signal(syscall.SIGTERM)
	stopped(t, i, within)
	calm(t, i)
}
