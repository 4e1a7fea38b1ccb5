package config

import (
	"path/filepath"
	"slices"
	"strings"
)

// use is one path of the config and the key that names it.
type use struct{ key, path string }

// collisions refuses two uses of one path: a pidfile written over a key, a log
// written into a certificate.
func (r *reader) collisions(c *Config) {
	written, read := files(c)
	taken := map[string]string{}
	for i, u := range slices.Concat(written, read) {
		if u.path == "" {
			continue
		}
		path := filepath.Clean(u.path)
		first, ok := taken[path]
		// What is only read may serve twice.
		if ok && (i < len(written) || slices.ContainsFunc(written, func(w use) bool { return w.key == first })) && !listens(first, u.key) {
			r.report(u.key, "give each a path of its own", "key %q: found %q, which %q names already", u.key, u.path, first)
		}
		if !ok {
			taken[path] = u.key
		}
	}
	r.apart(c, slices.Concat(written, read))
}

// files returns every file that a config names: those that are written or
// created, and those that are only read.
func files(c *Config) (written, read []use) {
	written = []use{{"pidfile", c.PidFile}, {"log.file", c.Log.File}, {"control.socket", c.Control.Socket}}
	if c.Log.Access != "-" && c.Log.Access != c.Log.File {
		written = append(written, use{"log.access", c.Log.Access})
	}
	if path, ok := strings.CutPrefix(c.Admin.Address, "unix:"); ok {
		written = append(written, use{"admin.address", path})
	}
	for i, l := range c.Listen {
		if path, ok := strings.CutPrefix(l.Address, "unix:"); ok {
			written = append(written, use{index("listen", i) + ".address", path})
		}
	}
	for i, cert := range c.Certificate {
		read = append(read, use{index("certificate", i) + ".certfile", cert.CertFile}, use{index("certificate", i) + ".keyfile", cert.KeyFile})
	}
	read = append(read, use{"tls.client_ca", c.TLS.ClientCA}, use{"tls.ticket_keys", c.TLS.TicketKeys})
	if filepath.IsAbs(c.TLS.Verify) {
		read = append(read, use{"tls.verify", c.TLS.Verify})
	}
	return written, read
}

// listens says whether both are sockets, whose collisions are told elsewhere.
func listens(a, b string) bool {
	socket := func(key string) bool {
		return key == "control.socket" || key == "admin.address" || strings.HasPrefix(key, "listen[")
	}
	return socket(a) && socket(b)
}

// apart keeps state_dir for itself: it is made private, what is old in it is
// removed, and it holds copies of keys, which neither a folder of pairs nor one
// that is served to clients may take for its own.
func (r *reader) apart(c *Config, all []use) {
	if c.StateDir == "" {
		return
	}
	const hint = "give it a folder of its own"
	folders := []use{{"app.files", c.App.Files}}
	for i, cert := range c.Certificate {
		folders = append(folders, use{index("certificate", i) + ".dir", cert.Dir})
	}
	all = slices.Concat([]use{{"the configuration", r.file}}, all, folders)
	if i := slices.IndexFunc(all, func(u use) bool { return u.path != "" && inside(u.path, c.StateDir) }); i >= 0 {
		r.report("state_dir", hint, "key %q: found %q, which holds what %q names", "state_dir", c.StateDir, all[i].key)
		return
	}
	if i := slices.IndexFunc(folders, func(u use) bool { return u.path != "" && inside(c.StateDir, u.path) }); i >= 0 {
		r.report("state_dir", hint, "key %q: found %q, which lies in %q", "state_dir", c.StateDir, folders[i].key)
	}
}

// inside says whether path is folder or lies below it.
func inside(path, folder string) bool {
	rest, err := filepath.Rel(filepath.Clean(folder), filepath.Clean(path))
	return err == nil && rest != ".." && !strings.HasPrefix(rest, "../")
}
