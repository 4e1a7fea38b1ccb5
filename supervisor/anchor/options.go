package anchor

import (
	"bytes"
	"context"
	"encoding/hex"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"example.com/handover/worker/wire"
)

// maxGivenName is how much of a name from systemd is passed on: with what stands
// before it, it must be one that a notification can carry.
const maxGivenName = 200

// longestName is how long a name may be, by sd_notify(3).
const longestName = 255

// Options is all that an anchor knows.
type Options struct {
	Args    []string        // as os.Args; every master gets them
	Env     []string        // as os.Environ, which is the default
	Log     *slog.Logger    // nil: nothing is logged
	Context context.Context // its end is a graceful stop; nil: none
	Limits  Limits
}

// Limits are the times of an anchor; a zero field means its default.
type Limits struct {
	Watchdog   time.Duration // a master that has not fed for so long is killed: 5 s
	Leave      time.Duration // a predecessor must be gone so long after READY=1: 2 s
	Stop       time.Duration // a graceful stop, unless a master says X_STOP_USEC=: 40 s
	BackoffMin time.Duration // before the second start in a row: 0.1 s, then doubled
	BackoffMax time.Duration // at most: 5 s
	Steady     time.Duration // ready for so long, a master counts as good: 30 s
	Attempts   int           // failed starts in a row before giving up: 5
	Window     time.Duration // within so long: 30 s
}

func (l Limits) withDefaults() Limits {
	or := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	or(&l.Watchdog, 5*time.Second)
	or(&l.Leave, 2*time.Second)
	or(&l.Stop, 40*time.Second)
	or(&l.BackoffMin, 100*time.Millisecond)
	or(&l.BackoffMax, 5*time.Second)
	or(&l.Steady, 30*time.Second)
	or(&l.Window, 30*time.Second)
	if l.Attempts == 0 {
		l.Attempts = 5
	}
	return l
}

// environment is what systemd said to this process, and what masters see.
type environment struct {
	masters       []string      // their environment
	path          string        // PATH
	notify        string        // NOTIFY_SOCKET
	watchdogEvery time.Duration // how often systemd wants to hear WATCHDOG=1
	activated     int           // how many descriptors systemd passed
	names         []string      // their names, if it named them
}

// readEnvironment takes what is meant for this process alone out of env:
// masters must neither speak to systemd themselves nor take descriptors that
// are not theirs.
func readEnvironment(env []string, pid int) environment {
	var e environment
	taken := map[string]string{
		"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "", "WATCHDOG_PID": "",
		"LISTEN_PID": "", "LISTEN_PIDFDID": "", "LISTEN_FDS": "", "LISTEN_FDNAMES": "",
		wire.RoleVariable: "", wire.DescriptorsVariable: "", wire.AnchorVariable: "", wire.AnchorVersionVariable: "",
	}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if _, mine := taken[name]; mine {
			taken[name] = value
			continue
		}
		if name == "PATH" {
			e.path = value
		}
		e.masters = append(e.masters, entry)
	}
	e.masters = append(e.masters, wire.AnchorVariable+"="+strconv.Itoa(pid), wire.AnchorVersionVariable+"="+strconv.Itoa(wire.Version))
	e.notify = taken["NOTIFY_SOCKET"]
	own := strconv.Itoa(pid)
	if usec, err := strconv.ParseInt(taken["WATCHDOG_USEC"], 10, 64); err == nil && usec > 0 {
		if who := taken["WATCHDOG_PID"]; who == "" || who == own {
			e.watchdogEvery = time.Duration(min(usec, int64(time.Hour/time.Microsecond))) * time.Microsecond / 2
		}
	}
	if n, err := strconv.Atoi(taken["LISTEN_FDS"]); err == nil && n > 0 && taken["LISTEN_PID"] == own {
		e.activated = n
		e.names = strings.Split(taken["LISTEN_FDNAMES"], ":")
	}
	return e
}

// activatedName returns the name under which a descriptor from systemd is
// stored: its own if it came back from systemd's store, else a number and what
// systemd calls it. A socket unit may be called anything, "listen.8443" too; masters
// spell the address in theirs, which has a colon, in hexadecimal digits.
func (e environment) activatedName(i int) string {
	name := "activated." + strconv.Itoa(i)
	if i >= len(e.names) || e.names[i] == "" {
		return name
	}
	rest, relayed := strings.CutPrefix(e.names[i], relayedNames)
	if address, err := hex.DecodeString(rest); relayed && len(e.names[i]) <= longestName && err == nil && bytes.ContainsRune(address, ':') {
		return e.names[i]
	}
	// Masters hand names on as text, in lines: what is none would come out as another.
	given := strings.ToValidUTF8(e.names[i][:min(len(e.names[i]), maxGivenName)], "?")
	return name + "." + strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, given)
}

// absolute returns argv[0] as a path that another process can start, without
// resolving symlinks: after `current -> releases/42` was switched, the next
// master is the new release. What cannot be found is the running file.
func absolute(name, path string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return name, nil
	}
	cwd, err := os.Getwd() // $PWD if that is true: it may lead through the link
	if err != nil {
		return "", err
	}
	if strings.Contains(name, "/") {
		return cwd + "/" + strings.TrimPrefix(name, "./"), nil
	}
	for _, dir := range strings.Split(path, ":") {
		if !strings.HasPrefix(dir, "/") {
			dir = strings.TrimSuffix(cwd+"/"+dir, "/")
		}
		file := dir + "/" + name
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return os.Executable()
}
