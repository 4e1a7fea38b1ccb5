package process

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/handover/worker/wire"
	"golang.org/x/sys/unix"
)

// Spec says what to start.
type Spec struct {
	Path       string // resolved, absolute
	Args       []string
	Env        []string
	Files      []Named  // from wire.FirstDescriptor on, named in the environment
	Output     *os.File // for 1 and 2; nil: those of this process
	Role       string
	Credential *syscall.Credential // nil: as this process
	NoNewPrivs bool                // whatever it executes gains no rights by that
}

// Named is a descriptor and the name it is passed on under.
type Named struct {
	Name string
	File *os.File
}

// Process is a started or found process. It is safe for use by several
// goroutines; Wait and WaitGone by one each.
type Process struct {
	Pid   int
	Start uint64 // since boot, in clock ticks, field 22 of proc_pid_stat(5)
	pidfd *os.File
}

// Start starts a child. Its descriptors are 0, 1 and 2 of this process (or
// Output) and Files; nothing else is passed on.
func Start(s Spec) (*Process, error) {
	fds := []uintptr{0, 1, 2}
	if s.Output != nil {
		out := uintptr(wire.Descriptor(s.Output))
		fds = []uintptr{0, out, out}
	}
	names := make([]string, 0, len(s.Files))
	for _, f := range s.Files {
		fds = append(fds, uintptr(wire.Descriptor(f.File)))
		names = append(names, f.Name)
	}
	env := append([]string{}, s.Env...)
	env = append(env, wire.RoleVariable+"="+s.Role, wire.DescriptorsVariable+"="+strings.Join(names, ":"))
	pidfd := -1
	attr := &syscall.ProcAttr{Env: env, Files: fds, Sys: &syscall.SysProcAttr{PidFD: &pidfd, Credential: s.Credential}}
	pid, err := execute(s, attr)
	runtime.KeepAlive(s)
	if err != nil {
		return nil, fmt.Errorf("start %q: %w", s.Path, err)
	}
	if pidfd < 0 {
		if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			_, _ = syscall.Wait4(pid, nil, 0, nil)
			return nil, fmt.Errorf("start %q: pidfd_open: %w", s.Path, err)
		}
	}
	start, _ := startTime(pid)
	return &Process{Pid: pid, Start: start, pidfd: watched(pidfd)}, nil
}

// execute forks and executes on a thread that lives for this alone: what is set
// below belongs to a thread, and is passed on by fork and execve. It holds for every
// thread of the child from the first instruction on. no_new_privs is never taken back
// (prctl(2)); to set it in the child would take syscall.AllThreadsSyscall, which fails
// in programs with cgo.
func execute(s Spec, attr *syscall.ProcAttr) (pid int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with this goroutine
		relax()
		if s.NoNewPrivs {
			err = os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		}
		if err == nil {
			pid, _, err = syscall.StartProcess(s.Path, s.Args, attr)
		}
	}()
	<-done
	return pid, err
}

// How much later than asked the kernel may let a thread wake (prctl(2)): Slack for
// the children, unless somebody has chosen another than its own default, as
// TimerSlackNSec= of systemd.exec(5) does.
//
// Go watches each program from a thread that sleeps for 20 microseconds at a time
// while the program works. A worker with one processor's share was woken for that four
// to five times for each new connection, more often than for its client, and a tenth
// of its CPU went there. The price: timers are so much less exact, and a system call
// that blocks holds the processor's share for so long before others may run, in place
// of 0.07 ms.
const (
	Slack        = 2 * time.Millisecond
	defaultSlack = 50 * time.Microsecond
)

// relax gives this thread the slack of the children. To have none is no error: then
// all is as usual.
func relax() {
	if now, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0); err == nil && now == int(defaultSlack) {
		_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(Slack), 0, 0, 0)
	}
}

// Find opens a process that is not this one's child. With start other than 0
// a process of that number which began at another time is not found.
func Find(pid int, start uint64) (*Process, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", pid, err)
	}
	p := &Process{Pid: pid, pidfd: watched(fd)}
	// Read after opening: the pidfd pins the process that these words are about.
	p.Start, err = startTime(pid)
	if err == nil && start != 0 && p.Start != start {
		err = fmt.Errorf("open process %d: began at tick %d, not %d: another process", pid, p.Start, start)
	}
	if err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

// watched makes a pidfd pollable by the runtime.
func watched(fd int) *os.File {
	_ = unix.SetNonblock(fd, true)
	return os.NewFile(uintptr(fd), "pidfd")
}

// Signal sends sig. A process that has ended gives os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return os.ErrProcessDone
	}
	var sigerr error
	if err := raw.Control(func(fd uintptr) { sigerr = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err != nil {
		return os.ErrProcessDone
	}
	if errors.Is(sigerr, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return sigerr
}

// SignalGroup sends sig to the whole process group that the process leads. It
// reaches a member that has outlived the leader only where the kernel knows
// groups by pidfd (Linux 6.9), or while the leader was not reaped yet: else its
// number may be another group's by now. A group without members gives
// os.ErrProcessDone.
func (p *Process) SignalGroup(sig syscall.Signal) error {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return os.ErrProcessDone
	}
	var sigerr error
	if err := raw.Control(func(fd uintptr) {
		sigerr = unix.PidfdSendSignal(int(fd), sig, nil, signalProcessGroup)
		if !errors.Is(sigerr, unix.EINVAL) {
			return
		}
		if sigerr = unix.PidfdSendSignal(int(fd), 0, nil, 0); sigerr == nil {
			sigerr = unix.Kill(-p.Pid, sig)
		}
	}); err != nil || errors.Is(sigerr, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return sigerr
}

// signalProcessGroup is PIDFD_SIGNAL_PROCESS_GROUP of pidfd_send_signal(2).
const signalProcessGroup = 1 << 2

// WaitGone returns when the process has ended, or the Process was closed.
func (p *Process) WaitGone() {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Read(gone)
}

// Gone says whether the process has ended, reaped or not.
func (p *Process) Gone() bool {
	raw, err := p.pidfd.SyscallConn()
	if err != nil {
		return true
	}
	ended := false
	err = raw.Control(func(fd uintptr) { ended = gone(fd) })
	return ended || err != nil
}

// gone asks a pidfd, which can be read once its process has ended.
func gone(pidfd uintptr) bool {
	poll := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(poll, 0)
	return n > 0 || (err != nil && !errors.Is(err, unix.EINTR))
}

// Wait waits for a child, reaps it and returns how it ended. The child of
// another process, or one that was reaped already, is an error.
func (p *Process) Wait() (syscall.WaitStatus, error) {
	p.WaitGone()
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(p.Pid, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("wait for process %d: %w", p.Pid, err)
		}
		return status, nil
	}
}

// Close forgets the process; it lives on.
func (p *Process) Close() error { return p.pidfd.Close() }

// startTime reads field 22 of /proc/PID/stat. The name in field 2 may hold
// spaces and parentheses, so counting begins after the last one.
func startTime(pid int) (uint64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("open process %d: %w", pid, err)
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return 0, fmt.Errorf("open process %d: %d fields in its stat", pid, len(fields))
	}
	return strconv.ParseUint(fields[19], 10, 64)
}

// Describe says in words how a process ended: "exit status 3", "killed by
// SIGKILL".
func Describe(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "killed by " + unix.SignalName(status.Signal())
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}
