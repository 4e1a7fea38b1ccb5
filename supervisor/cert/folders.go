package cert

import (
	"errors"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// mostOpen is how many directories are kept open for the pairs to come.
const mostOpen = 16

// folders remembers, for as long as one look at all pairs takes, where
// directories lead, and keeps a few of them open: thousands of pairs lie in few
// directories. What has become outdated meanwhile is noticed by file.compare.
// It is safe for use by several goroutines.
type folders struct {
	mu   sync.Mutex
	at   map[string]place // by path as configured
	kept map[string]int   // descriptors by place
}

func newFolders() *folders {
	return &folders{at: map[string]place{}, kept: map[string]int{}}
}

func (d *folders) close() {
	for _, fd := range d.kept {
		_ = unix.Close(fd)
	}
}

// locate finds out where path leads. The key is what the configuration calls it.
func (d *folders) locate(key, path string) *file {
	f := &file{key: key, path: path}
	if absolute, err := filepath.Abs(path); err == nil {
		f.path = absolute
	}
	at, lost := d.resolve(f.path)
	if lost == nil {
		f.at = at
		return f
	}
	// A link under /proc/self/fd leads where no path does: let the kernel follow.
	var st unix.Stat_t
	if lost.errno == unix.ENOENT && unix.Stat(f.path, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		f.stat, f.err = st, errNotRegular
		return f
	}
	f.err = lost
	return f
}

// resolve is the function of that name, but goes each way to a directory once.
func (d *folders) resolve(path string) (place, *pathError) {
	dir, base := filepath.Split(path)
	d.mu.Lock()
	above, ok := d.at[dir]
	d.mu.Unlock()
	if !ok {
		var lost *pathError
		if above, lost = resolve(dir); lost != nil || above.mode&unix.S_IFMT != unix.S_IFDIR || base == "" {
			return resolve(path)
		}
		above.links = slices.Clip(above.links) // many go on from here, each with its own
		d.mu.Lock()
		d.at[dir] = above
		d.mu.Unlock()
	}
	return above.follow([]string{base})
}

// directory is an open one, or why it is not.
type directory struct {
	fd   int
	err  error
	lent bool // it is not the borrower's to close
}

// directories opens the directories of the files of a pair: one that they share
// is opened once.
func (d *folders) directories(files []*file) (dirs [2]directory) {
	for i, f := range files {
		switch {
		case f.err != nil:
			dirs[i].err = errors.New("nothing to open")
		case i > 0 && dirs[0].err == nil && f.at.dir == files[0].at.dir:
			dirs[i] = directory{fd: dirs[0].fd, lent: true}
		default:
			dirs[i] = d.borrow(f.at.dir)
		}
	}
	return dirs
}

func (d *folders) borrow(path string) directory {
	d.mu.Lock()
	defer d.mu.Unlock()
	if fd, ok := d.kept[path]; ok {
		return directory{fd: fd, lent: true}
	}
	fd, err := retry(func() (int, error) {
		return unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil || len(d.kept) >= mostOpen {
		return directory{fd: fd, err: err}
	}
	d.kept[path] = fd
	return directory{fd: fd, lent: true}
}

// release closes what was opened for one pair alone.
func (d *folders) release(dirs []directory) {
	for _, dir := range dirs {
		if dir.err == nil && !dir.lent {
			_ = unix.Close(dir.fd)
		}
	}
}
