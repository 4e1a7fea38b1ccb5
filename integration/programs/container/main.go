package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// several is a flag that may be repeated.
type several []string

func (s *several) String() string { return strings.Join(*s, ",") }

func (s *several) Set(value string) error {
	*s = append(*s, value)
	return nil
}

type container struct {
	root          string
	readOnly      bool
	tmpfs, binds  several
	env           several
	user, group   int
	groups        string
	dropAll       bool
	noNewPrivs    bool
	profile       string
	filter        *seccomp.Filter
	command       []string
	supplementary []int
}

func main() {
	// Capabilities belong to a thread, and the one that executes keeps its own.
	runtime.LockOSThread()
	var c container
	flag.StringVar(&c.root, "root", "", "folder that becomes the root")
	flag.BoolVar(&c.readOnly, "read-only", false, "mount the root read-only")
	flag.Var(&c.tmpfs, "tmpfs", "path inside that gets a tmpfs")
	flag.Var(&c.binds, "bind", "FROM:TO, a folder outside to mount read-only at a path inside")
	flag.Var(&c.env, "env", "NAME=VALUE for the command")
	flag.IntVar(&c.user, "user", 0, "user of the command")
	flag.IntVar(&c.group, "group", 0, "group of the command")
	flag.StringVar(&c.groups, "groups", "", "further groups")
	flag.BoolVar(&c.dropAll, "cap-drop-all", false, "leave no capability, else those that Docker leaves")
	flag.BoolVar(&c.noNewPrivs, "no-new-privileges", false, "gain none by executing")
	flag.StringVar(&c.profile, "seccomp", "", "file of a seccomp profile")
	flag.Parse()
	c.command = flag.Args()
	if err := c.run(); err != nil {
		log.Fatalf("container: %v", err)
	}
}

func (c *container) run() error {
	if len(c.command) == 0 || c.root == "" {
		return errors.New("nothing to do: -root and a command are needed")
	}
	for _, word := range strings.FieldsFunc(c.groups, func(r rune) bool { return r == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return fmt.Errorf("read -groups: %w", err)
		}
		c.supplementary = append(c.supplementary, n)
	}
	if err := c.mount(); err != nil {
		return err
	}
	if c.profile != "" {
		var err error
		if c.filter, err = filter(c.profile); err != nil { // read while the file can be seen
			return err
		}
	}
	if err := pivot(c.root, c.readOnly); err != nil {
		return err
	}
	// It takes a capability, or no_new_privs, which not every container has.
	if c.filter != nil {
		if err := seccomp.LoadFilter(*c.filter); err != nil {
			return err
		}
	}
	if err := c.giveUp(); err != nil {
		return err
	}
	env := append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, c.env...)
	return unix.Exec(c.command[0], c.command, env)
}

// mount lays out the tree below the root, which must be a mount itself.
func (c *container) mount() error {
	if err := unix.Mount(c.root, c.root, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind %q: %w", c.root, err)
	}
	if err := fresh(filepath.Join(c.root, "proc"), "proc", ""); err != nil {
		return err
	}
	dev := filepath.Join(c.root, "dev")
	if err := fresh(dev, "tmpfs", "mode=755"); err != nil {
		return err
	}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		at := filepath.Join(dev, name)
		if err := os.WriteFile(at, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount("/dev/"+name, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %q: %w", at, err)
		}
	}
	for _, path := range c.tmpfs {
		if err := fresh(filepath.Join(c.root, path), "tmpfs", "mode=1777"); err != nil {
			return err
		}
	}
	for _, pair := range c.binds {
		from, to, _ := strings.Cut(pair, ":")
		if err := bind(from, filepath.Join(c.root, to)); err != nil {
			return err
		}
	}
	return nil
}

func fresh(at, kind, options string) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(kind, at, kind, unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount %s at %q: %w", kind, at, err)
	}
	return nil
}

// bind mounts a folder read-only, which takes two steps.
func bind(from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %q at %q: %w", from, to, err)
	}
	if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make %q read-only: %w", to, err)
	}
	return nil
}

// pivot makes the folder the root and lets go of everything outside.
func pivot(root string, readOnly bool) error {
	if err := unix.Chdir(root); err != nil {
		return err
	}
	// The old root is put over the new one, and taken off there.
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot to %q: %w", root, err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %w", err)
	}
	if err := unix.Chdir("/"); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	if err := unix.Mount("", "/", "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	return nil
}

// docker is what Docker leaves a container, by default.
var docker = map[uintptr]bool{
	unix.CAP_CHOWN: true, unix.CAP_DAC_OVERRIDE: true, unix.CAP_FSETID: true, unix.CAP_FOWNER: true, unix.CAP_MKNOD: true,
	unix.CAP_NET_RAW: true, unix.CAP_SETGID: true, unix.CAP_SETUID: true, unix.CAP_SETFCAP: true, unix.CAP_SETPCAP: true,
	unix.CAP_NET_BIND_SERVICE: true, unix.CAP_SYS_CHROOT: true, unix.CAP_KILL: true, unix.CAP_AUDIT_WRITE: true,
}

// giveUp drops what the command may not have. Root that executes gets what the
// bounding set allows, and anybody else nothing.
func (c *container) giveUp() error {
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
		if docker[capability] && !c.dropAll {
			continue
		}
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if err != nil && !errors.Is(err, unix.EINVAL) { // unknown to this kernel
			return fmt.Errorf("drop capability %d: %w", capability, err)
		}
	}
	if c.noNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("set no_new_privs: %w", err)
		}
	}
	if err := syscall.Setgroups(c.supplementary); err != nil {
		return fmt.Errorf("set groups: %w", err)
	}
	if err := syscall.Setgid(c.group); err != nil {
		return fmt.Errorf("set group %d: %w", c.group, err)
	}
	if err := syscall.Setuid(c.user); err != nil {
		return fmt.Errorf("set user %d: %w", c.user, err)
	}
	return nil
}
