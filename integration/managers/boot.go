package managers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// booted is a machine, whoever has it.
type booted struct {
	pid    int           // of its first process, as seen from outside
	exited chan struct{} // closed when that has ended, and so all the others
	folder string
	group  string // the folder of its cgroup, as seen from outside
}

// machines numbers those of this test process.
var machines atomic.Int64

// rootOf returns the folder that holds a release.
func rootOf(release string) (string, error) {
	if release == Distribution {
		return "/", nil
	}
	cache := os.Getenv("HANDOVER_TEST_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		cache = filepath.Join(base, "handover")
	}
	return filepath.Join(cache, release), nil
}

// boot starts a machine and waits until it is up.
func boot(t testing.TB, release string) (*booted, error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("boots a systemd: needs root")
	}
	root, err := rootOf(release)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "usr/lib/systemd/systemd")); err != nil {
		return nil, fmt.Errorf("boot systemd: %v (make test-deps installs it)", err)
	}
	return bootBy(t, harness.Program(t, "machine"), root)
}

// bootBy boots by the program that lays out the root folder.
func bootBy(t testing.TB, program, root string) (*booted, error) {
	t.Helper()
	group, err := harness.NewGroup(fmt.Sprint(machines.Add(1)))
	if err != nil {
		return nil, fmt.Errorf("boot systemd: %v", err)
	}
	b := &booted{folder: harness.Folder(t), group: group, exited: make(chan struct{})}
	if err := b.start(program, root); err != nil {
		_ = harness.EndGroup(group)
		return nil, fmt.Errorf("boot systemd: %v", err)
	}
	err = harness.Await(30*time.Second, func() error { return b.up(t) })
	if err == nil && !harness.Alive(b.pid) {
		err = errors.New("it has ended")
	}
	if err != nil {
		err = fmt.Errorf("boot systemd: %v\n%s", err, b.console())
		return nil, errors.Join(err, b.end())
	}
	return b, nil
}

func (b *booted) start(program, root string) error {
	group, err := os.Open(b.group)
	if err != nil {
		return err
	}
	defer group.Close()
	console, err := os.Create(filepath.Join(b.folder, "console"))
	if err != nil {
		return err
	}
	defer console.Close()
	scratch := filepath.Join(b.folder, "machine")
	cmd := exec.Command(program, root, scratch, harness.Home())
	cmd.Stdout, cmd.Stderr = console, console
	cmd.Env = []string{"GORACE=atexit_sleep_ms=0"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid: true, UseCgroupFD: true, CgroupFD: int(group.Fd()),
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	b.pid = cmd.Process.Pid
	go func() { // ends with the process, which end sees to
		_ = cmd.Wait()
		close(b.exited)
	}()
	return nil
}

// up says whether systemd has started all that it is to start, or has ended. As long as it is
// another program it is not in its own root folder yet: a command would ask the
// host's.
func (b *booted) up(t testing.TB) error {
	if !harness.Alive(b.pid) {
		return nil
	}
	if p, _ := harness.Find(b.pid); p.Name != "systemd" {
		return fmt.Errorf("process 1 is %q", p.Name)
	}
	got := b.run(t, "systemctl", "is-system-running")
	state := strings.TrimSpace(got.Stdout)
	return harness.Unless(state == "running" || state == "degraded", "%q: %s", state, got.Stderr)
}

func (b *booted) console() string {
	text, _ := os.ReadFile(filepath.Join(b.folder, "console"))
	return string(text)
}

// end kills it: what its memory held was for nobody else.
func (b *booted) end() error {
	err := harness.EndGroup(b.group)
	<-b.exited
	if err != nil {
		return fmt.Errorf("end the machine: %v", err)
	}
	return os.RemoveAll(b.folder)
}
