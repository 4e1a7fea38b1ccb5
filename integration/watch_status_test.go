package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
	"golang.org/x/sys/unix"
)

// looking is a status that is watched on a terminal.
func looking(t *testing.T, i *harness.Instance, rows, cols int, env ...string) *harness.Terminal {
	t.Helper()
	return harness.StartTerminal(t, rows, cols, env, harness.Binary(t), "status", "--watch", "-c", i.ConfigFile())
}

func TestAWatchedStatusFollowsReloadsKilledMastersAndAnInstanceThatIsAway(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	w := looking(t, i, 40, 100)
	w.Until(within, "Ctrl-C ends", "state       serving", "generation  1")
	if look := w.Look(); !look.Own || !look.Hidden {
		t.Errorf("own page %v, cursor hidden %v; want both", look.Own, look.Hidden)
	}
	ok(t, command(t, i, "reload"))
	w.Until(within, "generation   2", "last reload  done", "asked for by control")
	s := i.Until(t, "settled", within, harness.Settled)
	if err := syscall.Kill(s.Master.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.Until(within, "generation   3", "serving")
	ok(t, command(t, i, "stop"))
	i.WaitExit(within)
	w.Until(within, "not running: nobody listens on", "waiting for it", "what it said last:")
	i.Launch()
	w.Until(within, "generation  1", "serving")
	last := w.Look().Text
	w.Type("\x03")
	if code := w.WaitExit(within); code != 0 {
		t.Errorf("Ctrl-C: exit %d, want 0", code)
	}
	look := w.Look()
	if look.Own || look.Hidden || len(look.Unknown) > 0 || !strings.Contains(look.Text, "generation  1") {
		t.Errorf("after Ctrl-C: own page %v, cursor hidden %v, unknown sequences %q\n%s\nbefore\n%s", look.Own, look.Hidden, look.Unknown, look.Text, last)
	}
}

func TestAWatchedStatusShowsTheStepsOfAReloadThatRuns(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{HealthPath: "/health"})
	w := looking(t, i, 40, 100)
	w.Until(within, "serving")
	i.Behave("health", "block")
	if got := command(t, i, "reload", "--timeout", "100ms"); got.Exit != 75 {
		t.Fatalf("reload: %v, want exit 75", got)
	}
	w.Until(within, "state       reloading", "reload      runs for", "  config  ", "  generation  ")
	i.Behave("health", "")
	w.Until(within, "last reload  done", "generation   2", "serving")
}

func TestAWatchedStatusKeepsWithinTheTerminal(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{Workers: 4})
	w := looking(t, i, 8, 30)
	w.Until(within, "generation  1", "… ", "more lines")
	w.Resize(12, 40)
	w.Until(within, "listeners", `more lines: "handover `)
	w.Resize(40, 100)
	w.Until(within, "WORKER  PID", "CERTIFICATE   FOR")
	if text := w.Look().Text; strings.Contains(text, "more lines") {
		t.Errorf("got\n%s\nwant all of it", text)
	}
}

func TestAWatchedStatusIsSuspendedWithTheTerminalAsItWas(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	// A shell, for a group without one that could continue it is never stopped.
	w := harness.StartTerminal(t, 40, 100, nil, "/bin/sh", "-mc",
		harness.Binary(t)+" status --watch -c "+i.ConfigFile()+`; printf 'suspended\n'; read line; fg`)
	w.Until(within, "generation  1")
	w.Type("\x1a")
	w.Until(within, "suspended")
	if look := w.Look(); look.Own || look.Hidden {
		t.Errorf("own page %v, cursor hidden %v; want neither", look.Own, look.Hidden)
	}
	w.Type("\n")
	w.Until(within, "Ctrl-C ends", "generation  1")
	w.Type("\x03")
	if code := w.WaitExit(within); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}

var colourCode = regexp.MustCompile("\x1b\\[[0-9]+m")

func TestColoursAreForTerminalsThatWantThem(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	for _, c := range []struct {
		variable       string
		colours, codes bool
	}{
		{"LANG=C", true, true}, {"NO_COLOR=1", false, true}, {"CLICOLOR=0", false, true}, {"TERM=dumb", false, false},
	} {
		t.Run(c.variable, func(t *testing.T) {
			t.Parallel()
			w := looking(t, i, 40, 100, c.variable)
			w.Until(within, "generation  1")
			w.Type("\x03")
			code := w.WaitExit(within)
			raw := w.Look().Raw
			if code != 0 || colourCode.MatchString(raw) != c.colours || strings.Contains(raw, "\x1b") != c.codes {
				t.Errorf("exit %d, %q; want colours %v, escape codes %v", code, raw, c.colours, c.codes)
			}
		})
	}
}

// piped runs status --watch into a pipe, line by line, until interrupted.
func piped(t *testing.T, i *harness.Instance, flags ...string) (lines *bufio.Scanner, interrupt func()) {
	t.Helper()
	cmd := exec.Command(harness.Binary(t), append([]string{"status", "--watch", "-c", i.ConfigFile()}, flags...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	t.Cleanup(func() {
		if !ended {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return bufio.NewScanner(out), func() {
		t.Helper()
		ended = true
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Errorf("interrupted: %v, want exit 0", err)
		}
	}
}

func TestAWatchedStatusWritesALineOfJSONForEachChange(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	lines, interrupt := piped(t, i, "--json")
	// next is the next line with another state or generation than the one before.
	type view struct {
		State      string
		Generation int
		Error      string
	}
	var last view
	next := func() view {
		t.Helper()
		for lines.Scan() {
			var v view
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatalf("%q: %v, want JSON", lines.Text(), err)
			}
			if v != last {
				last = v
				return v
			}
		}
		t.Fatalf("the lines end: %v", lines.Err())
		return view{}
	}
	if v := next(); v.State != "serving" || v.Generation != 1 {
		t.Errorf("first: got %+v, want generation 1 serving", v)
	}
	ok(t, command(t, i, "reload"))
	v := next()
	for v.Generation == 1 || v.State != "serving" {
		v = next()
	}
	if v.Generation != 2 {
		t.Errorf("after a reload: got %+v, want generation 2", v)
	}
	ok(t, command(t, i, "stop"))
	for v.State != "not running" {
		v = next()
	}
	if v.Generation != 0 || v.Error == "" {
		t.Errorf("after a stop: got %+v, want why", v)
	}
	interrupt()
}

func TestAWatchedStatusWritesSeparateTextsWithoutCodesToAPipe(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	lines, interrupt := piped(t, i)
	until := func(want string) (seen []string) {
		t.Helper()
		for lines.Scan() {
			seen = append(seen, lines.Text())
			if strings.Contains(lines.Text(), "\x1b") || strings.Contains(lines.Text(), "\r") {
				t.Errorf("got %q, want no codes", lines.Text())
			}
			if lines.Text() == want {
				return seen
			}
		}
		t.Fatalf("got %q, want %q", seen, want)
		return nil
	}
	if seen := until("generation  1"); !strings.HasPrefix(seen[0], "== 20") {
		t.Errorf("got %q, want a line with the time first", seen)
	}
	ok(t, command(t, i, "reload"))
	seen := until("generation   2")
	if at := slices.IndexFunc(seen, func(s string) bool { return strings.HasPrefix(s, "== 20") }); at < 1 || seen[at-1] != "" {
		t.Errorf("got %q, want an empty line and the time between two", seen)
	}
	interrupt()
}

func TestAWatchedStatusThatNobodyReadsEndsAtTheSecondSignal(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{Workers: 1})
	out := full(t)
	cmd := exec.Command(harness.Binary(t), "status", "--watch", "--json", "-c", i.ConfigFile())
	cmd.Stdout = out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
	harness.Until(t, "it writes", within, func() error {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", cmd.Process.Pid))
		writes := func(task string) bool {
			text, _ := os.ReadFile(task)
			return strings.HasPrefix(string(text), fmt.Sprintf("%d 0x1 ", unix.SYS_WRITE))
		}
		return harness.Unless(slices.ContainsFunc(tasks, writes), "none of %d threads does", len(tasks))
	})
	harness.Until(t, "its end", within, func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
			return nil
		default:
			return errors.New("it lives")
		}
	})
}

// full is a pipe in which there is no room.
func full(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	fill, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", w.Fd()), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fill) }()
	for err == nil {
		_, err = unix.Write(fill, make([]byte, 4096))
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	return w
}

func TestAWatchedStatusSaysAtOnceWhatIsWrongWithItsConfig(t *testing.T) {
	t.Parallel()
	complaint(t, "status --watch", typed(t, "/", "status", "--watch", "-c", "/nonexistent.toml"), 78, "/nonexistent.toml")
}

func TestAReloadShowsOnATerminalWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{HealthPath: "/health"})
	i.Behave("health", "block")
	w := harness.StartTerminal(t, 30, 100, nil, harness.Binary(t), "reload", "-c", i.ConfigFile())
	const under = "new workers start and prove themselves, for "
	w.Until(within, "  certificates  ", under)
	i.Behave("health", "")
	if code := w.WaitExit(within); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
	look := w.Look()
	if strings.Contains(look.Text, ", for ") || !strings.Contains(look.Text, "  proofs  ") || !strings.Contains(look.Text, "done: ") || len(look.Unknown) > 0 {
		t.Errorf("at the end it shows\n%s\nunknown sequences %q; want the steps alone", look.Text, look.Unknown)
	}
	if got := command(t, i, "reload"); got.Exit != 0 || strings.ContainsAny(got.Stdout, "\x1b\r") || strings.Contains(got.Stdout, under) {
		t.Errorf("reload to a pipe: %v, want steps alone, without codes", got)
	}
}
