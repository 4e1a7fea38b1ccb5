package wire

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// The environment variables by which a process learns its role and the names
// of its inherited descriptors, which begin at FirstDescriptor.
const (
	RoleVariable        = "HANDOVER_ROLE"
	DescriptorsVariable = "HANDOVER_FDS"
	FirstDescriptor     = 3
)

// The environment variables by which a worker is told what it has to do to itself
// before anything else: its settings come when user code may be running.
const (
	UmaskVariable = "HANDOVER_UMASK" // octal
	FilesVariable = "HANDOVER_FILES" // how many descriptors it may have
)

// OwnVariable names the variables, with colons between, that a worker alone is
// meant to have: its share of a machine is not that of what it starts.
const OwnVariable = "HANDOVER_OWN"

// AnchorVariable tells a master the PID of its anchor: the one that the pidfile
// and the status name.
const AnchorVariable = "HANDOVER_ANCHOR"

// AnchorVersionVariable tells a master the Version of its anchor.
const AnchorVersionVariable = "HANDOVER_ANCHOR_VERSION"

// The roles. A process without the variable is the anchor, or a command.
const (
	RoleMaster = "master"
	RoleWorker = "worker"
)

// The descriptors of a worker, besides one for each listener.
const (
	DescriptorControl   = "ctl"       // messages, SOCK_SEQPACKET
	DescriptorProbe     = "probe"     // private connections arrive here, SOCK_SEQPACKET
	DescriptorServe     = "serve"     // read end; its end means: stop accepting and drain
	DescriptorAccepting = "accepting" // write end; closed when the listeners are closed
	DescriptorGone      = "gone"      // write end; closed by the death of the process
	DescriptorCounters  = "counters"  // memfd, shared by the workers of a generation
	DescriptorMeters    = "meters"    // memfd, like counters
	DescriptorStderr    = "stderr"    // takes the place of descriptor 2 at "go"
	DescriptorAccess    = "access"    // the access log, if there is one
)

// The descriptors of a master, besides what its anchor stores for it.
const (
	DescriptorStop         = "stop"          // read end; its end means a graceful stop, a byte lying in it a quick one
	DescriptorMailboxRead  = "mailbox.read"  // intents, a byte each; read by the current master alone
	DescriptorMailboxWrite = "mailbox.write" // the other end, for what must outlive a master
	DescriptorNotify       = "notify"        // sd_notify messages to the anchor, SOCK_SEQPACKET
)

// The role and descriptors that this process was given. They are taken from
// the environment once, before any user code can fork: what a worker's handler
// starts must find neither the variables nor the descriptors.
var (
	role      string
	umask     string
	files     string
	inherited = map[string]int{}
)

func init() {
	role, umask, files = os.Getenv(RoleVariable), os.Getenv(UmaskVariable), os.Getenv(FilesVariable)
	list := os.Getenv(DescriptorsVariable)
	// The runtime has read its own before any init.
	for _, name := range append(strings.Split(os.Getenv(OwnVariable), ":"),
		RoleVariable, DescriptorsVariable, UmaskVariable, FilesVariable, OwnVariable) {
		_ = os.Unsetenv(name)
	}
	if role == "" || list == "" {
		return
	}
	for i, name := range strings.Split(list, ":") {
		fd := FirstDescriptor + i
		unix.CloseOnExec(fd)
		inherited[name] = fd
	}
}

// Role returns the role this process was started in, or "".
func Role() string { return role }

// Umask returns the mask that this process was told to set, or "".
func Umask() string { return umask }

// Files returns how many descriptors this process is to have at most, or "".
func Files() string { return files }

// Take returns the inherited descriptor of that name, or nil if there is none.
// Each can be taken once. A descriptor of a pipe or socket is non-blocking, so
// that deadlines and Close work, but for those of logs.
func Take(name string) *os.File {
	fd, ok := inherited[name]
	if !ok {
		return nil
	}
	delete(inherited, name)
	if name == DescriptorStderr || name == DescriptorAccess {
		// The open file is the terminal's, the journal's or another program's too, and
		// who writes there blocks by right.
		return os.NewFile(uintptr(fd), name)
	}
	return NewFile(fd, name)
}

// Peek returns a duplicate of an inherited descriptor that was not taken yet, or
// nil if there is none; it can still be taken.
func Peek(name string) *os.File {
	fd, ok := inherited[name]
	if !ok {
		return nil
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, FirstDescriptor)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(dup), name)
}

// Inherited returns the names of the descriptors not taken yet.
func Inherited() []string {
	names := make([]string, 0, len(inherited))
	for name := range inherited {
		names = append(names, name)
	}
	return names
}

// NewFile wraps a descriptor. Pipes and sockets are made non-blocking first: a
// descriptor passed on at exec arrives as it was left, and a blocking one
// ignores deadlines and ties up a thread. The mode belongs to the open file and
// so to every process that shares it, which is why nothing here ever sets a
// blocking one.
func NewFile(fd int, name string) *os.File {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err == nil {
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFIFO, unix.S_IFSOCK:
			_ = unix.SetNonblock(fd, true)
		}
	}
	return os.NewFile(uintptr(fd), name)
}

// Descriptor returns the number behind a file without changing its mode, as
// File.Fd may. The file must stay reachable while the number is in use.
func Descriptor(f *os.File) int {
	fd := -1
	raw, err := f.SyscallConn()
	if err != nil {
		return fd
	}
	_ = raw.Control(func(n uintptr) { fd = int(n) })
	return fd
}

// Duplicate returns a second descriptor of the same open file, close-on-exec,
// and leaves its mode alone: unlike net.TCPListener.File and os/exec, which
// turn the shared socket blocking in every process that has it.
func Duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(uintptr(Descriptor(f)), unix.F_DUPFD_CLOEXEC, FirstDescriptor)
	if err != nil {
		return nil, fmt.Errorf("duplicate descriptor %q: %v", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
