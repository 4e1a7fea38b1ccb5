package cert

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
	foreign   []foreign   // the directories on the way that belong neither to root nor to the master
	loose     []loose     // the directories on the way in which strangers may replace what they like
}

// loose is a directory that others than its owner may write to. In one with the
// sticky bit, such as /tmp, they may do so only with what is theirs (inode(7)).
type loose struct {
	path string
	mode uint32
}

// foreign is a directory whose owner may replace what is in it, whatever its mode.
type foreign struct {
	path string
	uid  uint32
}

// writable are the bits that let others than the owner write.
const writable = unix.S_IWGRP | unix.S_IWOTH

// pass notes what is found on the way.
func (p *place) pass(st *unix.Stat_t) {
	mode := st.Mode
	p.mode = mode
	if mode&unix.S_IFMT != unix.S_IFDIR {
		return
	}
	if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		p.foreign = append(slices.Clip(p.foreign), foreign{filepath.Join(p.dir, p.base), st.Uid})
	}
	if mode&writable != 0 && mode&unix.S_ISVTX == 0 {
		// Clipped: the beginning may be shared by many ways.
		p.loose = append(slices.Clip(p.loose), loose{filepath.Join(p.dir, p.base), mode})
	}
}

// same says whether both paths lead to one place.
func (p place) same(q place) bool { return p.dir == q.dir && p.base == q.base }

// real is the path of what was read, without links.
func (f *file) real() string { return filepath.Join(f.at.dir, f.at.base) }

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
	return place{dir: "/", base: ".", mode: unix.S_IFDIR}.follow(strings.Split(path, "/"))
}

// follow goes on from a directory.
func (at place) follow(rest []string) (place, *pathError) {
	followed := len(at.links)
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
		if at.pass(&st); at.mode&unix.S_IFMT != unix.S_IFLNK {
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
