package watch

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxLinks   = 40     // links that the kernel follows in one path (path_resolution(7))
	maxEntries = 100000 // entries of a folder and the folders in it that are looked at
)

// identity is what tells one state of a file from another, and where it is.
type identity struct {
	at           string // what the path leads to; of a path that ends early, where
	err          error  // an errno
	dev, ino     uint64
	mode         uint32
	nlink        uint64
	size         int64
	mtime, ctime unix.Timespec
}

// trail is what a path is made of: where to watch, and what was found.
type trail struct {
	names   []string   // paths of links, of the file, of what is missing: an event for one of them matters
	folders []string   // directories in which every event matters
	found   []identity // of the file, or of everything in the folder
	left    int        // entries that may still be looked at; 0: there are more
}

func (t *trail) same(u *trail) bool { return slices.Equal(t.found, u.found) }

// watched says whether t needs the same watches as u.
func (t *trail) watched(u *trail) bool {
	return slices.Equal(t.names, u.names) && slices.Equal(t.folders, u.folders)
}

// directories lists what must be watched.
func (t *trail) directories() []string {
	list := slices.Clone(t.folders)
	for _, name := range t.names {
		list = append(list, filepath.Dir(name))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// follow looks at a path as it is now. One that leads to a directory stands for
// everything in it, one level of folders included, but for hidden entries: those
// are the temporary files of whoever writes there.
func follow(path string) *trail {
	t := &trail{left: maxEntries}
	t.look("/", path, 2)
	return t
}

// look follows a path from a directory on and, if it ends in a directory, so
// many levels of what is in there.
func (t *trail) look(from, path string, levels int) {
	id := t.walk(from, path)
	if id.mode&unix.S_IFMT != unix.S_IFDIR || id.err != nil {
		t.found = append(t.found, id)
		return
	}
	// The times of a directory change with temporary files and the like; what
	// counts is what it holds, which is looked at below.
	t.found = append(t.found, identity{at: id.at, dev: id.dev, ino: id.ino, mode: id.mode})
	if levels == 0 {
		return
	}
	t.folders = append(t.folders, id.at)
	names, err := list(id.at, t.left)
	if err != nil {
		t.found = append(t.found, identity{at: id.at, err: err})
	}
	t.left -= len(names)
	for _, name := range names {
		t.look(id.at, name, levels-1)
	}
}

// list returns the entries of a directory that are not hidden, sorted, most at
// most.
func list(dir string, most int) ([]string, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), dir)
	defer func() { _ = f.Close() }()
	names, err := f.Readdirnames(max(1, most)) // 0 would mean all
	if errors.Is(err, io.EOF) {
		err = nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, ".") })
	slices.Sort(names)
	return names[:min(len(names), most)], unwrap(err)
}

// unwrap is the errno alone: two errors about the same thing are equal then.
func unwrap(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

// walk follows one path, link by link, from a directory that is no link itself.
// filepath.EvalSymlinks would not say which directories it came through.
func (t *trail) walk(at, path string) identity {
	rest := strings.Split(path, "/")
	followed := 0
	var st unix.Stat_t
	known := false // st is of at
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		next := filepath.Join(at, part)
		if errno := lstat(next, &st); errno != nil {
			if errno == unix.ENOTDIR {
				next = at // is in the way: nothing can be watched below it
			}
			t.names = append(t.names, next)
			return identity{at: next, err: errno}
		}
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			at, known = next, true
			continue
		}
		t.names = append(t.names, next)
		target, errno := readlink(next)
		if followed++; errno == nil && followed > maxLinks {
			errno = unix.ELOOP
		}
		if errno != nil {
			return identity{at: next, err: errno}
		}
		rest, known = append(strings.Split(target, "/"), rest...), false
		if strings.HasPrefix(target, "/") {
			at = "/"
		}
	}
	t.names = append(t.names, at)
	if !known {
		if errno := lstat(at, &st); errno != nil {
			return identity{at: at, err: errno}
		}
	}
	return identity{
		at: at, dev: st.Dev, ino: st.Ino, mode: st.Mode, nlink: uint64(st.Nlink), size: st.Size, mtime: st.Mtim, ctime: st.Ctim,
	}
}

// lstat is lstat(2) without the interruptions.
func lstat(path string, st *unix.Stat_t) error {
	for {
		if err := unix.Lstat(path, st); err != unix.EINTR {
			return err
		}
	}
}

func readlink(path string) (string, error) {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlink(path, target)
	return string(target[:max(n, 0)]), err
}
