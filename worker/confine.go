package worker

import (
	"fmt"
	"strconv"

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
