package harness

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Terminal is a program in the foreground of a terminal of its own, which a test
// types at and looks at.
type Terminal struct {
	t        testing.TB
	Pid      int
	keyboard *os.File
	exited   chan struct{} // closed when the program has ended and all was read
	code     int

	mu     sync.Mutex // guards what follows: the reader writes it
	screen *screen
	raw    strings.Builder
}

// StartTerminal starts a program on a terminal of so many rows and columns, with
// environment variables besides this process's own.
func StartTerminal(t testing.TB, rows, cols int, env []string, argv ...string) *Terminal {
	t.Helper()
	keyboard, name := OpenTerminal(t)
	tty, err := os.OpenFile(name, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	m := &Terminal{t: t, keyboard: keyboard, exited: make(chan struct{}), screen: newScreen(rows, cols)}
	m.size(rows, cols)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(append(os.Environ(), prompt()...), append([]string{"TERM=xterm", "NO_COLOR=", "CLICOLOR="}, env...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %q: %v", argv[0], err)
	}
	m.Pid = cmd.Process.Pid
	register(m.Pid)
	go m.read(cmd)
	t.Cleanup(func() {
		killSession(m.Pid)
		<-m.exited
		forget(m.Pid)
	})
	return m
}

// OpenTerminal opens a pseudo-terminal. The end of the keyboard is what hanging up
// is.
func OpenTerminal(t testing.TB) (keyboard *os.File, name string) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	return keyboard, fmt.Sprintf("/dev/pts/%d", n)
}

// read shows what the program writes, until nobody has the terminal any more.
func (m *Terminal) read(cmd *exec.Cmd) {
	defer close(m.exited)
	buffer := make([]byte, 4096)
	for {
		n, err := m.keyboard.Read(buffer)
		m.mu.Lock()
		m.screen.write(string(buffer[:n]))
		m.raw.Write(buffer[:n])
		m.mu.Unlock()
		if err != nil { // EIO: the last one has closed it
			break
		}
	}
	_ = cmd.Wait()
	m.code = cmd.ProcessState.ExitCode()
}

func (m *Terminal) size(rows, cols int) {
	size := &unix.Winsize{Row: uint16(rows), Col: uint16(cols)}
	if err := unix.IoctlSetWinsize(int(m.keyboard.Fd()), unix.TIOCSWINSZ, size); err != nil {
		m.t.Fatal(err)
	}
}

// Resize makes it another size, of which the program is told.
func (m *Terminal) Resize(rows, cols int) {
	m.t.Helper()
	m.mu.Lock()
	m.screen.resize(rows, cols)
	m.mu.Unlock()
	m.size(rows, cols)
}

// Type types keys.
func (m *Terminal) Type(keys string) {
	m.t.Helper()
	if _, err := m.keyboard.WriteString(keys); err != nil {
		m.t.Fatal(err)
	}
}

// Look is what a terminal looks like.
type Look struct {
	Text    string   // what it shows
	Own     bool     // on a page of its own
	Hidden  bool     // the cursor
	Unknown []string // sequences that it does not know
	Raw     string   // all that was ever written to it
}

// Look returns what it looks like now.
func (m *Terminal) Look() Look {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Look{m.screen.String(), m.screen.main != nil, m.screen.hidden, m.screen.unknown, m.raw.String()}
}

// Until waits until it shows all of some words.
func (m *Terminal) Until(limit time.Duration, words ...string) {
	m.t.Helper()
	Until(m.t, "screen", limit, func() error {
		text := m.Look().Text
		for _, w := range words {
			if !strings.Contains(text, w) {
				return fmt.Errorf("got\n%s\nwant %q on it", text, w)
			}
		}
		return nil
	})
}

// WaitExit waits for the program's end and returns its exit code.
func (m *Terminal) WaitExit(limit time.Duration) int {
	m.t.Helper()
	select {
	case <-m.exited:
		return m.code
	case <-time.After(limit):
		m.t.Fatalf("end: not within %v\n%s", limit, m.Look().Text)
		return 0
	}
}
