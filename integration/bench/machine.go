package bench

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"example.com/handover/integration/harness"
)

// Machine describes the machine in a line: processor, cores, memory, system,
// kernel, and the load that others put on it now. What it cannot find out it
// leaves out.
func Machine() string {
	said := []string{
		field("/proc/cpuinfo", "model name", ":"),
		fmt.Sprintf("%d cores (%s)", runtime.NumCPU(), runtime.GOARCH),
		memory(),
		strings.Trim(field("/etc/os-release", "PRETTY_NAME", "="), `"`),
		kernel(),
		load(),
	}
	var known []string
	for _, s := range said {
		if s != "" {
			known = append(known, s)
		}
	}
	return strings.Join(known, ", ")
}

// Commit describes the checkout that the tests run in, "unknown" where there is
// none.
func Commit() string {
	root, err := harness.Module()
	if err != nil {
		return "unknown"
	}
	git := exec.Command("git", "describe", "--always", "--dirty")
	git.Dir = root
	text, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

// field returns what the first line of a file that begins with a key holds
// behind the separator; "": there is none.
func field(path, key, separator string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		name, value, found := strings.Cut(line, separator)
		if found && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func memory() string {
	var kib uint64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal", ":"), "%d kB", &kib); err != nil {
		return ""
	}
	return fmt.Sprintf("%.1f GiB", float64(kib)/(1<<20))
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	words := strings.Fields(string(text))
	if len(words) < 3 {
		return ""
	}
	return "load average " + strings.Join(words[:3], " ") + " at the start"
}
