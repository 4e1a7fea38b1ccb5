package master

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"example.com/handover/supervisor/config"
	"golang.org/x/sys/unix"
)

// credentialOf returns whom workers run as; nil: as the master. Their other
// groups are those that the machine lists for the user, as initgroups(3) has it,
// and never the master's own: a group alone leaves none.
func credentialOf(c *config.Config) (*syscall.Credential, error) {
	if c.User == "" && c.Group == "" {
		return nil, nil
	}
	credential := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	var others []string
	if c.User != "" {
		u, err := user.Lookup(c.User)
		if err != nil {
			return nil, fmt.Errorf("look up user %q: %w", c.User, err)
		}
		if credential.Uid, credential.Gid, err = numbers(u.Uid, u.Gid); err != nil {
			return nil, fmt.Errorf("look up user %q: %w", c.User, err)
		}
		if others, err = u.GroupIds(); err != nil {
			return nil, fmt.Errorf("look up groups of user %q: %w", c.User, err)
		}
	}
	first := credential.Gid
	if c.Group != "" {
		g, err := user.LookupGroup(c.Group)
		if err != nil {
			return nil, fmt.Errorf("look up group %q: %w", c.Group, err)
		}
		if credential.Gid, _, err = numbers(g.Gid, "0"); err != nil {
			return nil, fmt.Errorf("look up group %q: %w", c.Group, err)
		}
	}
	for _, other := range others {
		// The first group of the user is among them. Another one has taken its place.
		if id, _, err := numbers(other, "0"); err == nil && id != first {
			credential.Groups = append(credential.Groups, id)
		}
	}
	if c.User != "" {
		credential.Groups = append(credential.Groups, credential.Gid)
	}
	return credential, allowed(credential)
}

// numbers reads two identifiers.
func numbers(first, second string) (uint32, uint32, error) {
	a, err1 := strconv.ParseUint(first, 10, 32)
	b, err2 := strconv.ParseUint(second, 10, 32)
	return uint32(a), uint32(b), errors.Join(err1, err2)
}

// allowed says why a master that is not root cannot start a worker, in place of a
// bare "operation not permitted". It may name itself: then nothing is to be changed.
func allowed(credential *syscall.Credential) error {
	if os.Geteuid() == 0 {
		return nil
	}
	if credential.Uid == uint32(os.Getuid()) && credential.Gid == uint32(os.Getgid()) {
		credential.NoSetGroups = true
		return nil
	}
	return errors.New("run workers as another user or group: only root may; leave out user and group, or start as root")
}

// workerUID returns the account that workers run as.
func workerUID(c *config.Config) int {
	if credential, err := credentialOf(c); err == nil && credential != nil {
		return int(credential.Uid)
	}
	return os.Geteuid()
}

// allowFiles has this process allowed as many descriptors as a worker is to have:
// a child may have no more than its parent. Root may raise that; the number this
// process uses itself stays as it was.
func allowFiles(files int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || uint64(files) <= limit.Max {
		return err
	}
	had := limit.Max
	limit.Max = uint64(files)
	if err := unix.Prlimit(os.Getpid(), unix.RLIMIT_NOFILE, &limit, nil); err != nil {
		return fmt.Errorf("allow each worker %d descriptors: the system allows %d: %v", files, had, err)
	}
	return nil
}
