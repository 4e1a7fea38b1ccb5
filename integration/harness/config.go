package harness

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Config says what an instance is started with. Its zero value is two workers
// that run the echo program on one TLS address, with a good certificate.
type Config struct {
	Workers         int
	Command         []string // [app] command; nil: the echo program; empty: no [app]
	AppEnv          []string // [app] env, with a Command
	HealthPath      string
	BootTimeout     string // default 20s
	KeepaliveGrace  string // default 1s
	GracefulTimeout string // default 10s
	Keys            string // further lines at the top level
	Tables          string // further tables
	Names           []string
	Plain           bool // the address is served without TLS
	UnixToo         bool // a second listener, a plain unix socket

	Binary string   // as the program is called; default: the one under test
	Folder string   // working folder of the anchor; default: the instance's own
	Env    []string // besides PATH and HOME
	Wrap   []string // words before the program, for instance unshare
	Words  []string // instead of "run -c FILE"
}

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// render writes the config file's text.
func (i *Instance) render(c Config) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("workers = %d", c.Workers)
	line("pidfile = %q", i.PidFile())
	line("boot_timeout = %q", or(c.BootTimeout, "20s"))
	line("keepalive_grace = %q", or(c.KeepaliveGrace, "1s"))
	line("graceful_timeout = %q", or(c.GracefulTimeout, "10s"))
	if c.HealthPath != "" {
		line("health_path = %q", c.HealthPath)
	}
	line("%s", c.Keys)
	line("[[listen]]\naddress = %q\ntls = %v", i.Addr, !c.Plain)
	if c.UnixToo {
		line("[[listen]]\naddress = %q\ntls = false", "unix:"+i.UnixSocket())
	}
	if !c.Plain {
		line("[[certificate]]\ncertfile = %q\nkeyfile = %q", i.Certs.CertFile(), i.Certs.KeyFile())
		line("server_names = [%s]", quoted(c.Names))
	}
	if len(c.Command) > 0 {
		line("[app]\ncommand = [%s]", quoted(c.Command))
		if c.AppEnv != nil { // the release before does not know it
			line("env = [%s]", quoted(c.AppEnv))
		}
	}
	line("[control]\nsocket = %q", i.ControlSocket())
	line("%s", c.Tables)
	return b.String()
}

func quoted(words []string) string {
	list := make([]string, len(words))
	for n, w := range words {
		list[n] = fmt.Sprintf("%q", w)
	}
	return strings.Join(list, ", ")
}

// ConfigFile is the path of the instance's config.
func (i *Instance) ConfigFile() string { return filepath.Join(i.Dir, "config.toml") }

// ControlSocket is where its commands go.
func (i *Instance) ControlSocket() string { return filepath.Join(i.Dir, "control.sock") }

// PidFile is where it says its PID.
func (i *Instance) PidFile() string { return filepath.Join(i.Dir, "pid") }

// UnixSocket is its second listener, with UnixToo.
func (i *Instance) UnixSocket() string { return filepath.Join(i.Dir, "web.sock") }

// control is the folder that the echo program's behaviour is read from.
func (i *Instance) control() string { return filepath.Join(i.Dir, "behaviour") }
