package cert

import (
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links the kernel follows in one path before it says
// ELOOP (path_resolution(7)).
const maxLinks = 40

// place is where a path leads once every link in it is followed.
type place struct {
	dir, base string
	mode      uint32      // of what is there, without following
	links     []time.Time // when the links on the way last changed
}

// same says whether both paths lead to one place.
func (p place) same(q place) bool { return p.dir == q.dir && p.base == q.base }

// pathError says where on its way a path ended.
type pathError struct {
	errno syscall.Errno
	dir   string // the last directory reached
	base  string // what was looked for in it
	links []time.Time
}

func (e *pathError) Error() string {
	return fmt.Sprintf("resolve %q in %q: %v", e.base, e.dir, e.errno)
}

func (e *pathError) Unwrap() error { return e.errno }

// resolve follows path by hand. filepath.EvalSymlinks would do so too, but it
// says neither which directory may not be searched nor how old the links are.
func resolve(path string) (place, *pathError) {
	rest := strings.Split(path, "/")
	at := place{dir: "/", base: ".", mode: unix.S_IFDIR}
	followed := 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		if at.mode&unix.S_IFMT != unix.S_IFDIR {
			return at, &pathError{unix.ENOTDIR, at.dir, at.base, at.links}
		}
		at.dir, at.base = filepath.Join(at.dir, at.base), part
		var st unix.Stat_t
		if err := lstat(filepath.Join(at.dir, part), &st); err != nil {
			return at, &pathError{err.(syscall.Errno), at.dir, part, at.links}
		}
		if at.mode = st.Mode; at.mode&unix.S_IFMT != unix.S_IFLNK {
			continue
		}
		at.links = append(at.links, time.Unix(st.Ctim.Unix()))
		if followed++; followed > maxLinks {
			return at, &pathError{unix.ELOOP, at.dir, part, at.links}
		}
		target := make([]byte, unix.PathMax)
		n, err := unix.Readlink(filepath.Join(at.dir, part), target)
		if err != nil {
			return at, &pathError{err.(syscall.Errno), at.dir, part, at.links}
		}
		rest = append(strings.Split(string(target[:n]), "/"), rest...)
		at.base, at.mode = ".", unix.S_IFDIR
		if target[0] == '/' {
			at.dir = "/"
		}
	}
	return at, nil
}

// lstat is lstat(2) without the interruptions.
func lstat(path string, st *unix.Stat_t) error {
	for {
		if err := unix.Lstat(path, st); err != unix.EINTR {
			return err
		}
	}
}
