package unit

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"example.com/handover/supervisor/config"
)

// runtime is where the control socket of a root service is by default.
const runtime = "/run/handover"

// needs is what a config asks of the machine.
type needs struct {
	setid     bool     // workers become another user or group
	dynamic   bool     // nothing in it takes a user that is known beforehand
	low       bool     // a port below 1024
	addressed bool     // an address that the network must have first
	private   []string // folders that are written to, for the service alone
	shared    []string // folders that are written to, for others to look into
	home      bool     // something lies in a home
	temporary bool     // something lies in /tmp or /var/tmp
}

func needsOf(c *config.Config, p Place) needs {
	n := needs{setid: c.User != "" || c.Group != ""}
	addresses := []string{c.Admin.Address}
	for _, l := range c.Listen {
		addresses = append(addresses, l.Address)
	}
	for _, address := range addresses {
		n.meet(address)
	}
	n.write(c, addresses)
	reads := slices.Concat([]string{p.Binary, c.Path}, readBy(c))
	all := slices.Concat(reads, n.private, n.shared)
	for _, path := range all {
		n.home = n.home || below(path, homes...) || below(p.Real(path), homes...)
		n.temporary = n.temporary || below(path, "/tmp", "/var/tmp") || below(p.Real(path), "/tmp", "/var/tmp")
	}
	hooks := len(c.Hooks.Done) + len(c.Hooks.Refused) + len(c.Hooks.Expiring)
	n.dynamic = !n.setid && !n.temporary && hooks == 0 && !slices.ContainsFunc(reads, func(path string) bool { return !p.Public(path) }) &&
		!slices.ContainsFunc(slices.Concat(n.private, n.shared), func(folder string) bool { return !given(folder) })
	return n
}

var homes = []string{"/home", "/root", "/run/user"}

// meet notes what an address asks for.
func (n *needs) meet(address string) {
	at := strings.LastIndexByte(address, ':')
	if address == "" || strings.HasPrefix(address, "unix:") || at < 0 {
		return
	}
	host := strings.Trim(address[:at], "[]")
	if port, err := strconv.Atoi(address[at+1:]); err == nil && port < 1024 {
		n.low = true
	}
	everywhere := slices.Contains([]string{"", "0.0.0.0", "::", "::1", "localhost"}, host)
	n.addressed = n.addressed || !everywhere && !strings.HasPrefix(host, "127.")
}

// write lists the folders that the master writes to. A file is made anew in its
// folder (a log that was rotated, a socket), so the folder counts.
func (n *needs) write(c *config.Config, addresses []string) {
	shared := []string{folderOf(c.PidFile), folderOf(c.Log.File)}
	if c.Log.Access != "-" {
		shared = append(shared, folderOf(c.Log.Access))
	}
	for _, address := range addresses {
		if socket, ok := strings.CutPrefix(address, "unix:"); ok {
			shared = append(shared, folderOf(socket))
		}
	}
	control := runtime
	if c.Control.Socket != "" {
		control = folderOf(c.Control.Socket)
	}
	n.shared = distinct(shared)
	for _, folder := range distinct([]string{control, c.StateDir}) {
		if !slices.Contains(n.shared, folder) {
			n.private = append(n.private, folder)
		}
	}
}

// readBy lists what a config has read: by the master, or by its workers.
func readBy(c *config.Config) []string {
	reads := []string{c.TLS.ClientCA, c.TLS.TicketKeys, c.App.Files}
	if strings.HasPrefix(c.TLS.Verify, "/") {
		reads = append(reads, c.TLS.Verify)
	}
	for _, pair := range c.Certificate {
		reads = append(reads, pair.CertFile, pair.KeyFile, pair.Dir)
	}
	for _, argument := range c.App.Command {
		if strings.HasPrefix(argument, "/") {
			reads = append(reads, argument)
		}
	}
	return slices.DeleteFunc(reads, func(path string) bool { return path == "" })
}

// folderOf returns the folder that a file is made in, "" for none and for what is
// no file of a disk.
func folderOf(file string) string {
	if file == "" || below(file, "/dev", "/proc", "/sys") {
		return ""
	}
	return path.Dir(file)
}

// distinct cleans a list of folders, and drops the empty and the repeated ones.
func distinct(folders []string) []string {
	var list []string
	for _, folder := range folders {
		if folder != "" && !slices.Contains(list, path.Clean(folder)) {
			list = append(list, path.Clean(folder))
		}
	}
	return list
}

// below says whether a path is one of some folders, or lies in one.
func below(file string, folders ...string) bool {
	file = path.Clean(file)
	return slices.ContainsFunc(folders, func(folder string) bool { return file == folder || strings.HasPrefix(file, folder+"/") })
}

// given says whether systemd can give a folder to a user of the moment: one of
// this service's own, since it changes the owner of all that is in it.
func given(folder string) bool {
	_, _, ok := directory(folder)
	return ok
}

// directory returns the key for a folder that systemd makes, and its name there.
// A colon in that would end it, and have a link made by the rest.
func directory(folder string) (key, name string, ok bool) {
	for _, kind := range []struct{ under, key string }{
		{"/run/", "RuntimeDirectory"}, {"/var/lib/", "StateDirectory"}, {"/var/log/", "LogsDirectory"},
	} {
		if name, ok := strings.CutPrefix(folder, kind.under); ok && below(folder, kind.under+"handover") && !strings.ContainsAny(name, ":\"'\\") {
			return kind.key, name, true
		}
	}
	return "", "", false
}
