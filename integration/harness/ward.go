package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Ward is a PID namespace with a mount namespace of its own, on the network and
// the files of the machine: a container as far as process managers see one. What
// lives in it ends with its PID 1, and that ends with the test, however it ends.
type Ward struct {
	*Background     // unshare, whose child is the PID 1 and which ends as that does
	First       int // the PID 1, by its number outside
	t           testing.TB
	namespace   string
}

// Inmate is a process of a ward. Its Pid is the number outside.
type Inmate struct {
	Process
	Inner int    // the number inside
	Path  string // of the executable as seen inside; empty for a zombie
}

// Enter starts words as the PID 1 of a new ward. What they print goes to the
// file output in the folder, as that of an instance.
func Enter(t testing.TB, folder string, env []string, words ...string) *Ward {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, NOT PASSED: a PID namespace takes root")
	}
	argv := append([]string{"unshare", "--fork", "--kill-child", "--pid", "--mount-proc"}, words...)
	w := &Ward{t: t, Background: StartBackground(t, folder, append(prompt(), env...), argv...)}
	w.Until(t, "the PID 1", 10*time.Second, func() error {
		children := Children(w.Pid)
		if len(children) != 1 {
			return fmt.Errorf("unshare has the children %v", children)
		}
		w.First = children[0].Pid
		var err error
		w.namespace, err = namespace(w.First)
		return err
	})
	// A PID 1 may ignore whatever else it is sent, and unshare does.
	t.Cleanup(func() {
		if Alive(w.First) {
			_ = syscall.Kill(w.First, syscall.SIGKILL)
		}
		if _, err := w.WaitExit(10 * time.Second); err != nil {
			t.Error(err)
		}
	})
	return w
}

func namespace(pid int) (string, error) { return os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)) }

// Inmates is everything that lives in the ward, zombies too.
func (w *Ward) Inmates() []Inmate {
	var found []Inmate
	for _, p := range processes() {
		if ns, err := namespace(p.Pid); err != nil || ns != w.namespace {
			continue
		}
		path, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.Pid))
		found = append(found, Inmate{Process: p, Inner: inner(p.Pid), Path: path})
	}
	return found
}

// inner is the number of a process in the innermost of its namespaces.
func inner(pid int) int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if numbers, found := strings.CutPrefix(line, "NSpid:"); found {
			all := strings.Fields(numbers)
			n, _ := strconv.Atoi(all[len(all)-1])
			return n
		}
	}
	return 0
}

// Outer is the number outside of the process that has one inside.
func (w *Ward) Outer(number int) int {
	w.t.Helper()
	for _, p := range w.Inmates() {
		if p.Inner == number {
			return p.Pid
		}
	}
	w.t.Fatalf("find process %d of the ward: none; there are %v", number, w.Inmates())
	return 0
}

// Kill signals a process by its number inside, 1 for the PID 1, as an engine
// does it from outside.
func (w *Ward) Kill(number int, s syscall.Signal) {
	w.t.Helper()
	if err := syscall.Kill(w.Outer(number), s); err != nil {
		w.t.Errorf("send %v to %d: %v", s, number, err)
	}
}

// Do runs a command inside, to its end.
func (w *Ward) Do(words ...string) Result {
	w.t.Helper()
	return Do(w.t, "nsenter", append([]string{"-t", strconv.Itoa(w.First), "-p", "-m", "-r", "-w", "--"}, words...)...)
}

// Exactly waits until the processes of an instance in the ward are those of its
// status, and until nobody there is a zombie.
func (w *Ward) Exactly(i *Instance) {
	w.t.Helper()
	i.Until(w.t, "anchor, master and workers, each once, and no zombie", 20*time.Second, func(s Status) error {
		if err := Settled(s); err != nil {
			return err
		}
		missing := map[int]bool{s.Pid: true, s.Master.Pid: true}
		for _, worker := range s.Workers {
			missing[worker.Pid] = true
		}
		for _, p := range w.Inmates() {
			switch {
			case p.State == "Z":
				return fmt.Errorf("zombie: %v", p)
			case missing[p.Inner]:
				delete(missing, p.Inner)
			case w.ours(p):
				return fmt.Errorf("one more: %v", p)
			}
		}
		return Unless(len(missing) == 0, "not there: %v", missing)
	})
}

// Empty waits until nothing of an instance lives in the ward, its address is
// free and its control socket and pidfile are gone.
func (w *Ward) Empty(i *Instance) {
	w.t.Helper()
	Until(w.t, "nothing left of the service", 20*time.Second, func() error {
		for _, p := range w.Inmates() {
			if w.ours(p) || p.State == "Z" {
				return fmt.Errorf("left: %v", p)
			}
		}
		return nil
	})
	i.checkLeft()
}

// ours says whether a process runs a program of this test process, here or in a
// container's root.
func (w *Ward) ours(p Inmate) bool {
	return strings.HasPrefix(p.Path, scratch()) || filepath.Dir(p.Path) == "/"
}
