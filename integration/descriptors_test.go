package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

func TestAQuietServersOldWorkerIsGoneSoonAfterItsGrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		provoke func(t *testing.T, i *harness.Instance)
	}{
		{"WorkerKilledAndRespawned", respawned},
		{"WorkersDiedAtBoot", func(t *testing.T, i *harness.Instance) {
			i.Behave("boot", "exit 3")
			hup(t, i, "failed")
			i.Behave("boot", "")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := harness.Start(t, harness.Config{KeepaliveGrace: "1s"})
			c.provoke(t, i)
			if a, err := i.Get("/health"); err != nil || a.Status != 200 {
				t.Fatalf("one dial: %d, %v", a.Status, err)
			}
			old := i.Until(t, "settled", within, harness.Settled)
			hup(t, i, "done")
			limit := time.Second + 500*time.Millisecond
			if harness.Race {
				limit *= 2
			}
			for _, w := range old.Workers {
				harness.Until(t, "old worker gone", limit, func() error {
					return harness.Unless(!harness.Alive(w.Pid), "%d lives", w.Pid)
				})
			}
		})
	}
}

// census counts what an instance holds once it has settled.
type census struct{ anchor, master, worker, processes int }

// count asks for the status once and then only looks: each question costs the
// master a descriptor for a moment.
func count(t *testing.T, i *harness.Instance) census {
	t.Helper()
	s := i.Until(t, "settled", within, harness.Settled)
	var last census
	same := 0
	harness.Until(t, "a steady count", within, func() error {
		c := census{
			len(harness.Descriptors(s.Pid)), len(harness.Descriptors(s.Master.Pid)),
			len(harness.Descriptors(s.Workers[0].Pid)), len(i.Processes()),
		}
		if same++; c != last {
			last, same = c, 0
		}
		return harness.Unless(same >= 20, "%+v", c)
	})
	return last
}

func TestDescriptorsAndProcessesStayTheSameOverAHundredAndFiftyReloads(t *testing.T) {
	heavy(t)
	const each = 50
	// A collector that runs all the time finds every descriptor that is held by
	// nothing but luck.
	i := harness.Start(t, harness.Config{Workers: 1, Env: []string{"GOGC=1"}})
	var seen []census
	var private []int64 // of the anchor, the one that no reload replaces
	for range 3 {
		for range each {
			hup(t, i, "done")
		}
		if a, err := i.Get("/collect"); err != nil || a.Status != 200 {
			t.Errorf("collect: %d, %v", a.Status, err)
		}
		// A master holds copies of what each generation held that drained when it was
		// started: so one that is started at rest is counted.
		i.Until(t, "settled", within, harness.Settled)
		hup(t, i, "done")
		seen = append(seen, count(t, i))
		memory, err := harness.MemoryOf(i.Pid)
		if err != nil {
			t.Fatal(err)
		}
		private = append(private, memory.Private)
	}
	t.Logf("after %d, %d, %d reloads: %+v, %d bytes of the anchor's", each, 2*each, 3*each, seen, private)
	if private[2] > 2*private[0] {
		t.Errorf("private memory of the anchor %d, want no more and more", private)
	}
	if seen[0] != seen[1] || seen[1] != seen[2] {
		t.Errorf("counts %+v, want all the same", seen)
	}
	reloadWorks(t, i)
}

func TestACollectorThatRunsAllTheTimeCostsNobodyALifeline(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, Env: []string{"GOGC=1"}})
	before := i.Until(t, "settled", within, harness.Settled)
	for range 100 {
		if a, err := i.Get("/collect"); err != nil || a.Status != 200 {
			t.Fatalf("collect: %d, %v", a.Status, err)
		}
		i.Signal(syscall.SIGUSR1) // the anchor and the master allocate for it
		if _, err := i.Status(); err != nil {
			t.Fatal(err)
		}
	}
	after := i.Until(t, "settled", within, harness.Settled)
	if after.Master.Pid != before.Master.Pid || after.Workers[0].Pid != before.Workers[0].Pid {
		t.Errorf("master %d, worker %d; want %d, %d", after.Master.Pid, after.Workers[0].Pid, before.Master.Pid, before.Workers[0].Pid)
	}
}

// workerVariables are the only ones that a worker is started with: what the
// instance was given, less what would mislead a worker, and its own; and
// GOMEMLIMIT where the machine limits the memory of its processes.
var workerVariables = []string{"DATABASE_URL", "GOMAXPROCS", "HANDOVER_FDS", "HANDOVER_OWN", "HANDOVER_ROLE", "HOME", "PATH"}

// workerDescriptors are what a worker's links may look like.
var workerDescriptors = regexp.MustCompile(`^(socket:\[|pipe:\[|/dev/null$|/memfd:|anon_inode:|/dev/urandom$|/sys/fs/cgroup/|/proc/)`)

func TestAWorkerHasOnlyTheDocumentedEnvironmentAndDescriptors(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 2, Env: []string{
		"DATABASE_URL=somewhere",
		// Whoever inherits these believes that systemd, or a parent, is meant to hear of it.
		"LISTEN_PID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=web", "MAINPID=1", "TABLEFLIP_HAS_PARENT_7DIU3=",
	}})
	var sizes []int
	for round := range 3 {
		for _, w := range i.Until(t, "settled", within, harness.Settled).Workers {
			var variables []string
			for _, v := range harness.Environ(w.Pid) {
				name, _, _ := strings.Cut(v, "=")
				if name != "GORACE" && name != "GOMEMLIMIT" { // the former is the harness's own
					variables = append(variables, name)
				}
			}
			if slices.Sort(variables); !slices.Equal(variables, workerVariables) {
				t.Errorf("round %d: worker's environment holds %v, want %v", round, variables, workerVariables)
			}
			fds := harness.Descriptors(w.Pid)
			sizes = append(sizes, len(fds))
			for fd, link := range fds {
				if fd > 2 && !workerDescriptors.MatchString(link) {
					t.Errorf("round %d: worker's descriptor %d is %q, want a documented one", round, fd, link)
				}
			}
			for fd, path := range shared(i.Pid, fds) {
				t.Errorf("round %d: worker's descriptor %d is %s of the anchor's own, want none", round, fd, path)
			}
		}
		renew(t, i)
	}
	// The documented: 0-2, the listener, ctl, probe, serve, accepting, gone,
	// what the runtime needs to wait for them, and a client that has not gone yet.
	if slices.Max(sizes) > 16 {
		t.Errorf("numbers of descriptors of workers %v, want at most 16", sizes)
	}
	handlersChild(t, i)
}

// shared returns the descriptors of a worker that are the control socket of its
// instance: whoever held it could command the master.
func shared(anchor int, worker map[int]string) map[int]string {
	control := map[string]bool{}
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/unix", anchor))
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		if len(fields) == 8 && strings.HasSuffix(fields[7], "/control.sock") {
			control["socket:["+fields[6]+"]"] = true
		}
	}
	found := map[int]string{}
	for fd, link := range worker {
		if control[link] {
			found[fd] = "control socket " + link
		}
	}
	return found
}

// handlersChild requires that a process started by a handler finds nothing.
func handlersChild(t *testing.T, i *harness.Instance) {
	t.Helper()
	a, err := i.Get("/inherited")
	if err != nil || a.Status != 200 {
		t.Fatalf("inherited: %d %s, %v", a.Status, a.Body, err)
	}
	var found struct{ Descriptors, Environment []string }
	if err := json.Unmarshal(a.Body, &found); err != nil {
		t.Fatal(err)
	}
	for _, fd := range found.Descriptors {
		// The shell that lists has 0, 1 and 2, and may have its own script's.
		if fd > "2" && fd != "255" && fd != "10" {
			t.Errorf("a handler's child has descriptors %v, want 0, 1 and 2", found.Descriptors)
		}
	}
	for _, v := range found.Environment {
		if strings.HasPrefix(v, "HANDOVER_") || strings.HasPrefix(v, "TABLEFLIP") || strings.HasPrefix(v, "GOM") { // its share, too
			t.Errorf("a handler's child has %q in its environment", v)
		}
	}
}
