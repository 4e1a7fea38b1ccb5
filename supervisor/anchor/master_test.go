package anchor_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// The test binary is also the master and its worker: small real programs that
// do what the test says over a unix socket.
const (
	puppetVariable = "ANCHOR_TEST_SOCKET" // where the test listens
	roleSleeper    = "sleeper"
)

// hello is the first line a master says.
type hello struct {
	Pid         int
	Args        []string
	Env         []string
	Executable  string
	Descriptors []string
}

// puppet is a master: it carries out one command a line and answers each with
// one line.
type puppet struct {
	notify  *wire.Packets
	mailbox *os.File
	stop    *os.File
	files   map[string]*os.File
	shared  *os.File // the notify pair, for a successor
	mu      sync.Mutex
	hung    bool
}

func runMaster() int {
	descriptors := wire.Inherited()
	slices.Sort(descriptors)
	signal.Ignore(unix.SIGHUP, unix.SIGINT, unix.SIGTERM)
	own := wire.Take(wire.DescriptorNotify)
	shared, err := wire.Duplicate(own)
	if err != nil {
		return 99
	}
	packets, err := wire.NewPackets(own)
	if err != nil {
		return 99
	}
	p := &puppet{
		notify: packets, mailbox: wire.Take(wire.DescriptorMailboxRead), stop: wire.Take(wire.DescriptorStop),
		files: map[string]*os.File{}, shared: shared,
	}
	conn, err := net.Dial("unix", os.Getenv(puppetVariable))
	if err != nil {
		return 98
	}
	executable, _ := os.Readlink("/proc/self/exe")
	greeting, _ := json.Marshal(hello{os.Getpid(), os.Args, os.Environ(), executable, descriptors})
	_, _ = fmt.Fprintf(conn, "%s\n", greeting)
	go p.feed()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		answer, code := p.obey(strings.Fields(lines.Text()))
		if code >= 0 {
			return code
		}
		_, _ = fmt.Fprintln(conn, answer)
	}
	return 97 // the test is gone
}

// feed feeds the watchdog until the anchor or the process ends.
func (p *puppet) feed() {
	for range time.NewTicker(50 * time.Millisecond).C {
		p.mu.Lock()
		hung := p.hung
		p.mu.Unlock()
		if !hung && p.say("WATCHDOG=1\n") != nil {
			os.Exit(96)
		}
	}
}

func (p *puppet) say(text string, files ...*os.File) error {
	return p.notify.Send([]byte(text), files...)
}

// obey carries out a command; a code from 0 on ends the process.
func (p *puppet) obey(words []string) (answer string, code int) {
	var err error
	switch words[0] {
	case "say": // lines of a notification
		err = p.say(strings.Join(words[1:], "\n") + "\n")
	case "hang":
		p.mu.Lock()
		p.hung = true
		p.mu.Unlock()
	case "pipe": // store the write end, or the read end, of a new pipe
		err = p.pipe(words[1], words[2] == "w")
	case "end": // of the pipe whose write end was stored
		_, err = p.files[words[1]].Read(make([]byte, 1))
		if err == io.EOF {
			err = nil
		}
	case "unread":
		n, ioctlErr := unix.IoctlGetInt(wire.Descriptor(p.mailbox), unix.TIOCINQ)
		answer, err = strconv.Itoa(n), ioctlErr
	case "read":
		b := make([]byte, 4096)
		n, readErr := p.mailbox.Read(b)
		answer, err = string(b[:n]), readErr
	case "stopped":
		answer, err = p.stopped()
	case "sleep": // start a child that ends with the named pipe
		answer, err = p.sleeper(words[1])
	case "succeed": // start a successor, as tableflip would
		answer, err = start(wire.RoleMaster, os.Environ(), []process.Named{
			{Name: wire.DescriptorNotify, File: p.shared},
			{Name: wire.DescriptorMailboxRead, File: p.mailbox},
			{Name: wire.DescriptorStop, File: p.stop},
		})
	case "exit":
		code, _ = strconv.Atoi(words[1])
		return "", code
	default:
		err = fmt.Errorf("unknown command %q", words[0])
	}
	if err != nil {
		answer = "error: " + err.Error()
	}
	return answer, -1
}

func (p *puppet) pipe(name string, storeWrite bool) error {
	r, w, err := wire.Pipe(name)
	if err != nil {
		return err
	}
	stored, kept := r, w
	if storeWrite {
		stored, kept = w, r
	}
	p.files[name] = kept
	defer func() { _ = stored.Close() }()
	return p.say("FDSTORE=1\nFDNAME="+name+"\n", stored)
}

// stopped waits for the end of the stop pipe and looks for a byte in it.
func (p *puppet) stopped() (string, error) {
	b := make([]byte, 8)
	n, err := io.ReadFull(p.stop, b)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return "stop" + string(b[:n]), err
}

func (p *puppet) sleeper(name string) (string, error) {
	defer func() { _ = p.files[name].Close() }()
	return start(roleSleeper, nil, []process.Named{{Name: "line", File: p.files[name]}})
}

func start(role string, env []string, files []process.Named) (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", err
	}
	child, err := process.Start(process.Spec{Path: path, Args: os.Args[:1], Env: env, Role: role, Files: files})
	if err != nil {
		return "", err
	}
	return strconv.Itoa(child.Pid), child.Close()
}

// runSleeper ends when its pipe does. On a write end it must be killed.
func runSleeper() int {
	if _, err := wire.Take("line").Read(make([]byte, 1)); err != io.EOF {
		<-time.After(time.Minute)
	}
	return 0
}
