package cgroup

import (
	"bufio"
	"bytes"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// OOMKills returns how many processes of this process's control group the kernel
// has killed for want of memory. Children begin in the same group, so a count
// that grew around a child's SIGKILL says why it was killed.
func OOMKills() (count uint64, ok bool) {
	g, ok := own()
	if !ok {
		return 0, false
	}
	return g.oomKills()
}

// MemoryLimit returns how many bytes this process's control group may have: the
// least that it or one above it is given. Without a limit it is unknown.
func MemoryLimit() (bytes int64, ok bool) {
	g, ok := own()
	if !ok {
		return 0, false
	}
	return g.memoryLimit()
}

// Share returns what each of so many processes may have of a limit, so that a
// tenth is left for what none of them counts as its own, and at most the given
// bytes. A limit and a most of 0 are unknown; where both are, so is the share: 0.
func Share(limit int64, processes int, most int64) int64 {
	share := limit / 10 * 9 / int64(max(1, processes))
	if share == 0 || most > 0 && most < share {
		return most
	}
	return share
}

// view is where cgroups are read from.
type view struct {
	proc string // in place of /proc/self
	root string // before every mount point
}

var machine = view{proc: "/proc/self"}

// own is the group that this process began in. It is looked for once: who moves a
// service to another one does that before it has workers, and the list of mounts is
// long on some machines.
var own = sync.OnceValues(machine.memory)

// group is the folder of a control group, as far down as it is mounted here.
type group struct {
	mount  string // the top of what can be seen
	folder string // mount, or below it
	second bool   // version 2
}

func (g group) oomKills() (count uint64, ok bool) {
	file := "memory.oom_control"
	if g.second {
		file = "memory.events"
	}
	b, err := os.ReadFile(filepath.Join(g.folder, file))
	if err != nil {
		return 0, false // the topmost group of version 2 counts nothing
	}
	for line := range strings.Lines(string(b)) {
		if number, found := strings.CutPrefix(line, "oom_kill "); found {
			count, err := strconv.ParseUint(strings.TrimSpace(number), 10, 64)
			return count, err == nil
		}
	}
	return 0, false // a kernel before 4.13
}

// boundless is more than any machine has. Version 1 says that there is no limit
// by the largest number of whole pages.
const boundless = 1 << 62

func (g group) memoryLimit() (bytes int64, ok bool) {
	file := "memory.limit_in_bytes"
	if g.second {
		file = "memory.max"
	}
	least := int64(boundless)
	for folder := g.folder; ; folder = path.Dir(folder) {
		// "max", and the topmost group of version 2, which has no such file, are none.
		if b, err := os.ReadFile(filepath.Join(folder, file)); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
				least = min(least, n)
			}
		}
		if folder == g.mount || len(folder) <= len(g.mount) {
			return least, least < boundless
		}
	}
}

// memory returns the group that accounts for memory: that of version 1 where its
// controller is mounted, for then version 2 has none.
func (v view) memory() (group, bool) {
	b, err := os.ReadFile(filepath.Join(v.proc, "cgroup"))
	if err != nil {
		return group{}, false
	}
	for _, second := range []bool{false, true} {
		if name, found := member(string(b), second); found {
			if g, found := v.find(name, second); found {
				return g, true
			}
		}
	}
	return group{}, false
}

// member reads lines of the form "hierarchy:controllers:path", see cgroups(7).
// That of version 2 has no controllers.
func member(text string, second bool) (name string, found bool) {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) < 3 {
			continue
		}
		if second && fields[0] == "0" && fields[1] == "" || !second && slices.Contains(strings.Split(fields[1], ","), "memory") {
			return fields[2], true
		}
	}
	return "", false
}

// find looks for a group in the mounts. A container may have mounted its own
// group alone, and be told its path from the machine's top all the same.
func (v view) find(name string, second bool) (group, bool) {
	f, err := os.Open(filepath.Join(v.proc, "mountinfo"))
	if err != nil {
		return group{}, false
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		root, point, ok := mountOf(lines.Bytes(), second)
		if !ok {
			continue
		}
		g := group{mount: path.Join("/", v.root, point), second: second}
		below, inside := strings.CutPrefix(name, strings.TrimSuffix(root, "/"))
		if !inside {
			below = name // seen from the top of a namespace, which the mount is older than
		}
		g.folder = path.Join(g.mount, path.Clean("/"+below)) // never above the mount
		if _, err := os.Stat(g.folder); err != nil {
			g.folder = g.mount
		}
		return g, true
	}
	return group{}, false
}

// mountOf reads a line of proc_pid_mountinfo(5), if it mounts what is wanted: the
// root that is mounted, and where.
func mountOf(line []byte, second bool) (root, point string, ok bool) {
	head, tail, found := bytes.Cut(line, []byte(" - "))
	mount, system := strings.Fields(string(head)), strings.Fields(string(tail))
	if !found || len(mount) < 5 || len(system) < 3 {
		return "", "", false
	}
	if second {
		ok = system[0] == "cgroup2"
	} else {
		ok = system[0] == "cgroup" && slices.Contains(strings.Split(system[2], ","), "memory")
	}
	return mount[3], mount[4], ok
}
