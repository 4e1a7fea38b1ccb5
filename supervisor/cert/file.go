package cert

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// eachFile asks look about every file of the pair.
func eachFile(c *candidate, look func(*file) *problem) []problem {
	var found []problem
	for _, f := range c.files() {
		if p := look(f); p != nil {
			p.file = f.path
			found = append(found, *p)
		}
	}
	return found
}

func fileSymlinkLoop(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		if !errors.Is(f.err, unix.ELOOP) {
			return nil
		}
		return &problem{
			message: fmt.Sprintf("%q leads through more than %d symbolic links", f.path, maxLinks),
			hint:    fmt.Sprintf("links lead in a circle: look at them with namei -l %q", f.path),
		}
	})
}

func fileMissing(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		if !errors.Is(f.err, unix.ENOENT) && !errors.Is(f.err, unix.ENOTDIR) {
			return nil
		}
		p := problem{
			message: fmt.Sprintf("%q does not exist", f.path),
			hint:    fmt.Sprintf("%s must name a file that is there", f.key),
			torn:    true,
		}
		var lost *pathError
		switch {
		case !errors.As(f.err, &lost):
		case lost.errno == unix.ENOTDIR:
			p.hint = fmt.Sprintf("%q is not a directory: correct %s", filepath.Join(lost.dir, lost.base), f.key)
		case filepath.Join(lost.dir, lost.base) != f.path:
			p.hint = fmt.Sprintf("there is no %q in %q, where the path leads: correct %s or run the renewal tool again",
				lost.base, lost.dir, f.key)
		default:
			p.hint = fmt.Sprintf("there is no %q in %q: correct %s or run the renewal tool again", lost.base, lost.dir, f.key)
		}
		return &p
	})
}

func fileUnreadable(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		var errno syscall.Errno
		switch {
		case errors.Is(f.err, errUnstable):
			return &problem{
				message: fmt.Sprintf("%q changes while it is read", f.path),
				hint:    "write a new file beside it and rename that over it",
				torn:    true,
			}
		case !errors.As(f.err, &errno) || errno == unix.ENOENT || errno == unix.ENOTDIR || errno == unix.ELOOP:
			return nil
		case errno != unix.EACCES && errno != unix.EPERM:
			return &problem{
				message: fmt.Sprintf("%q cannot be read: %v", f.path, errno),
				hint:    "look at the file system it lies on",
			}
		}
		where, needs := filepath.Join(f.at.dir, f.at.base), "r"
		kind := "file"
		var lost *pathError
		if errors.As(f.err, &lost) {
			where, kind, needs = lost.dir, "directory", "x"
		}
		return &problem{
			message: fmt.Sprintf("%q cannot be read by uid %d, gid %d: %s %s", f.path, os.Geteuid(), os.Getegid(), kind, owned(where)),
			hint: fmt.Sprintf("give the master's user %s on %q, or start it as root: workers need no right to either file",
				needs, where),
		}
	})
}

// owned describes who may do what with a path.
func owned(path string) string {
	var st unix.Stat_t
	if err := lstat(path, &st); err != nil {
		return fmt.Sprintf("%q: %v", path, err)
	}
	return fmt.Sprintf("%q has mode %04o, uid %d, gid %d", path, st.Mode&0o7777, st.Uid, st.Gid)
}

func fileNotRegular(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		if !errors.Is(f.err, errNotRegular) {
			return nil
		}
		hint := fmt.Sprintf("%s must name a file in PEM", f.key)
		if f.key == nameTicketKeys {
			hint = hintLines
		}
		return &problem{
			message: fmt.Sprintf("%q is not a regular file but %s", f.path, kindOf(f.stat.Mode)),
			hint:    hint,
		}
	})
}

// kindOf names the type in a mode, with its article (inode(7)).
func kindOf(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a pipe"
	case unix.S_IFSOCK:
		return "a socket"
	case unix.S_IFCHR, unix.S_IFBLK:
		return "a device"
	default:
		return "something that reading waits for"
	}
}

func fileTooLarge(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		if !errors.Is(f.err, errTooLarge) {
			return nil
		}
		what := "one chain or key"
		if f.key == nameAuthorities {
			what = "the certificates of authorities"
		}
		hint := fmt.Sprintf("%s must hold %s in PEM and nothing else", f.key, what)
		if f.key == nameTicketKeys {
			hint = hintLines
		}
		return &problem{
			message: fmt.Sprintf("%q is larger than %d bytes", f.path, maxFile),
			hint:    hint,
		}
	})
}
