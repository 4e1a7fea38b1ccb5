package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// FileVariable names the config file in the environment.
const FileVariable = "HANDOVER_CONFIG"

// maxSize keeps a device or a log given by mistake out of memory.
const maxSize = 1 << 20

// Find returns which file to load: the one of the flag, else the one that
// $HANDOVER_CONFIG names, else ./config.toml if there is one, else "", which
// stands for the built-in defaults.
func Find(flag string) string {
	const here = "config.toml"
	if flag != "" {
		return flag
	}
	if path := os.Getenv(FileVariable); path != "" {
		return path
	}
	// Lstat: a link that leads nowhere is a mistake to hear of, not a reason to
	// serve the defaults.
	if _, err := os.Lstat(here); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return here
}

// Load reads and validates a file; "" returns Default. Every error is an
// *Error and holds all problems there are. In a master that was started in place
// of a killed one it returns what that one had accepted, until the next reload.
func Load(path string) (*Config, error) {
	if path == "" {
		return Default(), nil
	}
	file, err := filepath.Abs(path)
	if err != nil {
		return nil, failure([]Problem{{File: path, Message: "find the working directory: " + err.Error()}})
	}
	if c := accepted(file); c != nil {
		return c, nil
	}
	text, err := read(file)
	if err != nil {
		p := Problem{File: file, Message: "read config: " + err.Error(), Hint: unreadHint(file, err)}
		return nil, failure([]Problem{p})
	}
	return parse(file, text)
}

// unreadHint says how to mend that a file could not be read.
func unreadHint(file string, err error) string {
	inside := filepath.Join(file, "config.toml")
	_, absent := os.Stat(inside)
	switch {
	case absent == nil:
		return fmt.Sprintf("did you mean %q?", inside)
	case errors.Is(err, fs.ErrNotExist):
		return "without -c and $" + FileVariable + " the built-in defaults serve"
	case errors.Is(err, fs.ErrPermission):
		return "run the command as root or as the user of the instance"
	default:
		return "-c takes a text file in TOML, such as config.example.toml"
	}
}

func read(file string) (string, error) {
	// Without O_NONBLOCK a named pipe would hold this call until somebody writes.
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return "", bareError(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("found a %s, expected a file", kindOf(info.Mode()))
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return "", bareError(err)
	}
	if len(b) > maxSize {
		return "", fmt.Errorf("longer than %d bytes", maxSize)
	}
	return string(b), nil
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "directory"
	case mode&fs.ModeNamedPipe != 0:
		return "named pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}

// bareError takes call and path off an error that is told with the path.
func bareError(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// parse turns the text of a file into a Config.
func parse(file, text string) (*Config, error) {
	r := &reader{file: file, dir: filepath.Dir(file)}
	c := base()
	c.Path = file
	if r.decode(text, c) {
		c.complete()
		r.check(c)
		c.lines = outside(r.lines)
	}
	if err := failure(r.problems); err != nil {
		return nil, err
	}
	return c, nil
}

// path makes a path of the file absolute, as seen from the file.
func (r *reader) path(key string, path *string) {
	if strings.ContainsRune(*path, 0) {
		r.report(key, "", "key %q: found %q, expected a path: it holds a zero byte", key, *path)
		return
	}
	*path = absolute(r.dir, *path)
}

// absolute does not clean the path: what .. means after a symbolic link is the
// kernel's to say. An empty path stays one.
func absolute(dir, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return strings.TrimSuffix(dir, "/") + "/" + strings.TrimPrefix(path, "./")
}
