package anchor

import (
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"example.com/handover/signals"
	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// signalChannels take the signals of the process. os/signal drops what finds a
// channel full, so a flood of one kind must not hide another.
type signalChannels struct {
	stops, others, children, ignored chan os.Signal
}

func catchSignals() signalChannels {
	c := signalChannels{
		stops: make(chan os.Signal, 8), others: make(chan os.Signal, 256),
		children: make(chan os.Signal, 1), ignored: make(chan os.Signal, 1),
	}
	for _, s := range signals.Table {
		if _, travels := s.Intent.Byte(); travels {
			signal.Notify(c.others, s.Number)
		} else {
			signal.Notify(c.stops, s.Number)
		}
	}
	signal.Notify(c.children, syscall.SIGCHLD)
	// A reader of standard error that goes away must not take the anchor along.
	// Ignored outright, masters would inherit it.
	signal.Notify(c.ignored, syscall.SIGPIPE)
	return c
}

func (c signalChannels) release() {
	for _, ch := range []chan os.Signal{c.stops, c.others, c.children, c.ignored} {
		signal.Stop(ch)
	}
}

// tame keeps an immortal process small: it works for microseconds a second. With less
// room the first collection would come during the start, and leave behind half a
// megabyte of the collector's own (a block of 4 KiB for each size of object in use,
// and for each state that spans of it are in); to give up processors by
// runtime.GOMAXPROCS leaves as much.
func tame() { debug.SetGCPercent(50) }

// passed returns how many of the announced descriptors are there. It must be asked
// before closeInheritedOnExec: what came through exec is not closed by it, and all that
// this process has opened itself is. To take one of those for a socket and close it
// with the store would end the runtime.
func passed(announced int) int {
	for i := range announced {
		flags, err := unix.FcntlInt(uintptr(wire.FirstDescriptor+i), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return i
		}
	}
	return announced
}

// closeInheritedOnExec keeps what this process was given from its masters,
// which get what they need by name.
func closeInheritedOnExec() {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd >= wire.FirstDescriptor {
			unix.CloseOnExec(fd)
		}
	}
}

// onTerminal says whether this process is in the foreground of a terminal.
func onTerminal() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(tty) }()
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
