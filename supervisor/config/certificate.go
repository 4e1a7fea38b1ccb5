package config

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds how a certificate is called: as long as a file may be.
const maxName = 255

func (r *reader) certificates(all []Certificate) {
	taken, folders := map[string]int{}, map[string]int{}
	for i := range all {
		c, key := &all[i], index("certificate", i)
		r.source(key, c)
		r.path(key+".certfile", &c.CertFile)
		r.path(key+".keyfile", &c.KeyFile)
		r.hosts(key+".server_names", c.ServerNames)
		r.hosts(key+".self_signed", c.SelfSigned)
		if c.Dir != "" {
			r.folder(key, c, i, folders)
			continue
		}
		// Without names here, it is called after the first one in the file,
		// which is not this package's to read.
		if names := slices.Concat(c.ServerNames, c.SelfSigned); c.Name == "" && len(names) > 0 {
			c.Name = names[0]
		}
		if c.Name == "" {
			continue
		}
		if !validName(c.Name) {
			r.report(key+".name", "", "key %q: found %.80q, expected at most %d bytes that can be printed", key+".name", c.Name, maxName)
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
	const want = "expected certfile and keyfile, dir, or self_signed"
	var given []string
	if c.CertFile != "" || c.KeyFile != "" {
		given = append(given, "files")
	}
	if c.Dir != "" {
		given = append(given, "dir")
	}
	if len(c.SelfSigned) > 0 {
		given = append(given, "self_signed")
	}
	switch {
	case len(given) == 0:
		r.report(key, "", "key %q: found neither files, dir nor self_signed, %s", key, want)
	case len(given) > 1 && len(c.SelfSigned) > 0:
		r.report(key, "self_signed is for development: leave it out",
			"key %q: found %s, %s", key, strings.Join(given, " and "), want)
	case len(given) > 1:
		r.report(key, "give the pair a [[certificate]] of its own",
			"key %q: found %s, %s", key, strings.Join(given, " and "), want)
	case c.Dir == "" && c.CertFile != "" && c.KeyFile == "":
		r.report(key, "if one file holds both, name it twice", "key %q: found certfile without keyfile, %s", key, want)
	case c.Dir == "" && c.KeyFile != "" && c.CertFile == "":
		r.report(key, "if one file holds both, name it twice", "key %q: found keyfile without certfile, %s", key, want)
	}
}

// folder checks a source that stands for every pair in a folder. What would be
// said of one certificate cannot be said of all of them.
func (r *reader) folder(key string, c *Certificate, i int, taken map[string]int) {
	r.path(key+".dir", &c.Dir)
	if c.Name != "" {
		r.report(key+".name", "leave it out",
			"key %q: found %.80q with dir, expected none: each pair of a folder is called after its files", key+".name", c.Name)
	}
	if len(c.ServerNames) > 0 {
		r.report(key+".server_names", "give the pair that must cover them a [[certificate]] of its own",
			"key %q: found names with dir, expected none: no name must be covered by every pair of a folder", key+".server_names")
	}
	path := filepath.Clean(c.Dir)
	if j, ok := taken[path]; ok {
		r.report(key+".dir", "name each folder once", "key %q: found %q, which certificate[%d] names already", key+".dir", c.Dir, j)
		return
	}
	taken[path] = i
}

// validName says whether a certificate can be called so in a log, on a terminal
// and in a request.
func validName(name string) bool {
	return len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsFunc(name, func(c rune) bool { return !unicode.IsPrint(c) })
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
