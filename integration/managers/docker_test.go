package managers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/handover/integration/harness"
)

// profiles holds what Docker forbids by default, under the Apache License 2.0.
const profiles = "github.com/moby/profiles/seccomp@v0.3.0"

// engines are ways to run one image: the user of "docker run -u", and options as
// the program container has them.
var engines = map[string]struct {
	user    string
	options []string
}{
	"as the Dockerfile says":       {"", []string{"-read-only", "-tmpfs", "/run", "-cap-drop-all", "-no-new-privileges"}},
	"with a root that is writable": {"", []string{"-tmpfs", "/run"}},
	"as another user":              {"1000", []string{"-read-only", "-tmpfs", "/run"}},
	"as root":                      {"0", []string{"-tmpfs", "/run"}},
	"as root without a capability": {"0", []string{"-read-only", "-tmpfs", "/run", "-cap-drop-all"}},
}

// recipes returns a file of the recipes that the README names.
func recipes(t *testing.T, words ...string) string {
	t.Helper()
	root, err := harness.Module()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(append([]string{root, "integration"}, words...)...)
}

// rewritten returns a text in which each of the pairs' first words stood, and
// now stands the second.
func rewritten(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	for n := 0; n < len(pairs); n += 2 {
		if !strings.Contains(text, pairs[n]) {
			t.Fatalf("%q is not in the text:\n%s", pairs[n], text)
		}
		text = strings.ReplaceAll(text, pairs[n], pairs[n+1])
	}
	return text
}

// read returns a file's text.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheDockerfileMakesAContainerThatReloadsAndStopsLosingNothing(t *testing.T) {
	t.Parallel()
	for name, engine := range engines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provided(t, "unshare", "nsenter")
			i := &contained{Instance: harness.Prepare(t, harness.Config{})}
			config := filepath.Join(i.Dir, "image.toml")
			layOut(t, config, 0o644, rewritten(t, read(t, recipes(t, "docker", "config.toml")), `":8443"`, fmt.Sprintf("%q", i.Addr)))
			m := build(t, recipes(t, "docker", "Dockerfile"), map[string]string{
				"handover": harness.Static(t, "handover"), "myapp": harness.Static(t, "echo"), "config.toml": config,
			})
			if engine.user != "" {
				m.user, m.group = engine.user, engine.user
			}
			i.install(t, m)
			m.start(t, i, append([]string{
				"-seccomp", filepath.Join(module(t, profiles), "default.json"),
				"-bind", filepath.Join(i.Dir, "letsencrypt") + ":/etc/letsencrypt",
			}, engine.options...)...)
			i.reach(t, "/run/handover.sock")
			i.WaitServing()
			i.confined(t, slices.Contains(engine.options, "-cap-drop-all"), slices.Contains(engine.options, "-no-new-privileges"))
			i.exercise(t, m)
		})
	}
}

// confined requires that the container's PID 1 is held as it was told.
func (i *contained) confined(t *testing.T, dropped, noNewPrivs bool) {
	t.Helper()
	status := read(t, fmt.Sprintf("/proc/%d/status", i.ward.First))
	for line, want := range map[string]bool{
		"Seccomp:\t2\n": true, "CapBnd:\t0000000000000000\n": dropped, "NoNewPrivs:\t1\n": noNewPrivs,
	} {
		if got := strings.Contains(status, line); got != want {
			t.Errorf("%q in the status of PID 1: %v, want %v:\n%s", line, got, want, status)
		}
	}
}

// install lays out a fresh pair for the image's group as the mounted folder has
// it, by one switched link.
func (i *contained) install(t *testing.T, m *image) harness.Pair {
	t.Helper()
	pair := i.Certs.Issue(harness.Leaf{Names: []string{"example.org", harness.Name}})
	live := filepath.Join(i.Dir, "letsencrypt", "live")
	if err := os.MkdirAll(live, 0o755); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(live, pair.Fingerprint)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	i.Certs.Fill(dir, pair)
	group, err := strconv.Atoi(m.group)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"fullchain.pem": 0o644, "privkey.pem": 0o440} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Chown(path, 0, group), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	next := filepath.Join(live, "next")
	if err := errors.Join(os.Symlink(pair.Fingerprint, next), os.Rename(next, filepath.Join(live, "example.org"))); err != nil {
		t.Fatal(err)
	}
	return pair
}

// exercise reloads from outside and inside, loses a worker and the master, and
// stops, under load.
func (i *contained) exercise(t *testing.T, m *image) {
	t.Helper()
	if got := i.execute(t, m, m.health...); got.Exit != 0 {
		t.Errorf("health check: %v, want exit 0", got)
	}
	load := i.Load(t, fewClients)
	for range 2 {
		pair := i.install(t, m)
		i.ward.Kill(1, syscall.SIGHUP)
		i.WaitServed(pair, moment)
	}
	for range 2 {
		pair := i.install(t, m)
		if got := i.execute(t, m, "/handover", "reload"); got.Exit != 0 {
			t.Fatalf("reload: %v, want exit 0", got)
		}
		served, err := i.Served()
		if err != nil || served != pair.Fingerprint {
			t.Errorf("served %s, %v; want %s", served, err, pair.Fingerprint)
		}
	}
	before := i.Until(t, "settled", moment, harness.Settled).Master.Pid
	i.ward.Kill(before, syscall.SIGKILL)
	i.Until(t, "another master", moment, func(s harness.Status) error {
		return harness.Unless(s.Master.Pid != before && harness.Settled(s) == nil, "%d, %s", s.Master.Pid, s.State)
	})
	if s, err := i.Status(); err != nil || s.Pid != 1 {
		t.Errorf("pid %d, %v; want 1", s.Pid, err)
	}
	i.ward.Exactly(i.Instance)
	load.Stop().NothingLost(t)

	slow := answering(t, i.Instance, "1s")
	if code := i.end(t, syscall.SIGTERM, moment); code != 0 {
		t.Errorf("exit %d after TERM, want 0", code)
	}
	completes(t, slow)
	i.unreach(t)
	i.ward.Empty(i.Instance)
}
