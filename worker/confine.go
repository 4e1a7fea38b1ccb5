package worker

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// confine takes from this process what a worker needs no more: before main, and
// so before user code can have opened a file or be attacked.
//
// That it cannot be dumped (PR_SET_DUMPABLE) keeps other processes of the same
// user, which are the other workers, from its memory and its descriptors: ptrace,
// /proc/PID/mem, /proc/PID/fd, pidfd_getfd. execve sets it back, so no master
// can do it for us. It also gives /proc/self to root: what is written there was
// to be written before. Reading goes on, but for environ.
func confine() error {
	offer()
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("set undumpable: %v", err)
	}
	// The mask belongs to the whole process: a master that set it for us would set
	// it for the files that it opens at that moment.
	if text := wire.Umask(); text != "" {
		mask, err := strconv.ParseUint(text, 8, 32)
		if err != nil || mask > 0o777 {
			return fmt.Errorf("set umask: found %q, expected an octal mask", text)
		}
		unix.Umask(int(mask))
	}
	if text := wire.Files(); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return fmt.Errorf("limit descriptors: found %q, expected a number", text)
		}
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: n, Max: n}); err != nil {
			return fmt.Errorf("limit descriptors to %d: %v", n, err)
		}
	}
	return nil
}

// offered is how much sooner than its master the kernel is to take a worker.
const offered = 200

// offer has the kernel take this process, and not its master, when memory runs
// out: of all processes a worker is the one that costs least. The file is its own
// only until it cannot be dumped, so a master without root's rights could come too
// late. Whoever may not say so lets the kernel choose (proc_pid_oom_score_adj(5)).
func offer() {
	const path = "/proc/self/oom_score_adj"
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	masters, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return
	}
	_ = os.WriteFile(path, []byte(strconv.Itoa(min(masters+offered, 1000))), 0)
}
