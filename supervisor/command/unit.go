package command

import (
	"cmp"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/status"
	"example.com/handover/supervisor/unit"
)

// Unit says what a unit is for.
type Unit struct {
	User   bool   // the manager of a user
	At     string // where the config will lie; empty: where it does
	Binary string // where this program will lie; empty: where it does
}

// PrintUnit prints the systemd unit for the config at path, as config.Find
// returns it.
func PrintUnit(w io.Writer, path string, u Unit) error {
	if path == "" {
		return status.Failed(status.ExitConfig, "name one: handover unit -c /etc/handover/config.toml", "found no configuration to write a unit for")
	}
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	for flag, path := range map[string]string{"--at": u.At, "--binary": u.Binary} {
		if path != "" && !filepath.IsAbs(path) {
			return status.Failed(status.ExitUsage, "", "%s: found %q, expected an absolute path", flag, path)
		}
	}
	there := *c
	there.Path = cmp.Or(u.At, c.Path)
	place := unit.Place{Binary: u.Binary, User: u.User, Real: resolved, Public: public}
	if place.Binary == "" {
		if place.Binary, err = called(); err != nil {
			return err
		}
	}
	if folder := unit.Unnamable(&there, place); folder != "" && !u.User {
		return status.Failed(status.ExitConfig, "rename it", "write a unit: found a control character in %q, which systemd cannot read in a list of folders", folder)
	}
	_, err = io.WriteString(w, unit.Text(&there, place))
	return err
}

// called returns the path that this program was called by. Links in it are kept: a
// deployment that switches one is then what the next reload takes.
func called() (string, error) {
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return os.Executable()
	}
	return filepath.Abs(path)
}

func resolved(path string) string {
	end, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return end
}

// public says whether everybody may read a file, or look into a folder.
func public(path string) bool {
	path = resolved(path)
	for step := path; ; step = filepath.Dir(step) {
		info, err := os.Stat(step)
		wanted := os.FileMode(0o004)
		if err == nil && info.IsDir() {
			wanted = 0o001
			if step == path {
				wanted = 0o005
			}
		}
		if err != nil || info.Mode()&wanted != wanted {
			return false
		}
		if step == filepath.Dir(step) {
			return true
		}
	}
}
