package cert

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// chmod is the command that takes rights away from others than the owner.
func chmod(what, path string) string { return fmt.Sprintf("chmod %s %q", what, path) }

// fileWritableByOthers looks at both files and at every directory on the way to
// them, links followed: who may write to one of those may put other files there.
func fileWritableByOthers(c *candidate) []problem {
	var found []problem
	told := map[string]bool{} // both files usually lie in one directory
	for _, f := range c.files() {
		if f.err != nil {
			continue
		}
		if f.stat.Mode&writable != 0 {
			found = append(found, problem{
				file:    f.path,
				message: fmt.Sprintf("%q has mode %04o: others than its owner may write to it", f.real(), f.stat.Mode&0o7777),
				hint:    chmod("go-w", f.real()),
			})
		}
		for _, dir := range f.at.loose {
			if told[dir.path] || len(found) == mostParts {
				continue
			}
			told[dir.path] = true
			found = append(found, problem{
				file: f.path,
				message: fmt.Sprintf("%q leads through %q, which has mode %04o: others than its owner may put another file there",
					f.path, dir.path, dir.mode&0o7777),
				hint: chmod("go-w", dir.path),
			})
		}
	}
	return found
}

// keyFile asks look about the file that holds the key, if it was read.
func keyFile(c *candidate, look func(*file) *problem) []problem {
	secret := c.known != nil || isTicketKeys(c.source) // of neither a block is read
	if c.key == nil || c.key.err != nil || !secret && c.keyBlocks.privateKey() == nil {
		return nil
	}
	if p := look(c.key); p != nil {
		p.file = c.key.path
		return []problem{*p}
	}
	return nil
}

func fileKeyWorldReadable(c *candidate) []problem {
	return keyFile(c, func(f *file) *problem {
		if f.stat.Mode&unix.S_IROTH == 0 {
			return nil
		}
		return &problem{
			message: fmt.Sprintf("the key %q has mode %04o: everybody on this machine can read it", f.real(), f.stat.Mode&0o7777),
			hint:    chmod("o-rwx", f.real()) + ", and consider a new key: this one may have been read (Kubernetes: defaultMode: 0400)",
		}
	})
}

// fileKeyGroupReadable is silent on a key that everybody can read.
func fileKeyGroupReadable(c *candidate) []problem {
	return keyFile(c, func(f *file) *problem {
		if f.stat.Mode&unix.S_IRGRP == 0 || f.stat.Mode&unix.S_IROTH != 0 {
			return nil
		}
		group, listed := groupOf(f.stat.Gid, c.tls.KeyGroups)
		p := &problem{
			message: fmt.Sprintf("the key %q has mode %04o: group %s can read it", f.real(), f.stat.Mode&0o7777, group),
			hint:    fmt.Sprintf("%s, or put the group into key_groups under [tls] if its members may", chmod("g-rwx", f.real())),
		}
		if listed {
			p.atMost = info
			p.hint = "nothing to mend: key_groups under [tls] lists this group"
		}
		return p
	})
}

// groupOf names a group and says whether the list has its name or number.
func groupOf(gid uint32, list []string) (name string, listed bool) {
	number := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(number); err == nil {
		return fmt.Sprintf("%q", g.Name), slices.Contains(list, g.Name) || slices.Contains(list, number)
	}
	return number, slices.Contains(list, number)
}

// fileOwner knows two owners that may replace what is served: root and the
// master itself.
func fileOwner(c *candidate) []problem {
	master := os.Geteuid()
	return append(fileItself(c, master), wayOwners(c, master)...)
}

// wayOwners is about the directories on the way to both files, links followed.
func wayOwners(c *candidate, master int) []problem {
	var found []problem
	told := map[string]bool{}
	for _, f := range c.files() {
		for _, dir := range f.at.foreign {
			if f.err != nil || told[dir.path] || len(found) == mostParts {
				continue
			}
			told[dir.path] = true
			found = append(found, problem{
				file: f.path,
				message: fmt.Sprintf("%q leads through %q, which belongs to uid %d, expected root or the master's uid %d: its owner may put another file there",
					f.path, dir.path, dir.uid, master),
				hint: fmt.Sprintf("chown %d %q", master, dir.path),
			})
		}
	}
	return found
}

func fileItself(c *candidate, master int) []problem {
	return eachFile(c, func(f *file) *problem {
		owner := int(f.stat.Uid)
		if f.err != nil || owner == 0 || owner == master {
			return nil
		}
		p := &problem{
			message: fmt.Sprintf("%q belongs to uid %d, expected root or the master's uid %d", f.real(), owner, master),
			hint:    fmt.Sprintf("chown %d %q", master, f.real()),
		}
		if owner == c.worker && c.worker != master {
			p.message += ": workers run as that user, and one that was taken over could replace its own key"
		}
		return p
	})
}

func fileSymlink(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		if f.err != nil || len(f.at.links) == 0 {
			return nil
		}
		return &problem{
			message: fmt.Sprintf("%q leads through symbolic links to %q", f.path, f.real()),
			hint:    "nothing to mend: links are followed at every reload",
		}
	})
}

// fileUnlinked finds what only a bind mount of a single file can show: a file
// that is open to everybody by a path and has no name any more.
func fileUnlinked(c *candidate) []problem {
	return eachFile(c, func(f *file) *problem {
		if f.err != nil || f.stat.Nlink != 0 {
			return nil
		}
		return &problem{
			message: fmt.Sprintf("%q was replaced where it comes from, and the old one is still mounted here", f.path),
			hint:    "mount the directory instead of the file (docker: -v /etc/ssl/live:/certs, Kubernetes: no subPath), then start this container again",
		}
	})
}
