package integration

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/chaos"
	"example.com/handover/integration/harness"
)

// estate is what an ordeal's instance lives on: programs of its own, which may be
// taken away, and a small disk of its own under log and state_dir, which may be
// filled.
type estate struct {
	bin   string // folder of the programs
	home  string // where the disk is mounted, in the instance's own namespace
	blind bool   // its workers cannot be looked into
	apart bool   // it has a namespace and a disk
	disk  *os.Root
	box   string // where a group of tasks can be bounded; empty: nowhere
	seen  int    // how much of what was printed has been looked at
}

// diskSize is enough for the log of many steps and for some certificates.
const diskSize = "8m"

// lay prepares the files of the instance.
func (e *estate) lay(t *testing.T) *harness.Instance {
	t.Helper()
	i := harness.Prepare(t, harness.Config{HealthPath: "/health"})
	e.bin, e.home = filepath.Join(i.Dir, "bin"), filepath.Join(i.Dir, "disk")
	for _, dir := range []string{e.bin, e.home} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, from := range map[string]string{"handover": harness.Binary(t), "app": harness.Program(t, "echo")} {
		b, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(e.bin, name), b, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	c := i.Config
	c.Binary = filepath.Join(e.bin, "handover")
	c.Command = []string{filepath.Join(e.bin, "app"), "-behaviour", filepath.Join(i.Dir, "behaviour")}
	// A grace that a client of a crowded machine meets, too: it must have read what
	// it is told.
	c.KeepaliveGrace, c.GracefulTimeout = "1s", "8s"
	c.Keys = fmt.Sprintf("max_draining = 50\ntimeout = \"5s\"\nmax_requests = 2000\nmax_requests_jitter = 1000\nstate_dir = %q", filepath.Join(e.home, "state"))
	c.Tables = fmt.Sprintf("[log]\nformat = \"text\"\nfile = %q", filepath.Join(e.home, "log"))
	// A mount in a namespace of its own ends with the processes in it, however
	// they and this test end.
	e.apart = exec.Command("unshare", "-m", "mount", "-t", "tmpfs", "none", e.home).Run() == nil
	if e.apart {
		c.Wrap = []string{"unshare", "-m", "sh", "-c", `mount -t tmpfs -o size=` + diskSize + ` none "$0" && exec "$@"`, e.home}
	}
	e.box = findBox()
	i.Configure(c)
	t.Cleanup(func() {
		if e.disk != nil {
			_ = e.disk.Close()
		}
	})
	return i
}

// launch starts the instance and opens its disk as it sees it: with a descriptor,
// so that its log can be read even when all its processes are gone.
func (o *ordeal) launch() {
	o.t.Helper()
	o.i.Launch()
	o.i.WaitServing()
	dir := o.home
	if o.apart {
		dir = fmt.Sprintf("/proc/%d/root%s", o.i.Pid, o.home)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		o.t.Fatal(err)
	}
	if o.disk != nil {
		_ = o.disk.Close()
	}
	o.disk = root
}

// missing is what cannot be had here, and why.
func (e *estate) missing() map[string]string {
	m := map[string]string{}
	if !e.apart {
		m["disk"] = "no right to mount one"
	}
	if e.box == "" {
		m["processes"] = "no cgroup that bounds tasks can be made"
	}
	if os.Getuid() != 0 {
		m["descriptors"] = "only root takes another's"
	}
	if e.blind {
		for _, on := range []string{"worker", "workers", "newborn", "retiring", "kill-worker"} {
			m[on] = "no right to look into one, and to know whom it answers"
		}
	}
	return m
}

// lacks says why a step cannot be had here; empty: it can.
func (e *estate) lacks(s chaos.Step) string {
	m := e.missing()
	return cmp.Or(m[s.Fault], m[s.On], m[s.With])
}

// do runs a command where the instance runs: its disk is seen from there alone.
func (o *ordeal) do(words ...string) harness.Result {
	argv := append([]string{harness.Binary(o.t), words[0], "-c", o.i.ConfigFile()}, words[1:]...)
	if o.apart {
		argv = append([]string{"nsenter", "-m", "-t", fmt.Sprint(o.i.Pid), "--"}, argv...)
	}
	return harness.Do(o.t, argv[0], argv[1:]...)
}

// fill leaves no byte free on the disk.
func (o *ordeal) fill() {
	o.t.Helper()
	f, err := o.disk.Create("filler")
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	o.lasts(func() { _ = o.disk.Remove("filler") })
	for _, size := range []int{1 << 16, 1 << 12, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			o.t.Fatalf("fill the disk: %v, want no space left", err)
		}
	}
}

// remove takes a program away, or puts garbage in its place.
func (o *ordeal) remove(name string, garbage bool) {
	o.t.Helper()
	path := filepath.Join(o.bin, name)
	if err := os.Rename(path, path+".away"); err != nil {
		o.t.Fatal(err)
	}
	o.lasts(func() {
		if err := os.Rename(path+".away", path); err != nil {
			o.t.Error(err)
		}
	})
	if garbage {
		if err := os.WriteFile(path, []byte("garbage\n\x00\x01"), 0o755); err != nil {
			o.t.Fatal(err)
		}
	}
}

// tail is the end of the log.
func (o *ordeal) tail() string {
	text := o.logged()
	return text[max(0, len(text)-16<<10):]
}

func (o *ordeal) logged() string {
	f, err := o.disk.Open("log")
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	b, _ := io.ReadAll(f)
	return string(b)
}

// confessed looks for a process that has given up with a stack, in what was
// written since the last time.
func (o *ordeal) confessed() error {
	printed := o.i.Printed()
	text := printed[o.seen:] + o.logged()
	o.seen = len(printed)
	for _, word := range []string{"panic:", "BUG", "fatal error:", "DATA RACE"} {
		if n := strings.Index(text, word); n >= 0 {
			return fmt.Errorf("found %q, want none:\n%.3000s", word, text[n:])
		}
	}
	return nil
}

// trimLog keeps the log from filling the disk by itself. It forgets what was
// written if that is not to be looked at again.
func (o *ordeal) trimLog(forget bool) {
	o.t.Helper()
	f, err := o.disk.OpenFile("log", os.O_WRONLY|os.O_CREATE, 0o640)
	if err != nil {
		o.t.Fatal(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && (forget || info.Size() > 1<<20) {
		if err := f.Truncate(0); err != nil {
			o.t.Fatal(err)
		}
	}
}

// findBox looks for the controller that bounds tasks, and for the right to use it.
func findBox() string {
	for _, root := range []string{"/sys/fs/cgroup/pids", "/sys/fs/cgroup"} {
		dir := filepath.Join(root, fmt.Sprintf("handover-chaos-%d", os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		_, err := os.Stat(filepath.Join(dir, "pids.max"))
		if os.Remove(dir) == nil && err == nil {
			return dir
		}
	}
	return ""
}

// confine bounds the tasks of a process and of those that it will start to what
// there is and a few more. RLIMIT_NPROC would not do: root has none.
func (o *ordeal) confine(pid, spare int) {
	o.t.Helper()
	put := func(file, text string) error { return os.WriteFile(file, []byte(text), 0) }
	must := func(err error) {
		o.t.Helper()
		if err != nil {
			o.t.Fatalf("confine %d: %v", pid, err)
		}
	}
	home, err := boxOf(pid, filepath.Dir(o.box))
	must(err)
	must(os.Mkdir(o.box, 0o755))
	o.lasts(func() {
		if err := harness.Await(10*time.Second, func() error {
			if err := put(filepath.Join(o.box, "pids.max"), "max"); err != nil {
				return err
			}
			left, _ := os.ReadFile(filepath.Join(o.box, "cgroup.procs"))
			for _, p := range strings.Fields(string(left)) {
				_ = put(filepath.Join(home, "cgroup.procs"), p)
			}
			return os.Remove(o.box)
		}); err != nil {
			o.t.Errorf("let %d go: %v", pid, err)
		}
	})
	if err := put(filepath.Join(o.box, "cgroup.procs"), fmt.Sprint(pid)); err != nil && !errors.Is(err, syscall.ESRCH) {
		must(err)
	}
	var tasks int
	now, err := os.ReadFile(filepath.Join(o.box, "pids.current"))
	must(err)
	_, err = fmt.Sscan(string(now), &tasks)
	must(err)
	must(put(filepath.Join(o.box, "pids.max"), fmt.Sprint(tasks+spare)))
}

// boxOf is the group that a process is in.
func boxOf(pid int, root string) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return "", err
	}
	unified := ""
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(f) == 3 && f[1] == "pids":
			return filepath.Join(root, f[2]), nil
		case len(f) == 3 && f[1] == "":
			unified = filepath.Join(root, f[2])
		}
	}
	return unified, nil
}
