package cert

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// maxFile is the largest file in bytes that is taken for a certificate or key.
const maxFile = 1 << 20

var (
	errNotRegular = errors.New("not a regular file")
	errTooLarge   = errors.New("too large")
	errUnstable   = errors.New("changes while it is read")
)

// identity is what fstat says of a file's content: the same before and after
// reading means that nobody wrote meanwhile, as far as the kernel's clock tells.
type identity struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// file is one file of a pair: what was read of it, or why it could not be read.
type file struct {
	key  string // what the configuration calls it
	path string // as configured, absolute
	at   place
	id   identity
	stat unix.Stat_t
	data []byte
	err  error
}

// snapshot is both files of a pair at one moment. One file named twice is read
// once, and key is cert then.
type snapshot struct {
	cert, key *file
}

// read takes a snapshot of a pair, or of one file if keyPath is empty.
func read(certPath, keyPath string) snapshot {
	d := newFolders()
	defer d.close()
	return d.read("certfile", certPath, "keyfile", keyPath)
}

// read takes a snapshot. All descriptors are open before the first byte is
// read, and what each path leads to is compared after the last.
func (d *folders) read(certKey, certPath, keyKey, keyPath string) snapshot {
	s := snapshot{cert: d.locate(certKey, certPath)}
	if keyPath != "" {
		s.key = d.locate(keyKey, keyPath)
		if s.cert.path == s.key.path || s.cert.err == nil && s.key.err == nil && s.cert.at.same(s.key.at) {
			s.key = s.cert
		}
	}
	files := s.files()
	open := [2]int{-1, -1}
	dirs := d.directories(files)
	for i, f := range files {
		if fd, ok := f.open(dirs[i]); ok {
			open[i] = fd
		}
	}
	d.release(dirs[:len(files)])
	for i, f := range files {
		if open[i] >= 0 && f.err == nil {
			f.data, f.err = readAll(open[i], f.stat.Size)
		}
	}
	for i, f := range files {
		if open[i] >= 0 {
			f.compare()
			_ = unix.Close(open[i])
		}
	}
	return s
}

// digest is the SHA-256 of the bytes of both files, each behind its length, in
// lower-case hex; empty if one could not be read.
func (s snapshot) digest() string {
	h := sha256.New()
	for _, f := range []*file{s.cert, s.key} {
		if f == nil || f.err != nil {
			return ""
		}
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(f.data)))
		h.Write(length[:])
		h.Write(f.data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// stripped is s without the bytes: enough to see whether the files change.
func (s snapshot) stripped() snapshot {
	strip := func(f *file) *file {
		if f == nil {
			return nil
		}
		g := *f
		g.data = nil
		return &g
	}
	t := snapshot{cert: strip(s.cert)}
	if t.key = t.cert; s.key != s.cert {
		t.key = strip(s.key)
	}
	return t
}

// files lists the files that s consists of.
func (s snapshot) files() []*file {
	switch {
	case s.cert == nil:
		return nil
	case s.key == nil, s.cert == s.key:
		return []*file{s.cert}
	default:
		return []*file{s.cert, s.key}
	}
}

// same says whether s was read from the same state of the same files as t.
func (s snapshot) same(t snapshot) bool {
	return slices.EqualFunc(s.files(), t.files(), func(a, b *file) bool {
		return a.id == b.id && a.at.same(b.at)
	})
}

// young says whether a file of s, or a link that leads to it, changed less
// than limit before now. A time ahead of now counts by its distance, so that a
// file dated into the next century is not young until then.
func (s snapshot) young(now time.Time, limit time.Duration) bool {
	return slices.ContainsFunc(s.files(), func(f *file) bool { return f.changedSince(now, limit) })
}

func (f *file) changedSince(now time.Time, limit time.Duration) bool {
	return slices.ContainsFunc(f.changes(), func(t time.Time) bool { return now.Sub(t).Abs() < limit })
}

// changes lists when the file and what leads to it last changed; of a missing
// file the directory that should have held it.
func (f *file) changes() []time.Time {
	times := slices.Clone(f.at.links)
	if f.id != (identity{}) {
		return append(times, time.Unix(f.id.mtime.Unix()), time.Unix(f.id.ctime.Unix()))
	}
	dir := f.at.dir
	var lost *pathError
	if errors.As(f.err, &lost) {
		dir = lost.dir
		times = append(times, lost.links...)
	}
	// The directory may be gone itself, as after a swap: then the one above.
	for ; ; dir = filepath.Dir(dir) {
		var st unix.Stat_t
		if lstat(dir, &st) == nil {
			return append(times, time.Unix(st.Mtim.Unix()))
		}
		if dir == "/" || dir == "." {
			return times
		}
	}
}

// open opens the file in its directory. O_NONBLOCK: opening a FIFO would wait
// for its writer.
func (f *file) open(dir directory) (fd int, ok bool) {
	if f.err != nil {
		return 0, false
	}
	// A device is not even opened: for some that alone has consequences.
	if f.at.mode&unix.S_IFMT != unix.S_IFREG {
		f.stat.Mode, f.err = f.at.mode, errNotRegular
		return 0, false
	}
	if dir.err != nil {
		f.err = vanished(dir.err)
		return 0, false
	}
	fd, f.err = retry(func() (int, error) {
		return unix.Openat(dir.fd, f.at.base, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	})
	if f.err != nil {
		f.err = vanished(f.err)
		return 0, false
	}
	if f.err = unix.Fstat(fd, &f.stat); f.err == nil && f.stat.Mode&unix.S_IFMT != unix.S_IFREG {
		f.err = errNotRegular
	}
	f.id = identify(&f.stat)
	return fd, true
}

// vanished is err, unless it says that something is gone which resolve has just
// seen: then somebody is at work.
func vanished(err error) error {
	if err == unix.ENOENT || err == unix.ENOTDIR {
		return errUnstable
	}
	return err
}

// compare finds out whether the file, or where its path leads, changed since it
// was opened: one look along the path shows both, for it ends at the same file
// in the same state, or it does not.
func (f *file) compare() {
	if f.err != nil {
		return
	}
	var st unix.Stat_t
	_, err := retry(func() (int, error) { return 0, unix.Stat(f.path, &st) })
	if err != nil || identify(&st) != f.id {
		f.data, f.err = nil, errUnstable
	}
}

func identify(st *unix.Stat_t) identity {
	return identity{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
}

// readAll reads to the end, but one byte more than allowed at most: a size from
// fstat is a hint only, for a file may grow. It reads the descriptor itself: an
// os.File would wait in the poller for one that has nothing to say.
func readAll(fd int, hint int64) ([]byte, error) {
	data := make([]byte, 0, min(max(hint, 0), maxFile)+1)
	for {
		n, err := retry(func() (int, error) { return unix.Read(fd, data[len(data):cap(data)]) })
		switch {
		case err == unix.EAGAIN:
			return nil, errNotRegular
		case err != nil:
			return nil, err
		case n == 0:
			return data, nil
		}
		if data = data[:len(data)+n]; len(data) > maxFile {
			return nil, errTooLarge
		}
		if len(data) == cap(data) {
			data = slices.Grow(data, min(len(data)+512, maxFile+1-len(data)))
		}
	}
}

// retry repeats a system call that a signal interrupted; Go's own are restarted
// by the kernel, but not on every file system (signal(7)).
func retry(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); err != unix.EINTR {
			return n, err
		}
	}
}
