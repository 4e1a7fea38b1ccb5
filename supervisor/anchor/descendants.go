package anchor

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// sweepDescendants sends SIGKILL to every descendant and returns which. What is
// forked meanwhile is met when its parent was reaped.
func sweepDescendants() []int {
	var killed []int
	self := os.Getpid()
	var sweep func(parent int)
	sweep = func(parent int) {
		for _, pid := range children(parent) {
			sweep(pid) // first, while it is still their parent
			if killChild(pid, parent, self) {
				killed = append(killed, pid)
			}
		}
	}
	sweep(self)
	return killed
}

// killChild kills pid if it is a child of parent, or of self, to which orphans
// fall. The parentage is read after the pidfd was opened, so a number that was
// used again meanwhile is spared.
func killChild(pid, parent, self int) bool {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Close(fd) }()
	if actual := parentOf(pid); actual != parent && actual != self {
		return false
	}
	return unix.PidfdSendSignal(fd, syscall.SIGKILL, nil, 0) == nil
}

// children returns the children of every thread of a process (proc(5)).
func children(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var out []int
	for _, list := range lists {
		b, err := os.ReadFile(list)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(word); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// parentOf reads field 4 of proc_pid_stat(5); 0 if there is no such process.
func parentOf(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}
