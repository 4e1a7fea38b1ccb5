package master

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
)

// command returns what a worker is.
func (m *master) command() (path string, args, env []string) {
	env = workerEnvironment(os.Environ(), m.pool.Want())
	if m.options.Self {
		return self, os.Args, env
	}
	if app := m.config.App; len(app.Command) > 0 {
		return app.Command[0], app.Command, env
	}
	// The path pins this very binary: a worker runs the code that its master runs.
	return self, os.Args, append(env, wire.AppVariable+"="+encodeApp(m.config.App))
}

// self is the running binary, also when its file is gone.
const self = "/proc/self/exe"

// workerEnvironment is ours less what would mislead a worker. Each worker gets
// its share of the CPUs, unless GOMAXPROCS says otherwise.
func workerEnvironment(own []string, workers int) []string {
	env := process.Environment(own)
	if !slices.ContainsFunc(own, func(v string) bool { return strings.HasPrefix(v, "GOMAXPROCS=") }) {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(max(1, runtime.GOMAXPROCS(0)/max(1, workers))))
	}
	return env
}

// credentialOf returns whom workers run as; nil: as the master.
func credentialOf(c *config.Config) (*syscall.Credential, error) {
	if c.User == "" && c.Group == "" {
		return nil, nil
	}
	credential := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}
	if c.User != "" {
		u, err := user.Lookup(c.User)
		if err != nil {
			return nil, fmt.Errorf("look up user %q: %w", c.User, err)
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("look up user %q: %w", c.User, err)
		}
		credential.Uid, credential.Gid = uint32(uid), uint32(gid)
		groups, _ := u.GroupIds()
		for _, g := range groups {
			if id, err := strconv.ParseUint(g, 10, 32); err == nil {
				credential.Groups = append(credential.Groups, uint32(id))
			}
		}
	}
	if c.Group != "" {
		g, err := user.LookupGroup(c.Group)
		if err != nil {
			return nil, fmt.Errorf("look up group %q: %w", c.Group, err)
		}
		gid, err := strconv.ParseUint(g.Gid, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("look up group %q: %w", c.Group, err)
		}
		credential.Gid = uint32(gid)
	}
	return credential, nil
}

// workerUID returns the account that workers run as.
func workerUID(c *config.Config) int {
	if credential, err := credentialOf(c); err == nil && credential != nil {
		return int(credential.Uid)
	}
	return os.Geteuid()
}
