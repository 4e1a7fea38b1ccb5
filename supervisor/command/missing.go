package command

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
)

// How many other instances are looked for, and how long one may take to say who
// it is.
const (
	mostOthers     = 32
	othersPatience = 200 * time.Millisecond
)

// missing adds to the error that no instance runs with the config at path where
// one does: most often -c was forgotten, or names another file.
func missing(path string, err error) error {
	if !errors.Is(err, control.ErrNotRunning) {
		return err
	}
	hint := fmt.Sprintf("\"handover run -c %s\" starts it", path)
	if path == "" {
		hint = "without -c, $" + config.FileVariable + " and ./config.toml it is the instance with built-in defaults"
	}
	if others := running(); len(others) > 0 {
		hint += "; here runs " + strings.Join(others, ", ")
	}
	hint += "; another user's is found as that user, or where [control] socket names one path for both"
	return status.Failed(status.ExitNotRunning, hint, "%v", err)
}

// running names the instances whose control sockets are where they are by
// default.
func running() []string {
	sockets, _ := filepath.Glob(filepath.Join(filepath.Dir((&config.Config{}).ControlSocket()), "*.sock"))
	var found []string
	for _, socket := range sockets[:min(len(sockets), mostOthers)] {
		ctx, cancel := context.WithTimeout(context.Background(), othersPatience)
		s, err := control.Dial(socket).Status(ctx)
		cancel()
		switch {
		case err != nil:
		case s.Config == "":
			found = append(found, "the one with built-in defaults")
		default:
			found = append(found, fmt.Sprintf("-c %s", s.Config))
		}
	}
	return found
}
