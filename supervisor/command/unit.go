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

// PrintUnit prints the systemd unit for the config at path, as config.Find
// returns it. user is for the manager of a user.
func PrintUnit(w io.Writer, path string, user bool) error {
	if path == "" {
		return status.Failed(status.ExitConfig, "name one: handover unit -c /etc/handover/config.toml", "found no configuration to write a unit for")
	}
	c, err := config.Load(path)
	if err != nil {
		return err
	}
	binary, err := called()
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, unit.Text(c, unit.Place{Binary: binary, User: user, Real: real, Public: public}))
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

func real(path string) string {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return cmp.Or(resolved, path)
}

// public says whether everybody may read a file, or look into a folder.
func public(path string) bool {
	path = real(path)
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
