package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

const systemd = "/lib/systemd/systemd"

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: machine LOWER SCRATCH SHARED")
		os.Exit(64)
	}
	fmt.Fprintln(os.Stderr, "machine:", boot(os.Args[1], os.Args[2], os.Args[3]))
	os.Exit(1)
}

// boot returns only if it could not become systemd.
func boot(lower, scratch, shared string) error {
	// A namespace of the thread's own becomes the process's with execve(2).
	runtime.LockOSThread()
	// Now, and not when this process was made: the namespace begins at the cgroup
	// that its first process is in.
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("leave the cgroup namespace: %v", err)
	}
	root, err := layOut(lower, scratch)
	if err != nil {
		return err
	}
	if err := bind(shared, filepath.Join(root, shared)); err != nil {
		return err
	}
	if err := errors.Join(settle(root), enter(root), unix.Sethostname([]byte("machine"))); err != nil {
		return err
	}
	argv := []string{
		systemd, "--system", "--unit=" + goal, "--log-target=journal", "--show-status=no",
	}
	// With "container" it leaves alone what belongs to the host.
	env := []string{"container=test", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	return fmt.Errorf("become systemd: %v", syscall.Exec(systemd, argv, env))
}

// enter makes a folder the root, by pivot_root(2) and not by chroot(2): units with
// a mount namespace of their own (PrivateTmp=, DynamicUser=) could not be made
// otherwise.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %v", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %v", err)
	}
	return os.Chdir("/")
}
