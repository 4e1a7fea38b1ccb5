package master

import (
	"os"
	"strconv"
	"strings"

	"example.com/handover/supervisor/cgroup"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/process"
	"example.com/handover/worker/wire"
)

// command returns what a worker is.
func (m *master) command() (path string, args, env []string) {
	limit, _ := cgroup.MemoryLimit()
	env = workerEnvironment(os.Environ(), m.config, m.pool.Want(), limit)
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

// workerEnvironment is what [app] env lists, or ours less what would mislead a
// worker. Each worker gets its share of the CPUs and of the memory that the
// control group may have (0: unknown), unless the variables are set.
func workerEnvironment(own []string, c *config.Config, workers int, memory int64) []string {
	env := process.Environment(own)
	if len(c.App.Env) > 0 {
		env = process.Listed(own, c.App.Env)
	}
	env = withShares(env, workers, cgroup.Share(memory, workers, int64(c.MaxMemory)))
	if c.Umask != "" {
		env = append(env, wire.UmaskVariable+"="+c.Umask)
	}
	if c.Limits.Files > 0 {
		env = append(env, wire.FilesVariable+"="+strconv.Itoa(c.Limits.Files))
	}
	return env
}

// withShares adds what a worker may use of CPUs and memory (0: unknown), and says
// what was added: a program that it starts must not take that for its own.
func withShares(env []string, workers int, memory int64) []string {
	given := len(env)
	env = process.OrElse(env, "GOMAXPROCS", strconv.Itoa(max(1, process.Processors()/max(1, workers))))
	if memory > 0 {
		env = process.OrElse(env, "GOMEMLIMIT", strconv.FormatInt(memory, 10))
	}
	var added []string
	for _, v := range env[given:] {
		name, _, _ := strings.Cut(v, "=")
		added = append(added, name)
	}
	if len(added) == 0 {
		return env
	}
	return append(env, wire.OwnVariable+"="+strings.Join(added, ":"))
}
