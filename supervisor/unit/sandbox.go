package unit

import (
	"slices"
	"strings"
)

// identity says who the processes are, and which rights of root they have.
func (u printing) identity() {
	c, rights := u.config, []string{}
	u.WriteByte('\n')
	switch {
	case u.needs.setid:
		u.note("\"!\" above leaves the change of user to the master: it stays root, and only the\nworkers run as user and group of the config. Of root's rights it has those to do\n" +
			"that, to end them, and to read keys and write logs whoever owns them.")
		if c.User != "" {
			u.set("User", c.User)
		}
		rights = append(rights, "CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_DAC_OVERRIDE")
	case u.needs.dynamic:
		u.note("The config has no user, and nothing in it is for root alone: a user that exists\nwhile the service runs. With certificates whose keys are root's, set user and write\n" +
			"this unit again.")
		u.on("DynamicUser")
	default:
		u.note("The config has no user, so the workers run as root, like the master; of root's\nrights they have only those below, but keys and everything else that root owns can be\n" +
			"read. Better: set user (such as \"www-data\") and write this unit again.")
	}
	if u.needs.low {
		rights = append(rights, "CAP_NET_BIND_SERVICE")
	}
	u.set("CapabilityBoundingSet", rights...)
	if u.needs.dynamic && u.needs.low {
		u.set("AmbientCapabilities", rights...)
	}
	u.note("Of logs, pidfile, and what workers write, unless the config has a umask.")
	u.set("UMask", "0027")
}

// folders makes what the service writes to writable, and everything else not.
func (u printing) folders() {
	u.WriteByte('\n')
	u.on("NoNewPrivileges")
	u.set("ProtectSystem", "strict")
	if u.needs.dynamic {
		u.directories()
		return
	}
	u.note("What it writes to: the folders of control socket, state_dir, logs, pidfile and unix\nsockets. They are made first; \"-\" is for the commands that do so.")
	u.made("0700", u.needs.private)
	u.made("0755", u.needs.shared)
	var paths []string
	for _, folder := range slices.Concat(u.needs.private, u.needs.shared) {
		paths = append(paths, word("-"+folder))
	}
	u.set("ReadWritePaths", paths...)
}

func (u printing) made(mode string, folders []string) {
	if len(folders) == 0 {
		return
	}
	command := []string{"+/bin/mkdir", "-p", "-m", mode}
	for _, folder := range folders {
		command = append(command, argument(folder))
	}
	u.set("ExecStartPre", command...)
}

// directories has systemd make the folders for a user of the moment.
func (u printing) directories() {
	u.note("For this service alone: systemd gives all that is in them to its user. A second one\non this machine needs folders of its own: set control.socket (such as\n" +
		"\"/run/handover/NAME/control.sock\"), state_dir and logs, and write this unit again.")
	modes := map[string]string{}
	for _, mode := range []struct {
		text    string
		folders []string
	}{{"0700", u.needs.private}, {"0755", u.needs.shared}} {
		for _, folder := range mode.folders {
			key, name, _ := directory(folder)
			u.set(key, word(name))
			modes[key] = mode.text // of two the one that others can look into
		}
	}
	for _, key := range []string{"RuntimeDirectory", "StateDirectory", "LogsDirectory"} {
		if mode := modes[key]; mode != "" {
			u.set(key+"Mode", mode)
		}
	}
	if modes["RuntimeDirectory"] != "" {
		u.note("Or a stop would take along the control sockets of others.")
		u.set("RuntimeDirectoryPreserve", "yes")
	}
}

// sandbox shuts what no config needs. Each line was run with reloads, rotations,
// new binaries and hooks.
func (u printing) sandbox() {
	c := u.config
	u.WriteByte('\n')
	if len(c.App.Command) > 0 {
		u.note("The program of the workers runs inside all of this. One with a just-in-time\ncompiler needs MemoryDenyWriteExecute=no; one that opens other sockets or files, more\n" +
			"of RestrictAddressFamilies= or ReadWritePaths=.")
	}
	if len(c.Hooks.Done)+len(c.Hooks.Refused)+len(c.Hooks.Expiring) > 0 {
		u.note("The hooks run inside all of this. One that writes files needs ReadWritePaths=; one\nthat sends mail through a set-gid program, NoNewPrivileges=no; systemctl, polkit or\n" +
			"CAP_SYS_ADMIN.")
	}
	u.protectHome()
	if u.needs.temporary {
		u.note("Off: the config names something there.")
		u.set("PrivateTmp", "no")
	} else {
		u.on("PrivateTmp")
	}
	u.on("PrivateDevices", "PrivateIPC", "PrivateMounts", "ProtectClock", "ProtectControlGroups", "ProtectHostname",
		"ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables")
	if u.needs.dynamic {
		u.note("No ProtectProc=: the master could not see its workers, which are not dumpable.")
	} else {
		u.note("For the workers. The master, in root's group, sees them.")
		u.set("ProtectProc", "invisible")
	}
	u.calls(true)
}

func (u printing) protectHome() {
	if u.needs.home {
		u.note("Not shut: the config names something there.")
		u.set("ProtectHome", "read-only")
		return
	}
	u.on("ProtectHome")
}

// userSandbox is what a user's manager can do without rights.
func (u printing) userSandbox() {
	u.WriteByte('\n')
	if u.needs.low {
		u.note("A port below 1024 takes: sysctl net.ipv4.ip_unprivileged_port_start=0")
	}
	if u.needs.setid {
		u.note("user and group of the config must be your own: only root may change them.")
	}
	u.on("NoNewPrivileges")
	u.calls(false)
}

// calls is the filter of system calls.
func (u printing) calls(strict bool) {
	u.on("LockPersonality", "MemoryDenyWriteExecute", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID")
	u.set("RestrictAddressFamilies", "AF_INET", "AF_INET6", "AF_UNIX")
	u.set("SystemCallArchitectures", "native")
	u.note("What is not allowed is refused, and ends nobody.")
	u.set("SystemCallErrorNumber", "EPERM")
	u.set("SystemCallFilter", "@system-service")
	u.set("SystemCallFilter", "~"+strings.Join([]string{"@privileged", "@resources"}, " "))
	if strict && u.needs.setid {
		u.set("SystemCallFilter", "@setuid")
	}
}
