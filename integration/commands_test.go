package integration

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// abandonSocket leaves a socket file behind that nobody listens on.
func abandonSocket(t *testing.T, path string) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(path) })
}

// one is an instance with a single worker.
func one(t *testing.T, c harness.Config) *harness.Instance {
	t.Helper()
	c.Workers = 1
	return harness.Start(t, c)
}

// untouched requires an instance to be as it was: the same generation, master
// and worker, and the same certificate.
func untouched(t *testing.T, i *harness.Instance, before harness.Status) {
	t.Helper()
	now := i.Until(t, "serving", within, harness.Serving)
	if now.Generation != before.Generation || now.Master.Pid != before.Master.Pid || now.Workers[0].Pid != before.Workers[0].Pid {
		t.Errorf("status %+v, want generation, master and worker of %+v", now, before)
	}
}

// TestReloadShowsEachStepWhenItHappens holds the reload open at a health check:
// what came before must be there to read already.
func TestReloadShowsEachStepWhenItHappens(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{HealthPath: "/health"})
	i.Behave("health", "block")
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Binary(t), "reload", "-c", i.ConfigFile())
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else its end would be late by a second
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, seen := bufio.NewScanner(stdout), ""
	readTo := func(step string) {
		t.Helper()
		for lines.Scan() {
			seen += lines.Text() + "\n"
			if strings.Contains(lines.Text(), "  "+step+"  ") {
				return
			}
		}
		t.Errorf("output ended after %q, want the step %q", seen, step)
	}
	readTo("config")
	readTo("certificates")
	if s, err := i.Status(); err != nil || s.State != "reloading" || s.Generation != 1 {
		t.Errorf("while the health check holds: status %+v, %v; want generation 1 reloading", s, err)
	}
	if strings.Contains(seen, "proofs") || strings.Contains(seen, "cutover") {
		t.Errorf("while the health check holds reload says %q, want no proof and no cutover", seen)
	}
	i.Behave("health", "")
	for _, step := range []string{"generation", "proofs", "cutover", "draining"} {
		readTo(step)
	}
	for lines.Scan() {
		seen += lines.Text() + "\n"
	}
	if err := cmd.Wait(); err != nil || !strings.Contains(seen, "done: generation 2 serves") {
		t.Errorf("reload says %q and ends with %v, want done", seen, err)
	}
}

func TestAReloadThatIsNotDoneEndsWithItsErrorAHintAndItsCode(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	for _, c := range []struct {
		name    string
		spoil   func()
		exit    int
		outcome string
		stdout  []string
		stderr  string
	}{
		{
			"Refused", func() { i.Certs.Install(mismatched(i)) }, 65, "refused",
			[]string{"  config  ", "refused after", "nothing has changed: generation 1 serves on"},
			"error: certificate \"example.test\": key does not match certificate (pair.mismatch)",
		},
		{
			"Failed", func() { i.Certs.Renew(); i.Behave("boot", "exit 3") }, 70, "failed",
			[]string{"  config  ", "  certificates  ", "failed after", "nothing has changed: generation 1 serves on"},
			"told to exit",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spoil()
			got := command(t, i, "reload")
			if got.Exit != c.exit || !strings.HasPrefix(got.Stderr, "error: ") || !strings.Contains(got.Stderr, c.stderr) ||
				!strings.Contains(got.Stderr, "\nhint: ") {
				t.Errorf("reload: %v, want exit %d, the error %q and a hint", got, c.exit, c.stderr)
			}
			said(t, "reload", got.Stdout, c.stdout)
			got = command(t, i, "reload", "--json")
			var r harness.Reload
			if err := json.Unmarshal([]byte(got.Stdout), &r); err != nil || r.Outcome != c.outcome || got.Exit != c.exit || got.Stderr != "" {
				t.Errorf("reload --json: %v, %v; want exit %d and the outcome as JSON alone", got, err, c.exit)
			}
			shown := command(t, i, "status")
			said(t, "status", shown.Stdout, []string{"the last reload was not done", c.stderr})
			untouched(t, i, before)
		})
	}
}

// TestALostNameIsRefusedUnlessItIsAllowedOnce shows that check, too, compares
// with what is served.
func TestALostNameIsRefusedUnlessItIsAllowedOnce(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1})
	both := i.Certs.Install(i.Certs.Issue(harness.Leaf{Names: names}))
	i.Launch()
	i.WaitServing()
	fewer := i.Certs.Renew()
	for _, name := range []string{"check", "reload"} {
		got := command(t, i, name)
		if got.Exit != 65 || !strings.Contains(got.Stderr, "(name.lost)") || !strings.Contains(got.Stderr, names[1]) {
			t.Errorf("%s: %v, want exit 65, the check and the name", name, got)
		}
	}
	served(t, i, both)
	got := command(t, i, "reload", "--allow", "name.lost")
	if got.Exit != 0 || !strings.Contains(got.Stdout, "warn: ") || !strings.Contains(got.Stdout, "(name.lost)") {
		t.Errorf("reload --allow: %v, want exit 0 and a warning", got)
	}
	served(t, i, fewer)
}

func TestATimeoutOfTheCommandLeavesTheReloadToGoOn(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{HealthPath: "/health"})
	pair := i.Certs.Renew()
	i.Behave("health", "block")
	asked := time.Now()
	got := command(t, i, "reload", "--timeout", "500ms")
	if got.Exit != 75 || !strings.HasPrefix(got.Stderr, "error: no outcome within the time given\nhint: ") {
		t.Errorf("reload: %v, want exit 75, an error and a hint", got)
	}
	if s, err := i.Status(); err != nil || s.State != "reloading" {
		t.Errorf("after the command: status %+v, %v; want it reloading", s, err)
	}
	got = command(t, i, "reload", "--timeout", "300ms", "--json")
	if got.Exit != 75 || got.Stdout != "" {
		t.Errorf("reload --json: %v, want exit 75 and no JSON", got)
	}
	i.Behave("health", "")
	i.Until(t, "done", within, harness.Ended("done", asked))
	served(t, i, pair)
}

func TestReloadAsJSONIsTheLastReloadOfTheStatus(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	got := command(t, i, "reload", "--json")
	var printed, kept struct {
		Reload     map[string]any `json:"-"`
		LastReload map[string]any `json:"last_reload"`
	}
	err := json.Unmarshal([]byte(got.Stdout), &printed.Reload)
	if got.Exit != 0 || got.Stderr != "" || err != nil || printed.Reload["outcome"] != "done" || printed.Reload["generation"] != 2.0 {
		t.Fatalf("reload --json: %v, %v; want exit 0 and generation 2 done as JSON alone", got, err)
	}
	shown := command(t, i, "status", "--json")
	if err := json.Unmarshal([]byte(shown.Stdout), &kept); err != nil {
		t.Fatalf("status --json: %v, %v", shown, err)
	}
	for _, key := range []string{"outcome", "asked_by", "started", "finished", "generation", "checks"} {
		a, _ := json.Marshal(printed.Reload[key])
		b, _ := json.Marshal(kept.LastReload[key])
		if string(a) != string(b) || string(a) == "null" {
			t.Errorf("%s: reload --json says %s and status --json %s, want the same", key, a, b)
		}
	}
}

func TestStatusShowsTablesWithoutColoursToAFile(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	s := i.Until(t, "serving", within, harness.Serving)
	got := command(t, i, "status")
	if got.Exit != 0 || got.Stderr != "" || strings.Contains(got.Stdout, "\x1b") {
		t.Errorf("status: %v, want exit 0 and no colours", got)
	}
	said(t, "status", got.Stdout, []string{
		"state       serving\n", "generation  1\n", "pid         " + strconv.Itoa(i.Pid) + ", up ",
		"master      pid " + strconv.Itoa(s.Master.Pid), "config      " + i.ConfigFile() + "\n",
		"listeners   https " + i.Addr + "\n", "\nWORKER  PID ", strconv.Itoa(s.Workers[0].Pid), "\nCERTIFICATE ", i.First.Fingerprint[:16],
	})
}

func TestScaleSetsTheWorkersAndLastsUntilTheConfigsNumberChanges(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	workers := func(want int) {
		t.Helper()
		i.Until(t, "workers", within, func(s harness.Status) error {
			return harness.Unless(len(s.Workers) == want && harness.Serving(s) == nil, "%+v, want %d", s.Workers, want)
		})
	}
	// The number may stand before the flags, and after them.
	if got := command(t, i, "scale", "3"); got.Exit != 0 || got.Stdout != "workers wanted: 3\n" || got.Stderr != "" {
		t.Errorf("scale: %v, want three workers wanted", got)
	}
	workers(3)
	if got := typed(t, "/", "scale", "2", "-c", i.ConfigFile()); got.Exit != 0 || got.Stdout != "workers wanted: 2\n" {
		t.Errorf("scale: %v, want two workers wanted", got)
	}
	workers(2)
	ok(t, command(t, i, "reload"))
	workers(2)
	config := i.Config
	config.Workers = 4
	i.Configure(config)
	ok(t, command(t, i, "reload"))
	workers(4)
}

func TestStopLetsAnAnswerEndAndQuickStopDoesNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words    []string
		answered bool
	}{
		{[]string{"stop"}, true},
		{[]string{"stop", "--quick"}, false},
	} {
		t.Run(strings.Join(c.words, ""), func(t *testing.T) {
			t.Parallel()
			i := one(t, harness.Config{})
			slow := begin(t, i, time.Second)
			if got := command(t, i, c.words...); got.Exit != 0 || got.Stdout+got.Stderr != "" {
				t.Errorf("%q: %v, want exit 0 and not a word", c.words, got)
			}
			if err := <-slow.answer; (err == nil) != c.answered {
				t.Errorf("the answer that ran: %v, want it whole: %v", err, c.answered)
			}
			if code := i.WaitExit(within); code != 0 {
				t.Errorf("%q: the instance exits %d, want 0", c.words, code)
			}
			complaint(t, "status after it", command(t, i, "status"), 69, "not running")
		})
	}
}

// TestReopenMovesMasterAndWorkersToANewLogFile has both write: the master by a
// reload that is refused, the worker by a handshake that fails.
func TestReopenMovesMasterAndWorkersToANewLogFile(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{Tables: "[log]\nfile = \"handover.log\"\nlevel = \"debug\""})
	file := filepath.Join(i.Dir, "handover.log")
	moved := file + ".1"
	holds := func(path, words string) {
		t.Helper()
		harness.Until(t, path, within, func() error {
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return harness.Unless(strings.Contains(string(b), words), "%q, want %q", b, words)
		})
	}
	babble(t, i)
	holds(file, "TLS handshake error")
	if err := os.Rename(file, moved); err != nil {
		t.Fatal(err)
	}
	if got := command(t, i, "reopen"); got.Exit != 0 || got.Stdout+got.Stderr != "" {
		t.Errorf("reopen: %v, want exit 0 and not a word", got)
	}
	holds(file, "log files reopened")
	s := i.Until(t, "worker", within, harness.Serving)
	for _, pid := range []int{s.Master.Pid, s.Workers[0].Pid} {
		for n, link := range harness.Descriptors(pid) {
			if link == moved {
				t.Errorf("descriptor %d of process %d leads to %q, want no process to have it", n, pid, link)
			}
		}
	}
	before, err := os.ReadFile(moved)
	if err != nil {
		t.Fatal(err)
	}
	babble(t, i)
	holds(file, "TLS handshake error")
	i.Certs.Install(mismatched(i))
	if got := command(t, i, "reload"); got.Exit != 65 {
		t.Errorf("reload: %v, want exit 65", got)
	}
	holds(file, "pair.mismatch")
	if after, err := os.ReadFile(moved); err != nil || string(after) != string(before) {
		t.Errorf("the file that was moved away: %q, %v; want it left at %q", after, err, before)
	}
}

// babble speaks something else than TLS.
func babble(t *testing.T, i *harness.Instance) {
	t.Helper()
	c, err := net.Dial("tcp", i.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write([]byte("this is no handshake\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Read(make([]byte, 1)) // until the worker has noticed
}

func TestASecondRunNamesTheInstanceThatHasTheConfigAndLeavesItAlone(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	got := command(t, i, "run")
	output := got.Stdout + got.Stderr
	if got.Exit != 78 || !strings.Contains(output, strconv.Itoa(i.Pid)) || !strings.Contains(output, "error: ") || !strings.Contains(output, "hint: ") {
		t.Errorf("second run: %v, want exit 78, the PID %d and a hint", got, i.Pid)
	}
	untouched(t, i, before)
	served(t, i, i.First)
	exactly(t, i)
}

func TestRunTakesAProgramAfterDashesInPlaceOfTheConfigs(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1, Command: []string{}})
	if err := os.Symlink(harness.Program(t, "echo"), filepath.Join(i.Dir, "program")); err != nil {
		t.Fatal(err)
	}
	// A flag of the program is none of run's.
	i.Config.Words = []string{"run", "-c", i.ConfigFile(), "--", "./program", "-behaviour", i.Dir}
	i.Launch()
	i.WaitServing()
	echoes := func() {
		t.Helper()
		c, err := i.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if a, err := c.Do("POST", "/", []byte("hello")); err != nil || string(a.Body) != "hello" {
			t.Errorf("answer %q, %v; want that of the program", a.Body, err)
		}
	}
	echoes()
	ok(t, command(t, i, "reload"))
	echoes()
}

func TestTheConfigIsFoundInEveryPlaceThatMayNameIt(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{})
	for name, got := range map[string]harness.Result{
		"after the command":      typed(t, "/", "status", "-c", i.ConfigFile()),
		"before the command":     typed(t, "/", "-c", i.ConfigFile(), "status"),
		"by its long name":       typed(t, "/", "status", "--config="+i.ConfigFile()),
		"as a relative path":     typed(t, filepath.Dir(i.Dir), "status", "-c", filepath.Base(i.Dir)+"/config.toml"),
		"in the environment":     typedWith(t, "/", []string{"HANDOVER_CONFIG=" + i.ConfigFile()}, "status"),
		"in the folder":          typed(t, i.Dir, "status"),
		"twice, the nearer wins": typed(t, "/", "-c", "/nonexistent", "status", "-c", i.ConfigFile()),
	} {
		if got.Exit != 0 || !strings.Contains(got.Stdout, i.ConfigFile()) {
			t.Errorf("%s: %v, want exit 0 and the instance of %s", name, got, i.ConfigFile())
		}
	}
}

// TestABrokenConfigDoesNotHideTheInstance needs the default control socket, the
// one place that is known without a config.
func TestABrokenConfigDoesNotHideTheInstance(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Workers: 1})
	i.Config.Env = []string{"XDG_RUNTIME_DIR=" + i.Dir}
	text, _, found := strings.Cut(i.ConfigText(), "[control]")
	if !found {
		t.Fatalf("config %q, want a table [control]", i.ConfigText())
	}
	i.WriteConfig(text)
	ask := func(words ...string) harness.Result {
		return typed(t, i.Dir, append([]string{words[0], "-c", i.ConfigFile()}, words[1:]...)...)
	}
	i.Launch()
	harness.Until(t, "serving", within, func() error {
		got := ask("status")
		return harness.Unless(got.Exit == 0 && strings.Contains(got.Stdout, "state       serving\n"), "%v\n%s", got, i.Output())
	})
	i.WriteConfig("worker = 2\nmax_draining = \"few\"\n" + text)
	if got := ask("status"); got.Exit != 0 || !strings.Contains(got.Stdout, "generation  1\n") {
		t.Errorf("status: %v, want exit 0 and generation 1", got)
	}
	got := ask("reload")
	if got.Exit != 78 || !strings.Contains(got.Stderr, `"worker"`) || !strings.Contains(got.Stderr, "max_draining") ||
		!strings.Contains(got.Stderr, "hint: ") {
		t.Errorf("reload: %v, want exit 78, both problems and a hint", got)
	}
	served(t, i, i.First)
	if err := os.Remove(i.ConfigFile()); err != nil {
		t.Fatal(err)
	}
	ok(t, ask("stop"))
	if code := i.WaitExit(within); code != 0 {
		t.Errorf("after stop: exit %d, want 0", code)
	}
}

// TestACommandOfAnotherUserIsRefusedWithAHint is the failure that has no exit
// code of its own.
func TestACommandOfAnotherUserIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	setpriv, err := exec.LookPath("setpriv")
	if err != nil || os.Getuid() != 0 {
		t.Skip("SKIPPED, NOT PASSED: to be somebody else takes root and setpriv")
	}
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	got := harness.Do(t, setpriv, "--reuid=65534", "--regid=65534", "--clear-groups",
		harness.Binary(t), "stop", "-c", i.ConfigFile())
	complaint(t, "stop", got, 1, "permission denied")
	untouched(t, i, before)
}

func TestReopenDuringAReloadReachesTheGenerationThatIsBorn(t *testing.T) {
	t.Parallel()
	i := one(t, harness.Config{HealthPath: "/health", Tables: "[log]\nfile = \"handover.log\""})
	file := filepath.Join(i.Dir, "handover.log")
	i.Behave("health", "block")
	asked := time.Now()
	if got := command(t, i, "reload", "--timeout", "1s"); got.Exit != 75 {
		t.Fatalf("reload: %v, want exit 75", got)
	}
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	ok(t, command(t, i, "reopen"))
	i.Behave("health", "")
	s := i.Until(t, "done", within, harness.Ended("done", asked))
	// The new master finds the request when it has taken over, and passes it on.
	harness.Until(t, "everybody writes to the new file", within, func() error {
		for _, pid := range []int{s.Master.Pid, s.Workers[0].Pid} {
			for n, link := range harness.Descriptors(pid) {
				if link == file+".1" {
					return fmt.Errorf("process %d writes to %q as descriptor %d, want %q", pid, link, n, file)
				}
			}
		}
		return nil
	})
}
