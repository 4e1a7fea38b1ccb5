package managers

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// TestALogServiceMayRotateAndDieWithoutALineOrARequestLost has runit's svlogd
// read the service's standard error from the pipe that runsv holds for both.
func TestALogServiceMayRotateAndDieWithoutALineOrARequestLost(t *testing.T) {
	t.Parallel()
	provided(t, "svlogd")
	lines := filepath.Join(harness.Folder(t), "lines")
	k := keep(t, func(t *testing.T, dir, run string) keeper {
		k := keepers["runit"](t, dir, run)
		text, err := os.ReadFile(run)
		if err != nil {
			t.Fatal(err)
		}
		layOut(t, run, 0o755, strings.Replace(string(text), ">>"+filepath.Dir(run)+"/output 2>&1", "2>&1", 1))
		for _, folder := range []string{lines, filepath.Join(dir, "handover", "log")} {
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		layOut(t, filepath.Join(dir, "handover", "log", "run"), 0o755, "#!/bin/sh\nexec svlogd "+lines+"\n")
		return k
	})
	logger := filepath.Join(k.dir, "handover", "log")
	pid := k.up(t, 0, 1)
	load := k.Load(t, fewClients)
	for n, order := range []string{"hup", "alarm", "kill"} { // read the settings anew, rotate, die
		k.tell(t, []string{"sv", order, logger})
		pair := k.Certs.Renew()
		k.tell(t, k.hup)
		k.WaitServed(pair, moment)
		harness.Until(t, "the reload is in the log after sv "+order, moment, func() error {
			text := logged(lines)
			return harness.Unless(strings.Count(text, reloadIsDone) == n+1, "%d times %q, want %d:\n%s", strings.Count(text, reloadIsDone), reloadIsDone, n+1, text)
		})
	}
	load.Stop().NothingLost(t)
	k.unnoticed(t, pid, 1)
	old, _ := filepath.Glob(filepath.Join(lines, "@*"))
	if len(old) == 0 {
		t.Error("no rotated file, want one after sv alarm")
	}
	k.ward.Kill(pid, syscall.SIGTERM)
	k.up(t, pid, 2)
	k.stops(t)
}

// reloadIsDone is in exactly one line of each reload.
const reloadIsDone = `msg="reload done"`

// logged is what the logger has written, in all its files.
func logged(dir string) string {
	var all strings.Builder
	for _, pattern := range []string{"@*", "current"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, f := range files {
			text, _ := os.ReadFile(f) // a file that is being renamed is found the next time
			all.Write(text)
		}
	}
	return all.String()
}
