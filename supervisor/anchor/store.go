package anchor

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// store keeps descriptors by name for the masters to come. They are numbers and
// not files; doc.go says why.
type store map[string]int

// put takes over fd; what had the name is closed.
func (s store) put(name string, fd int) {
	s.drop(name)
	s[name] = fd
}

func (s store) drop(name string) {
	if fd, ok := s[name]; ok {
		_ = unix.Close(fd)
		delete(s, name)
	}
}

func (s store) empty() {
	for name := range s {
		s.drop(name)
	}
}

// files returns everything but the names that begin with except, in order of
// names, as files for process.Start; done closes them again.
func (s store) files(except string) (files []process.Named, done func(), err error) {
	done = func() {
		for _, f := range files {
			_ = f.File.Close()
		}
	}
	for name, stored := range s {
		if strings.HasPrefix(name, except) {
			continue
		}
		fd, err := duplicate(stored)
		if err != nil {
			return files, done, fmt.Errorf("pass on %q: %v", name, err)
		}
		files = append(files, process.Named{Name: name, File: os.NewFile(uintptr(fd), name)})
	}
	slices.SortFunc(files, func(a, b process.Named) int { return strings.Compare(a.Name, b.Name) })
	return files, done, nil
}

// living says whether a generation has a worker: the pipe called gone.N has not
// ended.
func (s store) living() bool {
	for name, fd := range s {
		if !strings.HasPrefix(name, "gone.") {
			continue
		}
		poll := []unix.PollFd{{Fd: int32(fd)}}
		if _, err := unix.Poll(poll, 0); err != nil || poll[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) == 0 {
			return true
		}
	}
	return false
}

func duplicate(fd int) (int, error) {
	return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, wire.FirstDescriptor)
}

// mailbox is the pipe of intents. Both ends are non-blocking, in every process.
type mailbox struct{ r, w *os.File }

func openMailbox() (mailbox, error) {
	r, w, err := wire.Pipe("mailbox")
	return mailbox{r, w}, err
}

func (m mailbox) post(code byte) error {
	// Through the number: File.Write would wait for room.
	_, err := unix.Write(wire.Descriptor(m.w), []byte{code})
	return err
}

// unread returns what lies in the mailbox and leaves it there: tee(2) copies
// from pipe to pipe without consuming. What a master reads meanwhile counts as
// unread, rightly: it is acted upon after the signal came.
func (m mailbox) unread() string {
	var scratch [2]int
	if err := unix.Pipe2(scratch[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return ""
	}
	defer func() {
		_ = unix.Close(scratch[0])
		_ = unix.Close(scratch[1])
	}()
	b := make([]byte, 4096)
	n, err := unix.Tee(wire.Descriptor(m.r), scratch[1], len(b), unix.SPLICE_F_NONBLOCK)
	if err != nil || n <= 0 {
		return ""
	}
	got, err := unix.Read(scratch[0], b)
	if err != nil {
		return ""
	}
	return string(b[:got])
}

func (m mailbox) close() {
	_ = m.r.Close()
	_ = m.w.Close()
}
