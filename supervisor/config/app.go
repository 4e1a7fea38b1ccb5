package config

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"example.com/handover/supervisor/process"
)

// WithCommand returns a copy of c whose workers are that program, whatever c
// said. A path in it is one seen from the working directory. An error is an
// *Error.
func WithCommand(c *Config, command []string) (*Config, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, failure([]Problem{{Message: "find the working directory: " + err.Error()}})
	}
	if len(command) == 0 {
		return nil, failure([]Problem{{Message: "found no command, expected a program"}})
	}
	path, reason, hint := program(command[0], dir)
	if reason != "" {
		return nil, failure([]Problem{{Message: fmt.Sprintf("command %q: %s", command[0], reason), Hint: hint}})
	}
	changed := *c
	changed.App = App{Command: withPath(command, path), Env: c.App.Env}
	return &changed, nil
}

// withPath returns a copy of command that starts with path.
func withPath(command []string, path string) []string {
	command = slices.Clone(command)
	command[0] = path
	return command
}

// program finds an executable: one with a slash in its name as seen from dir,
// any other in PATH. If there is none it returns a reason and maybe a hint.
func program(name, dir string) (path, reason, hint string) {
	if name == "" {
		return "", "the name of the program is empty", ""
	}
	if !strings.Contains(name, "/") {
		path, err := exec.LookPath(name)
		if err == nil {
			return path, "", ""
		}
		hint = "a program elsewhere is named by its path, such as \"./myapp\""
		if info, err := os.Stat(absolute(dir, name)); err == nil && info.Mode().IsRegular() {
			hint = fmt.Sprintf("did you mean %q?", "./"+name)
		}
		return "", "not found in PATH", hint
	}
	path = absolute(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return "", bareError(err).Error(), fmt.Sprintf("%q is where it was looked for", path)
	}
	if info.IsDir() {
		return "", "a directory", ""
	}
	if _, err := exec.LookPath(path); err != nil {
		return "", "not executable", "chmod +x " + path
	}
	return path, "", ""
}

func (r *reader) app(a *App) {
	var set []string
	if len(a.Command) > 0 {
		set = append(set, "command")
		path, reason, hint := program(a.Command[0], r.dir)
		if reason == "" {
			a.Command = withPath(a.Command, path)
		} else {
			r.report("app.command", hint, "key %q: found %q, expected a program: %s", "app.command", a.Command[0], reason)
		}
	}
	if a.Files != "" {
		set = append(set, "files")
		r.files(&a.Files)
	}
	if a.Proxy != "" {
		set = append(set, "proxy")
		r.proxy(&a.Proxy)
	}
	r.environment(a.Env)
	if len(set) > 1 {
		r.report("app", "", "key %q: found %s, expected at most one of command, files and proxy", "app", strings.Join(set, " and "))
	}
}

// environment checks the list that workers get theirs from.
func (r *reader) environment(list []string) {
	seen := map[string]bool{}
	for i, entry := range list {
		at := index("app.env", i)
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case name == "" || strings.ContainsAny(name, " \t\n\x00"):
			r.report(at, "", `key %q: found %q, expected NAME or NAME=VALUE, such as "PATH" or "LANG=C"`, at, entry)
		case strings.ContainsRune(entry, 0):
			r.report(at, "", "key %q: found %q, expected NAME or NAME=VALUE: it holds a zero byte", at, entry)
		case seen[name]:
			r.report(at, "leave one out", "key %q: found %q, which an earlier entry names too", at, name)
		case process.Misleads(name):
			r.report(at, "leave it out", "key %q: found %q, which is between the supervisor and those who start it or are started by it", at, name)
		}
		seen[name] = true
	}
}

func (r *reader) files(path *string) {
	r.path("app.files", path)
	info, err := os.Stat(*path)
	if err == nil && info.IsDir() {
		return
	}
	reason := "not a directory"
	if err != nil {
		reason = bareError(err).Error()
	}
	r.report("app.files", "", "key %q: found %q, expected a directory: %s", "app.files", *path, reason)
}

func (r *reader) proxy(target *string) {
	if rest, ok := strings.CutPrefix(*target, "unix:"); ok {
		path := socketPath(rest)
		r.socket("app.proxy", &path)
		*target = "unix:" + path
		return
	}
	if err := checkURL(*target); err != nil {
		hint := ""
		if !strings.Contains(*target, "://") && checkURL("http://"+*target) == nil {
			hint = fmt.Sprintf("did you mean %q?", "http://"+*target)
		}
		r.report("app.proxy", hint, "key %q: found %q, expected http://host, https://host or unix:/path: %s", "app.proxy", *target, err)
	}
}

func checkURL(text string) error {
	u, err := url.Parse(text)
	var parse *url.Error
	switch {
	case errors.As(err, &parse):
		return parse.Err
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("its scheme is %q", u.Scheme)
	case !validHost(u.Hostname()):
		return fmt.Errorf("its host is %q", u.Hostname())
	case u.RawQuery != "" || u.Fragment != "":
		return errors.New("a query or fragment would be lost")
	case u.Port() == "":
		return nil
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
		return fmt.Errorf("its port is %q", u.Port())
	}
	return nil
}
