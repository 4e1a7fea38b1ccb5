package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// file is one mount.
type file struct {
	kind, at string
	flags    uintptr
	options  string
}

const closed = unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC

// tree is what a root folder needs besides what lies on disk.
var tree = []file{
	{"proc", "proc", closed, ""},
	{"sysfs", "sys", closed | unix.MS_RDONLY, ""},
	{"cgroup2", "sys/fs/cgroup", closed, ""},
	{"tmpfs", "dev", unix.MS_NOSUID, "mode=755"},
	{"devpts", "dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620"},
	{"tmpfs", "dev/shm", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
	{"tmpfs", "run", unix.MS_NOSUID | unix.MS_NODEV, "mode=755"},
	{"tmpfs", "tmp", unix.MS_NOSUID | unix.MS_NODEV, "mode=1777"},
}

// layOut mounts a root folder: what is on disk, below a layer of memory that takes
// every change.
func layOut(lower, scratch string) (string, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "", fmt.Errorf("keep mounts private: %v", err)
	}
	if err := mount(file{"tmpfs", scratch, 0, "mode=755"}); err != nil {
		return "", err
	}
	root, upper, work := filepath.Join(scratch, "root"), filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	for _, dir := range []string{upper, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return "", err
		}
	}
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)
	if err := mount(file{"overlay", root, 0, layers}); err != nil {
		return "", err
	}
	for _, f := range tree {
		f.at = filepath.Join(root, f.at)
		if err := mount(f); err != nil {
			return "", err
		}
	}
	return root, furnish(root)
}

// furnish adds the devices, and takes away what reaches the host: systemd would
// set its sysctls.
func furnish(root string) error {
	for _, device := range []string{"null", "zero", "full", "random", "urandom", "tty"} {
		at := filepath.Join(root, "dev", device)
		if err := os.WriteFile(at, nil, 0o666); err != nil {
			return err
		}
		if err := unix.Mount(filepath.Join("/dev", device), at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %q: %v", at, err)
		}
	}
	for name, target := range map[string]string{
		"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2",
	} {
		if err := os.Symlink(target, filepath.Join(root, "dev", name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"sys", "sysrq-trigger"} {
		at := filepath.Join(root, "proc", name)
		if _, err := os.Stat(at); err != nil {
			continue // a kernel without it
		}
		if err := unix.Mount(at, at, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount %q: %v", at, err)
		}
		if err := unix.Mount("", at, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|closed, ""); err != nil {
			return fmt.Errorf("make %q read-only: %v", at, err)
		}
	}
	return nil
}

func mount(f file) error {
	if err := os.MkdirAll(f.at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(f.kind, f.at, f.kind, f.flags, f.options); err != nil {
		return fmt.Errorf("mount %s at %q: %v", f.kind, f.at, err)
	}
	return nil
}

func bind(from, at string) error {
	if err := os.MkdirAll(at, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(from, at, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %q at %q: %v", from, at, err)
	}
	return nil
}
