package integration

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

// faulty starts an instance of the program whose requests are its faults.
func faulty(t *testing.T, c harness.Config) *harness.Instance {
	t.Helper()
	c.Command = []string{harness.Program(t, "faulty")}
	return harness.Start(t, c)
}

// worker is a connection to a worker whose number is known.
type worker struct {
	*harness.Conn
	pid int
}

// meet connects to some worker.
func meet(t *testing.T, i *harness.Instance) worker {
	t.Helper()
	c, err := i.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	answer, err := c.Do("GET", "/pid", nil)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(answer.Body))
	if err != nil {
		t.Fatalf("GET /pid: got %q, want a number", answer.Body)
	}
	return worker{c, pid}
}

// slotOf returns the slot of a worker.
func slotOf(t *testing.T, s harness.Status, pid int) int {
	t.Helper()
	for _, w := range s.Workers {
		if w.Pid == pid {
			return w.Slot
		}
	}
	t.Fatalf("worker %d: not in the status %+v", pid, s.Workers)
	return 0
}

// replaced waits until another worker serves in the place of one that ended, and
// requires the reason.
func replaced(t *testing.T, i *harness.Instance, slot, pid int, reason string, limit time.Duration) harness.End {
	t.Helper()
	var end harness.End
	i.Until(t, fmt.Sprintf("worker %d (pid %d) replaced for %q", slot, pid, reason), limit, func(s harness.Status) error {
		for _, w := range s.Workers {
			if w.Slot == slot && w.Pid != pid && w.State == "serving" && w.LastEnd != nil {
				end = *w.LastEnd
				return nil
			}
		}
		return fmt.Errorf("workers %+v, failing %+v", s.Workers, s.Failing)
	})
	if end.Reason != reason || end.Pid != pid {
		t.Errorf("end of worker %d: got %+v, want reason %q of pid %d", slot, end, reason, pid)
	}
	return end
}

// hangs are the ways to show no life, and what is in the dump of a process that
// can still write one.
var hangs = []struct {
	name, healthPath, dumped string
	hang                     func(t *testing.T, w worker)
}{
	{"EveryHandlerWaitsOnOneLock", "/health", "main.freeze", func(t *testing.T, w worker) { provoke(t, w, "/freeze") }},
	{"Stopped", "", "", func(t *testing.T, w worker) {
		if err := syscall.Kill(w.pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}},
	{"ASystemCallThatNeverReturns", "", "main.stuck", func(t *testing.T, w worker) { provoke(t, w, "/stuck") }},
}

// bootAllowance is what the start of a worker may take on a machine that has much
// else to do.
const bootAllowance = 5 * time.Second

// provoke sends a request whose answer may never come.
func provoke(t *testing.T, w worker, path string) {
	t.Helper()
	if err := w.Send("GET", path, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAHungWorkerIsReplacedWithItsGoroutineDumpInTheLog(t *testing.T) {
	t.Parallel()
	for _, h := range hangs {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			i := faulty(t, harness.Config{HealthPath: h.healthPath, Keys: `timeout = "3s"`})
			w := meet(t, i)
			before := i.Until(t, "settled", within, harness.Settled)
			slot := slotOf(t, before, w.pid)
			began := time.Now()
			h.hang(t, w)
			end := replaced(t, i, slot, w.pid, "silent", within)
			took := time.Since(began)
			t.Logf("replaced %v after it began to hang (timeout 3s): %s", took.Round(time.Millisecond), end.Text)
			if limit := 4*time.Second + bootAllowance; took > limit {
				t.Errorf("replaced after %v, want at most %v: timeout, a second, and what a boot may take here", took, limit)
			}
			for _, other := range i.Until(t, "status", within, harness.Serving).Workers {
				if other.Slot != slot && other.Pid != before.Workers[2-slot].Pid {
					t.Errorf("the other worker: got pid %d, want %d throughout", other.Pid, before.Workers[2-slot].Pid)
				}
			}
			log := i.Printed()
			if !strings.Contains(log, "worker is hung") {
				t.Error("log: nothing says that a worker hung")
			}
			if h.dumped != "" && (!strings.Contains(log, "SIGQUIT: quit") || !strings.Contains(log, h.dumped)) {
				t.Errorf("log: no goroutine dump with %q", h.dumped)
			}
		})
	}
}

func TestAStoppedMasterRaisesNoAlarmAboutItsWorkers(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{HealthPath: "/health", Keys: `timeout = "2s"`})
	before := i.Until(t, "settled", within, harness.Settled)
	if err := syscall.Kill(before.Master.Pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	harness.After(3 * time.Second) // more than the timeout, less than the anchor's patience
	if err := syscall.Kill(before.Master.Pid, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	harness.After(3 * time.Second) // more than the timeout once more
	after := i.Until(t, "serving", within, harness.Serving)
	for n, w := range after.Workers {
		if w.Pid != before.Workers[n].Pid {
			t.Errorf("worker %d: got pid %d, want %d throughout", w.Slot, w.Pid, before.Workers[n].Pid)
		}
	}
	if after.Master.Pid != before.Master.Pid {
		t.Fatalf("master: got pid %d, want %d: the scenario was another", after.Master.Pid, before.Master.Pid)
	}
}

func TestABusyOrUnwellWorkerIsNotHung(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{HealthPath: "/health", Keys: `timeout = "2s"`})
	before := i.Until(t, "settled", within, harness.Settled)
	load := i.Load(t, harness.Load{Kept: 4})
	i.Behave("health", "503")
	i.Until(t, "both workers are known to be unwell", within, func(s harness.Status) error {
		for _, w := range s.Workers {
			if !strings.Contains(w.Health, "503") {
				return fmt.Errorf("worker %d: health %q", w.Slot, w.Health)
			}
		}
		return nil
	})
	harness.After(3 * time.Second) // more than the timeout
	i.Behave("health", "200")
	after := i.Until(t, "well again", within, func(s harness.Status) error {
		return harness.Unless(s.Workers[0].Health == "" && s.Workers[1].Health == "", "workers %+v", s.Workers)
	})
	for n, w := range after.Workers {
		if w.Pid != before.Workers[n].Pid {
			t.Errorf("worker %d: got pid %d, want %d throughout", w.Slot, w.Pid, before.Workers[n].Pid)
		}
	}
	load.Stop().NothingLost(t)
}

// ends are the ways in which a worker ends although nobody wanted it to.
var ends = []struct {
	name, reason, text string
	end                func(t *testing.T, w worker)
}{
	{"Status", "crashed", "exit status 3", func(t *testing.T, w worker) { provoke(t, w, "/exit?code=3") }},
	{"Panic", "crashed", "exit status 2", func(t *testing.T, w worker) { provoke(t, w, "/crash") }},
	{"Signal", "crashed", "killed by SIGKILL", func(t *testing.T, w worker) { kill(t, w.pid) }},
	{"Goodbye", "exited", "exit status 0", func(t *testing.T, w worker) { provoke(t, w, "/exit?code=0") }},
}

func TestTheReasonOfAnUnaskedEndIsToldApartAndTheWorkerReplacedAtOnce(t *testing.T) {
	t.Parallel()
	i := faulty(t, harness.Config{})
	for n, e := range ends {
		w := meet(t, i)
		s := i.Until(t, "serving", within, harness.Serving)
		slot := slotOf(t, s, w.pid)
		e.end(t, w)
		w.Close()
		end := replaced(t, i, slot, w.pid, e.reason, within)
		if !strings.Contains(end.Text, e.text) {
			t.Errorf("%s: got %q, want %q in it", e.name, end.Text, e.text)
		}
		total := uint64(0)
		counted := i.Until(t, "status", within, harness.Serving).Exits
		for _, count := range counted {
			total += count
		}
		if total != uint64(n+1) || counted[e.reason] == 0 {
			t.Errorf("%s: exits %v, want %d in all and some for %q", e.name, counted, n+1, e.reason)
		}
	}
	before := i.Until(t, "status", within, harness.Serving).Exits
	reloadWorks(t, i)
	after := i.Until(t, "settled", within, harness.Settled).Exits
	if after["crashed"] != before["crashed"] || after["asked"] != before["asked"]+2 {
		t.Errorf("exits after a reload: got %v, want those before, %v, and two that were asked for", after, before)
	}
}

func TestTheOnlyWorkerThatGetsTERMIsReplacedBeforeItHasEnded(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{Workers: 1, GracefulTimeout: "60s"})
	w := meet(t, i)
	provoke(t, w, "/slow?d=60s")
	if err := w.Begun(); err != nil {
		t.Fatal(err)
	}
	load := i.Load(t, harness.Load{New: 2, Rest: 5 * time.Millisecond})
	if err := syscall.Kill(w.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	i.Until(t, "another serves", within, func(s harness.Status) error {
		for _, other := range s.Workers {
			if other.Pid != w.pid && other.State == "serving" {
				return nil
			}
		}
		return fmt.Errorf("workers %+v", s.Workers)
	})
	load.More(t, 50)
	if !harness.Alive(w.pid) {
		t.Error("the old worker has ended, want it to answer what it began")
	}
	w.Close()
	i.Until(t, "the old one is gone", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 1 && s.Exits["exited"] == 1, "workers %+v, exits %v", s.Workers, s.Exits)
	})
	load.Stop().NothingLost(t)
	reloadWorks(t, i)
}

func TestAWorkerThatCannotBootAnyMoreIsTriedAgainWhileTheOthersServe(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	load := i.Load(t, harness.Load{New: 1, Rest: 5 * time.Millisecond})
	i.Behave("boot", "exit 3")
	killed := time.Now()
	kill(t, before.Workers[0].Pid)
	s := i.Until(t, "three failures", within, func(s harness.Status) error {
		return harness.Unless(len(s.Failing) == 1 && s.Failing[0].Failures >= 4, "failing %+v", s.Failing)
	})
	if f := s.Failing[0]; f.Slot != 1 || !strings.Contains(f.Reason, "exit status 3") || !strings.Contains(f.Reason, "told to exit") || !f.Again.After(killed) {
		t.Errorf("failing: got %+v, want slot 1, its status and its last words", f)
	}
	if got := i.Do("status").Stdout; !strings.Contains(got, "FAILING") || !strings.Contains(got, "told to exit") {
		t.Errorf("status: got\n%s\nwant it to say what fails and why", got)
	}
	if s.Workers[0].Slot != 2 || s.Workers[0].Pid != before.Workers[1].Pid {
		t.Errorf("workers: got %+v, want worker 2 with pid %d throughout", s.Workers, before.Workers[1].Pid)
	}
	i.Behave("boot", "")
	i.Until(t, "both serve again", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 2 && len(s.Failing) == 0 && harness.Serving(s) == nil, "workers %+v, failing %+v", s.Workers, s.Failing)
	})
	load.Stop().LostOnly(t, 1, ofKilled(killed))
	reloadWorks(t, i)
}

func TestAWorkerThatBootsTooLongIsKilledAndTheOthersServe(t *testing.T) {
	t.Parallel()
	i := harness.Start(t, harness.Config{BootTimeout: "4s"})
	before := i.Until(t, "settled", within, harness.Settled)
	i.Behave("boot", "hang")
	kill(t, before.Workers[0].Pid)
	s := i.Until(t, "a boot that took too long", within, func(s harness.Status) error {
		return harness.Unless(len(s.Failing) == 1 && s.Exits["boot"] >= 1, "failing %+v, exits %v", s.Failing, s.Exits)
	})
	if f := s.Failing[0]; !strings.Contains(f.Reason, "boot_timeout") {
		t.Errorf("failing: got %+v, want it to name boot_timeout", f)
	}
	if s.Workers[0].Pid != before.Workers[1].Pid {
		t.Errorf("workers: got %+v, want pid %d throughout", s.Workers, before.Workers[1].Pid)
	}
	i.Behave("boot", "")
	i.Until(t, "both serve again", within, func(s harness.Status) error {
		return harness.Unless(len(s.Workers) == 2 && harness.Serving(s) == nil, "workers %+v", s.Workers)
	})
}

func TestAWorkerThatTheKernelEndsForMemoryIsSaidToBe(t *testing.T) {
	root := "/sys/fs/cgroup"
	limitFile := "memory.max"
	if _, err := os.Stat(filepath.Join(root, "memory", "memory.limit_in_bytes")); err == nil {
		root, limitFile = filepath.Join(root, "memory"), "memory.limit_in_bytes"
	} else if b, err := os.ReadFile(filepath.Join(root, "cgroup.subtree_control")); err != nil || !strings.Contains(string(b), "memory") {
		t.Skipf("SKIPPED LOUDLY: no memory controller that this test may use below %s (root and a writable cgroup are needed)", root)
	}
	group := filepath.Join(root, fmt.Sprintf("handover-test-%d", os.Getpid()))
	if err := os.Mkdir(group, 0o755); err != nil {
		t.Skipf("SKIPPED LOUDLY: make a cgroup: %v (root and a writable cgroup are needed)", err)
	}
	t.Cleanup(func() {
		harness.Until(t, "cgroup removed", within, func() error { return os.Remove(group) })
	})
	if err := os.WriteFile(filepath.Join(group, limitFile), []byte("300M"), 0); err != nil {
		t.Fatal(err)
	}
	i := faulty(t, harness.Config{Wrap: []string{"/bin/sh", "-c", "echo $$ >" + group + "/cgroup.procs && exec \"$@\"", "sh"}})
	w := meet(t, i)
	s := i.Until(t, "serving", within, harness.Serving)
	provoke(t, w, "/leak?mib=600")
	end := replaced(t, i, slotOf(t, s, w.pid), w.pid, "oom", within)
	if !strings.Contains(end.Text, "SIGKILL") {
		t.Errorf("end: got %+v, want the signal in it", end)
	}
	reloadWorks(t, i)
}
