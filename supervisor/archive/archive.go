package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// The layout of the state directory.
const (
	pairsDir   = "pairs"
	bundlesDir = "bundles"
	heldFile   = "held.json"
	lockFile   = "lock"
)

const (
	kept      = 3                // bundles
	maxFile   = 64 << 20         // bytes of a file that is read
	lockLimit = 30 * time.Second // longer than any other process writes
	lockPause = 10 * time.Millisecond
)

// Archive is a state directory. It holds nothing open between two calls, and
// is safe for use by several goroutines and processes.
type Archive struct {
	dir      string
	patience time.Duration // with another process that has the lock
}

// Open makes the directory if there is none, and refuses one that others could
// write to, or put another in the place of: they could plant keys.
func Open(dir string) (*Archive, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open state_dir: %v", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create state_dir: %v: create it for uid %d with mode 0700, or choose another", err, os.Geteuid())
	}
	if err := ours(dir, os.Stat); err != nil {
		return nil, err
	}
	if err := guarded(dir); err != nil {
		return nil, err
	}
	for _, sub := range []string{pairsDir, bundlesDir} {
		path := filepath.Join(dir, sub)
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("create state_dir: %v: make %q writable for uid %d", err, dir, os.Geteuid())
		}
		if err := ours(path, os.Lstat); err != nil {
			return nil, err
		}
	}
	return &Archive{dir: dir, patience: lockLimit}, nil
}

// ours says why a directory cannot be trusted, and what to do.
func ours(path string, stat func(string) (fs.FileInfo, error)) error {
	info, err := stat(path)
	if err != nil {
		return fmt.Errorf("open state_dir: %v", err)
	}
	st := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("open state_dir: %q is no directory: move it away, or choose another state_dir", path)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("open state_dir: %q belongs to uid %d, not to uid %d: chown it, or choose another state_dir", path, st.Uid, os.Geteuid())
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("open state_dir: %q has mode %04o, so others can write to it: chmod go-w %q", path, info.Mode().Perm(), path)
	}
	return nil
}

// guarded says which directory above lets others put what they like in its place.
// What lies below such a one is not served either: the checks refuse its files. In
// one with the sticky bit, such as /tmp, they cannot (inode(7)).
func guarded(dir string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("open state_dir: %v", err)
	}
	for _, path := range []string{dir, real} {
		for path != "/" {
			path = filepath.Dir(path)
			info, err := os.Stat(path)
			if err != nil {
				return fmt.Errorf("open state_dir: %v", err)
			}
			if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
				return fmt.Errorf("open state_dir: %q, on the way to it, has mode %04o, so others could replace it: chmod go-w %q, or choose another state_dir",
					path, info.Mode().Perm(), path)
			}
		}
	}
	return nil
}

// pairPath is where a pair lies.
func (a *Archive) pairPath(digest string) string {
	return filepath.Join(a.dir, pairsDir, digest+".pem")
}

// folders are the directories, opened for one call.
type folders struct {
	top, pairs, bundles *os.Root
	lock                *os.File
}

// open opens the directories. os.Root never leaves them, whatever links are
// planted there.
func (a *Archive) open() (*folders, error) {
	top, err := os.OpenRoot(a.dir)
	if err != nil {
		return nil, fmt.Errorf("open state_dir: %v", err)
	}
	f := &folders{top: top}
	if f.pairs, err = top.OpenRoot(pairsDir); err == nil {
		f.bundles, err = top.OpenRoot(bundlesDir)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open state_dir %q: %v", a.dir, err)
	}
	return f, nil
}

// write opens the directories for a change, which one process makes at a time.
func (a *Archive) write() (*folders, error) {
	f, err := a.open()
	if err != nil {
		return nil, err
	}
	f.lock, err = f.top.OpenFile(lockFile, os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK, 0o600)
	for end := time.Now().Add(a.patience); err == nil; time.Sleep(lockPause) {
		err = flock(f.lock)
		if err == nil {
			return f, nil
		}
		if errors.Is(err, unix.EWOULDBLOCK) && time.Now().Before(end) {
			err = nil // flock(2) knows no time limit, and the other may be stopped
		}
	}
	f.Close()
	return nil, fmt.Errorf("lock state_dir %q: %v", a.dir, err)
}

func flock(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var locked error
	err = raw.Control(func(fd uintptr) { locked = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
	return errors.Join(err, locked)
}

// Close gives up the lock too.
func (f *folders) Close() {
	for _, root := range []*os.Root{f.pairs, f.bundles, f.top} {
		if root != nil {
			_ = root.Close()
		}
	}
	if f.lock != nil {
		_ = f.lock.Close()
	}
}

// put writes a file whole or not at all. It is on disk when put returns, but its
// name is only after flush.
func put(in *os.Root, name string, b []byte) error {
	f, err := renameio.NewPendingFile(name, renameio.WithRoot(in), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { _ = f.Cleanup() }()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// flush has the names in a directory on disk.
func flush(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Sync()
}

// get reads a file that put wrote. What is none is not opened: it might block.
func get(in *os.Root, name string) ([]byte, error) {
	info, err := in.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%q is not a file of at most %d bytes", name, maxFile)
	}
	f, err := in.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// regular lists the regular files in a directory, sorted.
func regular(dir *os.Root) ([]string, error) {
	entries, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return !e.Type().IsRegular() })
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names, nil
}
