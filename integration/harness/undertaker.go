package harness

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// undertakerVariable makes the test binary an undertaker instead.
const undertakerVariable = "HANDOVER_TEST_UNDERTAKER"

// home is the one folder that everything of this test process lies in. It is
// set by Main before a test runs and never changed.
var home string

// folders numbers the instances' folders: a test's own name would make the
// path of a unix socket too long.
var folders atomic.Int64

// undertaker is the pipe to the second process. It is owned by the mutex:
// parallel tests write to it.
var undertaker struct {
	sync.Mutex
	pipe io.WriteCloser
}

// Main runs the tests of a package and exits. Leaked goroutines fail them.
func Main(m *testing.M) {
	if root := os.Getenv(undertakerVariable); root != "" {
		bury(root, os.Stdin)
		os.Exit(0)
	}
	cmd, err := openUndertaker()
	if err == nil {
		err = widen()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = undertaker.pipe.Close()
		_ = cmd.Wait()
		os.Exit(code)
	}))
}

// widen has four tests run side by side, unless somebody says otherwise: most of
// them wait for a drain, a grace or a manager's own pace, and not for a processor.
func widen() error {
	flag.Parse()
	parallel := flag.Lookup("test.parallel")
	if parallel == nil || parallel.Value.String() != parallel.DefValue {
		return nil
	}
	return parallel.Value.Set("4")
}

func openUndertaker() (*exec.Cmd, error) {
	var err error
	if home, err = os.MkdirTemp("", "handover-it-"); err != nil {
		return nil, err
	}
	// Programs that a privileged test runs as somebody else are read from here.
	if err := os.Chmod(home, 0o755); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), undertakerVariable+"="+home)
	// In a session of its own: what ends the tests must not end it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if undertaker.pipe, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return cmd, cmd.Start()
}

// register tells the undertaker of a session; forget takes it back.
func register(session int) { tell("+%d\n", session) }
func forget(session int)   { tell("-%d\n", session) }

func tell(format string, what any) {
	undertaker.Lock()
	defer undertaker.Unlock()
	if undertaker.pipe != nil {
		_, _ = fmt.Fprintf(undertaker.pipe, format, what)
	}
}

// bury waits for the end of the test process, then kills what is left of the
// sessions and cgroups it still had and removes its folder.
func bury(root string, in io.Reader) {
	open := map[string]bool{}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		line := lines.Text()
		open[strings.TrimLeft(line, "+-")] = strings.HasPrefix(line, "+")
	}
	for name, left := range open {
		if !left {
			continue
		}
		if session, err := strconv.Atoi(name); err == nil {
			killSession(session)
		} else {
			_ = killGroup(name)
		}
	}
	_ = os.RemoveAll(root)
}

// killSession kills until nothing is found twice: a dying supervisor may just
// have started something.
func killSession(session int) {
	for range 50 {
		left := Session(session)
		if len(left) == 0 {
			return
		}
		for _, p := range left {
			_ = syscall.Kill(p.Pid, syscall.SIGKILL)
		}
	}
}

func scratch() string { return home }

// Home returns the folder that everything of this test process lies in.
func Home() string { return home }

// Folder returns a new folder with a short path.
func Folder(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(scratch(), "t"+strconv.FormatInt(folders.Add(1), 10))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
