package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// NewGroup makes a cgroup below the place where the second version of cgroups is
// mounted, be it the only one or beside the first. The undertaker ends what a
// test leaves of it.
func NewGroup(name string) (string, error) {
	mounted, err := groups()
	if err != nil {
		return "", err
	}
	path := filepath.Join(mounted, fmt.Sprintf("handover-test-%d-%s", os.Getpid(), name))
	tell("+%s\n", path) // before it is there, so that nothing can come in between
	return path, os.Mkdir(path, 0o755)
}

// EndGroup kills whatever is in a group and removes it.
func EndGroup(path string) error {
	if err := killGroup(path); err != nil {
		return err
	}
	tell("-%s\n", path)
	return nil
}

func groups() (string, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", errors.New("find a mount of cgroup2: none")
}

// killGroup kills a whole tree at one stroke (Linux 5.14) and removes it; a folder
// can go as soon as the last process has been reaped.
func killGroup(path string) error {
	return Await(10*time.Second, func() error {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err := os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0); err != nil {
			return err
		}
		var folders []string
		_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				folders = append(folders, p)
			}
			return nil
		})
		var last error
		for n := len(folders) - 1; n >= 0; n-- { // the innermost first
			if err := os.Remove(folders[n]); err != nil && !errors.Is(err, fs.ErrNotExist) {
				last = err
			}
		}
		return last
	})
}

// Members returns the processes of a group and of those below it.
func Members(path string) []Process {
	var found []Process
	_ = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "cgroup.procs" {
			return nil
		}
		b, _ := os.ReadFile(p)
		for _, word := range strings.Fields(string(b)) {
			pid, _ := strconv.Atoi(word)
			if process, alive := Find(pid); alive {
				found = append(found, process)
			}
		}
		return nil
	})
	return found
}
