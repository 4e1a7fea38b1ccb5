package main

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
)

// goal is what the machine boots to: a journal, and what units depend on.
const goal = "machine.target"

const goalText = `[Unit]
Description=Machine of a test
Requires=basic.target
Wants=systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket
After=basic.target systemd-journald.service
AllowIsolate=yes
`

const journal = `[Journal]
Storage=volatile
Audit=no
ReadKMsg=no
ForwardToSyslog=no
RateLimitBurst=0
`

// manager hands on what keeps the race detector from sleeping for a second at the
// end of each process.
const manager = `[Manager]
DefaultEnvironment=GORACE=atexit_sleep_ms=0
`

// wanted are the targets whose wishes are the distribution's and not a test's.
var wanted = []string{"sysinit", "local-fs", "sockets", "timers", "basic", "multi-user"}

// kept are the units among those wishes that a test needs.
var kept = map[string]bool{
	"systemd-journald.service": true, "systemd-journald.socket": true, "systemd-journald-dev-log.socket": true,
}

// unwanted are units that start without being anybody's wish.
var unwanted = []string{
	"dev-hugepages.mount", "dev-mqueue.mount", "tmp.mount", "systemd-journald-audit.socket", "systemd-remount-fs.service",
	"systemd-journal-flush.service", "systemd-update-utmp.service", "systemd-logind.service",
}

// settle leaves of the distribution's units what a test needs.
func settle(root string) error {
	units := filepath.Join(root, "etc/systemd/system")
	if err := os.RemoveAll(units); err != nil {
		return err
	}
	if err := os.MkdirAll(units, 0o755); err != nil {
		return err
	}
	for _, target := range wanted {
		names, _ := filepath.Glob(filepath.Join(root, "usr/lib/systemd/system", target+".target.wants", "*"))
		for _, path := range names {
			if name := filepath.Base(path); !kept[name] {
				unwanted = append(unwanted, name)
			}
		}
	}
	for _, name := range unwanted {
		if err := os.Symlink("/dev/null", filepath.Join(units, name)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return write(root)
}

// write sets up what makes it a machine of its own.
func write(root string) error {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	for path, text := range map[string]string{
		"etc/systemd/system/" + goal:               goalText,
		"etc/systemd/journald.conf.d/machine.conf": journal,
		"etc/systemd/system.conf.d/machine.conf":   manager,
		"etc/machine-id":                           hex.EncodeToString(id) + "\n",
		"etc/hostname":                             "machine\n",
		"etc/fstab":                                "",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// A link must not be followed: it could lead out of the folder.
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
