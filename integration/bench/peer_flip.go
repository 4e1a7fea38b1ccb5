package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// startFlip starts tableflip's own example. All its generations are of one
// session, and the last one's pid stands in a file.
func startFlip(t testing.TB, setup Setup) *Server {
	t.Helper()
	address, folder := harness.FreeAddress(t), harness.Folder(t)
	file := filepath.Join(folder, "pid")
	b := harness.StartBackground(t, folder, nil, harness.Static(t, "flip"), "-listen", address, "-dir", setup.Dir, "-pid-file", file)
	pid := func() int {
		text, _ := os.ReadFile(file)
		number, _ := strconv.Atoi(strings.TrimSpace(string(text)))
		return number
	}
	t.Cleanup(func() { endFlip(t, b) })
	var g generation
	return &Server{
		Addr:      address,
		Main:      pid,
		Workers:   func() []harness.Process { return lone(pid()) },
		Processes: b.Processes,
		Reload: func() error {
			g.leave()
			if number := pid(); number > 0 {
				return syscall.Kill(number, syscall.SIGHUP)
			}
			return fmt.Errorf("reload: no pid in %q", file)
		},
		Settled: func() error { return g.settled(b.Processes(), 1) },
		until:   b.Until,
	}
}

// endFlip ends each generation that is there: the first one's end, which is
// looked after, says nothing of theirs.
func endFlip(t testing.TB, b *harness.Background) {
	for _, p := range b.Processes() {
		_ = syscall.Kill(p.Pid, syscall.SIGTERM)
	}
	if err := harness.Await(10*time.Second, func() error {
		return harness.Unless(len(b.Processes()) == 0, "%v", b.Processes())
	}); err != nil {
		t.Errorf("end of tableflip: left: %v\n%s", err, b.Output())
	}
}
