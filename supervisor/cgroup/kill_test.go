package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roleVariable makes the test binary a process that a test looks at.
const roleVariable = "HANDOVER_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "look":
		look()
	case "grow":
		for kept := [][]byte{}; ; { // until it is killed
			b := make([]byte, 1<<20)
			for n := 0; n < len(b); n += 4096 {
				b[n] = 1
			}
			kept = append(kept, b)
		}
	default:
		os.Exit(m.Run())
	}
}

// look counts before and after a child was killed for want of memory.
func look() {
	before, _ := OOMKills()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"=grow")
	err := cmd.Run()
	after, ok := OOMKills()
	limit, _ := MemoryLimit()
	var ended *exec.ExitError
	killed := errors.As(err, &ended) && ended.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	fmt.Printf("known %v, one more %v, killed %v, limit %d\n", ok, after == before+1, killed, limit)
}

// TestAChildKilledForWantOfMemoryIsCounted has the kernel do it, in a small group.
func TestAChildKilledForWantOfMemoryIsCounted(t *testing.T) {
	t.Parallel()
	own, ok := machine.memory()
	if !ok {
		t.Skip("SKIPPED, NOT PASSED: no control group accounts for memory here")
	}
	folder := filepath.Join(own.folder, fmt.Sprintf("handover-test-kill-%d", os.Getpid()))
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Skipf("SKIPPED, NOT PASSED: no control group can be made: %v", err)
	}
	t.Cleanup(func() {
		end := time.Now().Add(10 * time.Second)
		for os.Remove(folder) != nil { // the last process may not have left yet
			if time.Now().After(end) {
				t.Errorf("remove %q: not within 10s", folder)
				return
			}
		}
	})
	file := "memory.limit_in_bytes"
	if own.second {
		file = "memory.max"
	}
	const limit = 256 << 20 // the race detector needs some
	if err := os.WriteFile(filepath.Join(folder, file), []byte(fmt.Sprint(limit)), 0o644); err != nil {
		t.Skipf("SKIPPED, NOT PASSED: the group cannot be limited: %v", err)
	}
	// Swap would only make it take longer.
	_ = os.WriteFile(filepath.Join(folder, "memory.swap.max"), []byte("0"), 0o644)
	_ = os.WriteFile(filepath.Join(folder, "memory.memsw.limit_in_bytes"), []byte(fmt.Sprint(limit)), 0o644)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `echo $$ > "$0/cgroup.procs" && exec "$1"`, folder, self)
	cmd.Env = append(os.Environ(), roleVariable+"=look")
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("known true, one more true, killed true, limit %d", limit); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("got %q, %v; want %q", out, err, want)
	}
}
