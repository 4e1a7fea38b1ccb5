package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

const nobody = 65534

// asRoot skips what takes root: to become somebody else.
func asRoot(t *testing.T, commands ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("SKIPPED, NOT PASSED: to become somebody else takes root")
	}
	for _, c := range commands {
		if _, err := exec.LookPath(c); err != nil {
			t.Skipf("SKIPPED, NOT PASSED: %v", err)
		}
	}
}

// intruded is what a worker is by its own word.
type intruded struct {
	NoNewPrivs, CapEff, CapPrm, Uid, Gid, Groups, Umask, Name string
	Dumpable                                                  int
	Files                                                     string
	Environment, Held                                         []string
}

func ask(t *testing.T, i *harness.Instance, path string, answer any) {
	t.Helper()
	a, err := i.Get(path)
	if err != nil || a.Status != 200 {
		t.Fatalf("%s: status %d, %v", path, a.Status, err)
	}
	if err := json.Unmarshal(a.Body, answer); err != nil {
		t.Fatalf("%s: %v in %q", path, err, a.Body)
	}
}

// intrude has a worker try everything on processes and files.
func intrude(t *testing.T, i *harness.Instance, pids []int, files ...string) map[string]string {
	t.Helper()
	words := url.Values{"file": files}
	for _, pid := range pids {
		words.Add("pid", fmt.Sprint(pid))
	}
	ended := map[string]string{}
	ask(t, i, "/break?"+words.Encode(), &ended)
	return ended
}

func TestAWorkerIsWhatItsConfigSaysAndNoMore(t *testing.T) {
	t.Parallel()
	asRoot(t)
	i := harness.Start(t, harness.Config{
		Workers: 1,
		Command: []string{harness.Program(t, "intruder")},
		Keys:    "user = \"nobody\"\ngroup = \"nogroup\"\numask = \"0027\"",
		Tables:  "[limits]\nfiles = 777",
		Env:     []string{"SECRET=of the supervisor", "PASSED=on"},
		AppEnv:  []string{"PASSED", "ABSENT", "SET=here", "GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0"},
	})
	var is intruded
	ask(t, i, "/self", &is)
	slices.Sort(is.Environment)
	want := intruded{
		NoNewPrivs: "1", CapEff: "0000000000000000", CapPrm: "0000000000000000", Umask: "0027", Name: "intruder",
		Uid: "65534 65534 65534 65534", Gid: "65534 65534 65534 65534", Groups: "65534",
		Files: "777 of 777", Environment: []string{"GOMAXPROCS=1", "GORACE=atexit_sleep_ms=0", "PASSED=on", "SET=here"},
	}
	is.Environment = slices.DeleteFunc(is.Environment, func(v string) bool { return strings.HasPrefix(v, "GOMEMLIMIT=") }) // on a machine that limits us
	held := is.Held
	is.Held = nil
	if got, want := fmt.Sprintf("%+v", is), fmt.Sprintf("%+v", want); got != want {
		t.Errorf("worker:\ngot  %s\nwant %s", got, want)
	}
	for _, link := range held {
		if strings.HasPrefix(link, "/memfd:") && !strings.Contains(link, "counters") && !strings.Contains(link, "meters") {
			t.Errorf("worker holds %q, want no memory but the counters and meters", link)
		}
	}
}

func TestAWorkerAsNobodyGetsIntoNoOtherProcessAndNotAtTheKey(t *testing.T) {
	t.Parallel()
	asRoot(t, "setpriv")
	i := harness.Start(t, harness.Config{
		Workers: 3,
		Command: []string{harness.Program(t, "intruder")},
		Keys:    "user = \"nobody\"\ngroup = \"nogroup\"",
	})
	s := i.Until(t, "settled", within, harness.Settled)
	pids := []int{s.Pid, s.Master.Pid}
	for _, w := range s.Workers {
		pids = append(pids, w.Pid)
	}
	victim := easyVictim(t)
	ended := intrude(t, i, append(pids, victim), i.Certs.KeyFile(), i.ControlSocket())
	// Of a process of the same user that nothing protects, it gets what it wants:
	// so these attempts do what they say.
	for _, what := range []string{"environ", "maps", "descriptors"} {
		if got := ended[fmt.Sprint(what, " ", victim)]; got != "" {
			t.Errorf("%s of an unprotected process: %q, want a success", what, got)
		}
	}
	tried := 0
	for what, got := range ended {
		if strings.HasSuffix(what, fmt.Sprint(" ", victim)) {
			continue
		}
		tried++
		refused := strings.Contains(got, "permission denied") || strings.Contains(got, "operation not permitted")
		if what == "read "+i.ControlSocket() {
			refused = got != "" // no socket can be opened
		}
		if !refused {
			t.Errorf("%s: %q, want it refused", what, got)
		}
	}
	if want := 7*(len(pids)-1) + 2; tried != want { // a worker leaves itself alone
		t.Errorf("%d attempts, want %d", tried, want)
	}
	i.Until(t, "still settled", within, harness.Settled)
}

// easyVictim starts a process of nobody's that nothing protects.
func easyVictim(t *testing.T) int {
	t.Helper()
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	harness.Until(t, "setpriv has become nobody's sleep", within, func() error {
		p, _ := harness.Find(cmd.Process.Pid)
		return harness.Unless(p.Name == "sleep", "%+v", p)
	})
	return cmd.Process.Pid
}

func TestAWorkerHasTheGroupsOfItsUserAndNoneOfTheMasters(t *testing.T) {
	t.Parallel()
	asRoot(t, "unshare", "setpriv")
	for _, c := range []struct{ name, keys, uid, gid, groups string }{
		{"UserAlone", `user = "many"`, "4000", "4001", "4001 4100 4101 4102 4103 4104"},
		{"GroupOfItsOwn", "user = \"many\"\ngroup = \"other\"", "4000", "4002", "4002 4100 4101 4102 4103 4104"},
		{"GroupAlone", `group = "other"`, "0", "4002", ""},
		{"Neither", "", "0", "0", "4102 4999"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := harness.Folder(t)
			accounts := map[string]string{
				"passwd": "root:x:0:0::/:/bin/sh\nmany:x:4000:4001::/:/bin/sh\n",
				"group":  "root:x:0:\nmany:x:4001:\nother:x:4002:\n",
			}
			for n := range 5 {
				accounts["group"] += fmt.Sprintf("g%d:x:%d:root,many\n", n, 4100+n)
			}
			for name, text := range accounts {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			i := harness.Start(t, harness.Config{
				Workers: 1, Command: []string{harness.Program(t, "intruder")}, Keys: c.keys,
				Wrap: []string{
					"unshare", "-m", "sh", "-c", `mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"`, dir,
					"setpriv", "--groups=4102,4999",
				},
			})
			var is intruded
			ask(t, i, "/self", &is)
			four := func(id string) string { return strings.TrimSpace(strings.Repeat(id+" ", 4)) }
			if is.Uid != four(c.uid) || is.Gid != four(c.gid) || is.Groups != c.groups {
				t.Errorf("got uid %q, gid %q, groups %q; want %s, %s, %q", is.Uid, is.Gid, is.Groups, c.uid, c.gid, c.groups)
			}
			if is.NoNewPrivs != "1" || is.Dumpable != 0 {
				t.Errorf("no_new_privs %q, dumpable %d; want 1 and 0 whoever it is", is.NoNewPrivs, is.Dumpable)
			}
		})
	}
}

func TestTheControlSocketRefusesAnotherUserThatGotPastItsMode(t *testing.T) {
	t.Parallel()
	asRoot(t, "setpriv")
	i := one(t, harness.Config{})
	before := i.Until(t, "settled", within, harness.Settled)
	info, err := os.Stat(i.ControlSocket())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("control socket: %v, %v; want mode 0600", info, err)
	}
	if err := os.Chmod(i.ControlSocket(), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"stop"}, {"status"}, {"scale", "9"}} {
		argv := []string{"--reuid=65534", "--regid=65534", "--clear-groups", harness.Binary(t), words[0], "-c", i.ConfigFile()}
		got := harness.Do(t, "setpriv", append(argv, words[1:]...)...)
		complaint(t, words[0], got, 1, "another user's instance")
		if want := "run the command as root or as the user of the instance"; !strings.Contains(got.Stderr, want) {
			t.Errorf("%s: %v, want the hint %q", words[0], got, want)
		}
	}
	untouched(t, i, before)
	if n := strings.Count(i.Output(), "command of another user refused"); n != 1 {
		t.Errorf("said %d times in the log, want once:\n%s", n, i.Output())
	}
	ok(t, command(t, i, "status"))
}

func TestAWorkerThatCannotBeDumpedStillDumpsItsGoroutines(t *testing.T) {
	t.Parallel()
	config := harness.Config{Workers: 1}
	if os.Getuid() == 0 {
		config.Keys = "user = \"nobody\"\ngroup = \"nogroup\""
	}
	i := harness.Start(t, config)
	worker := i.Until(t, "settled", within, harness.Settled).Workers[0].Pid
	if err := syscall.Kill(worker, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	harness.Until(t, "its goroutines in the log", within, func() error {
		return harness.Unless(strings.Contains(i.Output(), "net/http.(*Server).Serve("), "%s", i.Output())
	})
}

func TestAServiceThatIsNotRootMayNameItselfAndNobodyElse(t *testing.T) {
	t.Parallel()
	asRoot(t, "setpriv")
	itself := "user = \"nobody\"\ngroup = \"nogroup\""
	i := harness.Prepare(t, harness.Config{
		Workers: 1, Command: []string{harness.Program(t, "intruder")}, Keys: itself,
		Wrap: []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"},
	})
	err := filepath.WalkDir(i.Dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
	if err != nil {
		t.Fatal(err)
	}
	i.Launch()
	i.WaitServing()
	var is intruded
	ask(t, i, "/self", &is)
	if is.NoNewPrivs != "1" || is.Dumpable != 0 || !strings.HasPrefix(is.Uid, "65534 ") {
		t.Errorf("worker: %+v, want it confined like any other", is)
	}
	i.Configure(harness.Config{Workers: 1, Command: i.Config.Command, Keys: `user = "daemon"`, Wrap: i.Config.Wrap})
	hup(t, i, "failed")
	if want := "only root may"; !strings.Contains(i.Output(), want) {
		t.Errorf("the log says nothing of %q:\n%s", want, i.Output())
	}
}

func TestAWorkerAsNobodyCanOpenItsOutputByName(t *testing.T) {
	t.Parallel()
	asRoot(t)
	i := speaking(t, harness.Config{Workers: 1, Keys: "user = \"nobody\"\ngroup = \"nogroup\""}, "")
	for _, device := range []string{"/dev/stdout", "/dev/stderr"} {
		if a, err := i.Get("/say?text=through+" + device + "&to=" + device); err != nil || a.Status != 200 {
			t.Errorf("%s: %d %q, %v; want it opened", device, a.Status, a.Body, err)
		}
		saysOnce(t, i, "handover.log", "worker 1.1: through "+device)
	}
}
