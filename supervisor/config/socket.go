package config

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ControlSocket returns the path of the socket that the commands use: the
// configured one, or one that is named after the config file, so that every
// command which is given the same file finds it. Nobody has created its
// directory yet.
func (c *Config) ControlSocket() string {
	if c.Control.Socket != "" {
		return c.Control.Socket
	}
	runtime := unitRuntime(os.Getenv("RUNTIME_DIRECTORY"), os.Getenv("XDG_RUNTIME_DIR"))
	return defaultSocket(c.Path, os.Geteuid(), runtime, os.TempDir())
}

// unitRuntime returns the folder above the one that a unit of systemd has with
// RuntimeDirectory=handover, or else the session's. That name alone counts: it is
// where the commands look which are not run by the unit, as root or in a session of
// the same user.
func unitRuntime(unit, session string) string {
	for dir := range strings.SplitSeq(unit, ":") {
		if filepath.IsAbs(dir) && filepath.Base(dir) == "handover" {
			return filepath.Dir(dir)
		}
	}
	return session
}

// defaultSocket takes the first directory in which the path of the socket is
// short enough for the kernel.
func defaultSocket(config string, uid int, runtime, temp string) string {
	name := socketName(config)
	if uid == 0 {
		return filepath.Join("/run/handover", name)
	}
	// The specification of XDG_RUNTIME_DIR says to ignore a relative one.
	if filepath.IsAbs(runtime) {
		if path := filepath.Join(runtime, "handover", name); len(path) <= maxSocket {
			return path
		}
	}
	own := fmt.Sprintf("handover-%d", uid)
	if path := filepath.Join(temp, own, name); filepath.IsAbs(temp) && len(path) <= maxSocket {
		return path
	}
	return filepath.Join("/tmp", own, name)
}

// socketName tells instances apart: files in different folders have the same
// name often enough.
func socketName(config string) string {
	if config == "" {
		return "handover.sock"
	}
	base := strings.TrimSuffix(filepath.Base(config), ".toml")
	base = strings.ToValidUTF8(base[:min(len(base), 32)], "")
	return fmt.Sprintf("%s-%.4x.sock", base, sha256.Sum256([]byte(config)))
}
