package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// memoryGroup makes a control group below this process's own and returns its
// folder and the name of the file that limits its memory.
func memoryGroup(t *testing.T) (folder, file string) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skipf("SKIPPED, NOT PASSED: %v", err)
	}
	for line := range strings.Lines(string(b)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(fields) < 3:
		case slices.Contains(strings.Split(fields[1], ","), "memory"):
			folder, file = filepath.Join("/sys/fs/cgroup/memory", fields[2]), "memory.limit_in_bytes"
		case fields[0] == "0" && folder == "":
			folder, file = filepath.Join("/sys/fs/cgroup", fields[2]), "memory.max"
		}
	}
	folder = filepath.Join(folder, fmt.Sprintf("handover-test-%d", os.Getpid()))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Skipf("SKIPPED, NOT PASSED: no control group can be made: %v", err)
	}
	t.Cleanup(func() {
		// The last process may have ended and not have left yet.
		if err := harness.Await(within, func() error { return os.Remove(folder) }); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Join(folder, file)); err != nil {
		t.Skipf("SKIPPED, NOT PASSED: control groups here do not limit memory: %v", err)
	}
	return folder, file
}

func TestWorkersShareTheMemoryOfTheirControlGroup(t *testing.T) {
	t.Parallel()
	folder, file := memoryGroup(t)
	if err := os.WriteFile(filepath.Join(folder, file), []byte("1073741824"), 0o644); err != nil {
		t.Skipf("SKIPPED, NOT PASSED: %v", err)
	}
	enter := []string{"sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$@"`, folder}
	i := harness.Start(t, harness.Config{Workers: 2, Wrap: enter})
	limits := func() (found []string) {
		for _, w := range i.Until(t, "settled", within, harness.Settled).Workers {
			for _, v := range harness.Environ(w.Pid) {
				if strings.HasPrefix(v, "GOMEMLIMIT=") {
					found = append(found, v)
				}
			}
		}
		return found
	}
	// Nine tenths of a GiB, by two.
	if got, want := limits(), []string{"GOMEMLIMIT=483183819", "GOMEMLIMIT=483183819"}; !slices.Equal(got, want) {
		t.Errorf("limits of the workers: %v, want %v", got, want)
	}
	changed := i.Config
	changed.Keys = `max_memory = "100MiB"`
	i.Configure(changed)
	hup(t, i, "done")
	if got, want := limits(), []string{"GOMEMLIMIT=104857600", "GOMEMLIMIT=104857600"}; !slices.Equal(got, want) {
		t.Errorf("limits with max_memory: %v, want %v", got, want)
	}
}
