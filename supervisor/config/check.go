package config

import (
	"errors"
	"net/url"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxWorkers = 1024
	// maxDuration keeps the sums of durations, which other packages form, far
	// from the end of time.Duration.
	maxDuration = 30 * 24 * time.Hour
)

// check validates every value, and completes those that depend on others or on
// the machine: paths, the command, names.
func (r *reader) check(c *Config) {
	if _, said := r.lines["keepalive_grace"]; !said && c.GracefulTimeout > 0 {
		c.KeepaliveGrace = min(c.KeepaliveGrace, c.GracefulTimeout) // nobody asked for the default
	}
	r.numbers(c)
	r.durations(c)
	r.healthPath(c.HealthPath)
	r.path("pidfile", &c.PidFile)
	r.account(c)
	r.listeners(c)
	r.certificates(c.Certificate)
	r.oneOf("tls.min_version", c.TLS.MinVersion, "1.2", "1.3")
	for name, verdict := range c.TLS.Checks {
		r.oneOf(join("tls.checks", name), verdict, "refuse", "warn", "off")
	}
	r.app(&c.App)
	r.path("log.file", &c.Log.File)
	r.oneOf("log.format", c.Log.Format, "auto", "text", "json")
	r.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	r.collisions(c)
}

// collisions refuses two uses of one path: a pidfile written over a key, a log
// written into a certificate.
func (r *reader) collisions(c *Config) {
	type use struct{ key, path string }
	uses := []use{{"pidfile", c.PidFile}, {"log.file", c.Log.File}, {"control.socket", c.Control.Socket}}
	for i, l := range c.Listen {
		if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
			uses = append(uses, use{index("listen", i) + ".address", path})
		}
	}
	read := len(uses) // from here on the files are only read, and may serve twice
	for i, cert := range c.Certificate {
		uses = append(uses, use{index("certificate", i) + ".certfile", cert.CertFile}, use{index("certificate", i) + ".keyfile", cert.KeyFile})
	}
	taken := map[string]string{}
	for i, u := range uses {
		if u.path == "" {
			continue
		}
		path := filepath.Clean(u.path)
		first, ok := taken[path]
		if ok && (i < read || slices.ContainsFunc(uses[:read], func(w use) bool { return w.key == first })) && !listens(first, u.key) {
			r.report(u.key, "give each a path of its own", "key %q: found %q, which %q names already", u.key, u.path, first)
		}
		if !ok {
			taken[path] = u.key
		}
	}
}

// listens says whether both are sockets, whose collisions are told elsewhere.
func listens(a, b string) bool {
	socket := func(key string) bool { return key == "control.socket" || strings.HasPrefix(key, "listen[") }
	return socket(a) && socket(b)
}

func (r *reader) oneOf(key, value string, words ...string) {
	if !slices.Contains(words, value) {
		r.report(key, meant(value, words), "key %q: found %q, expected %s", key, value, either(words))
	}
}

func (r *reader) numbers(c *Config) {
	if c.Workers < 0 || c.Workers > maxWorkers {
		r.report("workers", "0 stands for one per CPU",
			"key %q: found %d, expected 0 to %d", "workers", c.Workers, maxWorkers)
	}
	if c.MaxDraining < 1 {
		r.report("max_draining", "", "key %q: found %d, expected 1 or more", "max_draining", c.MaxDraining)
	}
}

func (r *reader) durations(c *Config) {
	positive := map[string]time.Duration{"boot_timeout": c.BootTimeout, "graceful_timeout": c.GracefulTimeout}
	for key, d := range positive {
		if d <= 0 {
			r.report(key, "", `key %q: found %s, expected more than 0s, such as "30s"`, key, d)
		}
	}
	if c.KeepaliveGrace < 0 {
		r.report("keepalive_grace", "", `key %q: found %s, expected 0s or more, such as "5s"`, "keepalive_grace", c.KeepaliveGrace)
	}
	for key, d := range map[string]time.Duration{
		"boot_timeout": c.BootTimeout, "graceful_timeout": c.GracefulTimeout, "keepalive_grace": c.KeepaliveGrace,
	} {
		if d > maxDuration {
			r.report(key, "", "key %q: found %s, expected at most %s", key, d, maxDuration)
		}
	}
	if c.KeepaliveGrace > c.GracefulTimeout && c.GracefulTimeout > 0 && !r.broken("graceful_timeout") {
		r.report("keepalive_grace", "it is a part of graceful_timeout: make one shorter or the other longer",
			"key %q: found %s, expected at most graceful_timeout, which is %s", "keepalive_grace", c.KeepaliveGrace, c.GracefulTimeout)
	}
}

func (r *reader) healthPath(path string) {
	if path == "" {
		return
	}
	_, err := url.ParseRequestURI(path)
	if err != nil || path[0] != '/' || strings.ContainsAny(path, " #") {
		r.report("health_path", "", `key %q: found %q, expected a path such as "/healthz"`, "health_path", path)
	}
}

// account checks user and group. A number that is known becomes its name, so
// that everyone after can look it up by name.
func (r *reader) account(c *Config) {
	if c.User != "" {
		u, err := user.Lookup(c.User)
		if _, atoi := strconv.Atoi(c.User); err != nil && atoi == nil {
			u, err = user.LookupId(c.User)
		}
		if err != nil {
			r.report("user", "", "key %q: found %q, expected a user of this machine: %s", "user", c.User, unknown(err))
		} else {
			c.User = u.Username
		}
	}
	if c.Group != "" {
		g, err := user.LookupGroup(c.Group)
		if _, atoi := strconv.Atoi(c.Group); err != nil && atoi == nil {
			g, err = user.LookupGroupId(c.Group)
		}
		if err != nil {
			r.report("group", "", "key %q: found %q, expected a group of this machine: %s", "group", c.Group, unknown(err))
		} else {
			c.Group = g.Name
		}
	}
}

// unknown says why a look-up of an account ended without one.
func unknown(err error) string {
	var (
		name    user.UnknownUserError
		id      user.UnknownUserIdError
		group   user.UnknownGroupError
		groupID user.UnknownGroupIdError
	)
	if errors.As(err, &name) || errors.As(err, &id) || errors.As(err, &group) || errors.As(err, &groupID) {
		return "there is none of that name"
	}
	return err.Error()
}

func (r *reader) certificates(all []Certificate) {
	taken := map[string]int{}
	for i := range all {
		c, key := &all[i], index("certificate", i)
		r.source(key, c)
		r.path(key+".certfile", &c.CertFile)
		r.path(key+".keyfile", &c.KeyFile)
		r.hosts(key+".server_names", c.ServerNames)
		r.hosts(key+".self_signed", c.SelfSigned)
		// Without names here, it is called after the first one in the file,
		// which is not this package's to read.
		if names := slices.Concat(c.ServerNames, c.SelfSigned); c.Name == "" && len(names) > 0 {
			c.Name = names[0]
		}
		if c.Name == "" {
			continue
		}
		if j, ok := taken[c.Name]; ok {
			r.report(key+".name", "give each certificate a name of its own",
				"key %q: found %q, which certificate[%d] is called already", key+".name", c.Name, j)
			continue
		}
		taken[c.Name] = i
	}
}

// source checks that exactly one way to come by the certificate is given.
func (r *reader) source(key string, c *Certificate) {
	const want = "expected certfile and keyfile, or self_signed"
	pair, made := c.CertFile != "" || c.KeyFile != "", len(c.SelfSigned) > 0
	switch {
	case pair && made:
		r.report(key, "self_signed is for development: leave it out",
			"key %q: found files and self_signed, %s", key, want)
	case !pair && !made:
		r.report(key, "", "key %q: found neither files nor self_signed, %s", key, want)
	case pair && c.KeyFile == "":
		r.report(key, "if one file holds both, name it twice", "key %q: found certfile without keyfile, %s", key, want)
	case pair && c.CertFile == "":
		r.report(key, "if one file holds both, name it twice", "key %q: found keyfile without certfile, %s", key, want)
	}
}

func (r *reader) hosts(key string, names []string) {
	for i, name := range names {
		at, hint := index(key, i), ""
		if validHost(name) || strings.HasPrefix(name, "*.") && validHost(name[2:]) {
			continue
		}
		switch {
		case strings.HasSuffix(name, "."):
			hint = "leave out the dot at the end"
		case strings.ContainsAny(name, "/:"):
			hint = "a name has neither scheme nor port"
		case strings.ContainsFunc(name, func(c rune) bool { return c > 127 }):
			hint = `write it as in the certificate: "xn--..."`
		}
		r.report(at, hint, "key %q: found %q, expected a host name or an address", at, name)
	}
}
