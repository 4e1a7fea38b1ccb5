package managers

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// packaged builds the package of a version by the Makefile, as a packager does.
func packaged(t *testing.T, version string) string {
	t.Helper()
	root, err := harness.Module()
	if err != nil {
		t.Fatal(err)
	}
	out := harness.Folder(t)
	// The packager is compiled once a machine, with all that it can pack.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "make", "-C", root, "deb", "VERSION="+version, "OUT="+out)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make deb: %v\n%s", err, text)
	}
	found, _ := filepath.Glob(out + "/handover_" + version + "_*.deb")
	if len(found) != 1 {
		t.Fatalf("make deb: packages %q, want one of version %s", found, version)
	}
	return found[0]
}

// debConfig is what an administrator makes of the packaged config.
const debConfig = `
user = "www-data"
state_dir = "/var/lib/handover"
graceful_timeout = "10s"
[[listen]]
address = "{address}"
[[certificate]]
{pair}
[app]
{app}
[log]
access = "/var/log/handover/access.log"
`

func TestThePackageInstallsUpgradesUnderLoadAndLeavesNothing(t *testing.T) {
	t.Parallel()
	m := Boot(t, Trixie)
	first, second := packaged(t, "1.0.0"), packaged(t, "1.0.1")
	s := lay(t, m, false)
	s.program, s.keys = "/usr/bin/handover", "/srv/tls"
	m.Must("rm", "-r", "/etc/handover", "/usr/local/bin/handover")
	s.first = s.renew()
	before := s.tree()

	s.installs(first)
	s.low()
	s.configure(debConfig)
	s.ordered("reload", s.unit)
	s.meets(s.first)
	s.upgrades(second, "1.0.1")
	s.refusesAnUpgrade(first)
	s.obeysThePolicy(second)
	s.returns(second)
	s.leaves(before)
}

// installs expects the packaged service to run as it stands.
func (s *site) installs(deb string) {
	t := s.t
	t.Helper()
	harness.Until(t, "the port of the packaged config is free", time.Minute, func() error {
		l, err := net.Listen("tcp", "127.0.0.1:8443")
		if err == nil {
			err = l.Close()
		}
		return err
	})
	s.m.Must("dpkg", "-i", deb)
	if got := s.property("ActiveState") + " " + s.property("UnitFileState"); got != "active enabled" {
		t.Fatalf("after the installation the unit is %q, want active enabled\n%s", got, s.journal())
	}
	c, err := harness.Dial("tcp", "127.0.0.1:8443", s.Certs.Blind())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Do("GET", "/", nil); err != nil || got.Status != 200 {
		t.Errorf("the packaged service answers %d, %v, want 200", got.Status, err)
	}
	if got := s.m.Run("systemd-analyze", "--no-pager", "security", "--threshold=20", s.unit); got.Exit != 0 {
		t.Errorf("systemd-analyze security: %v, want at most 2.0", got)
	}
	for _, file := range []string{
		"/usr/share/man/man1/handover.1.gz", "/usr/share/bash-completion/completions/handover", "/usr/share/zsh/vendor-completions/_handover",
		"/usr/share/fish/vendor_completions.d/handover.fish", "/usr/share/handover/alerts.yaml", "/usr/share/handover/dashboard.json",
		"/usr/share/doc/handover/copyright",
	} {
		s.m.Must("test", "-s", file)
	}
}

// upgrades expects the next release to take over without a loss.
func (s *site) upgrades(deb, version string) {
	t := s.t
	t.Helper()
	pid, config := s.property("MainPID"), s.m.Must("cat", s.config())
	load := s.Load(t, harness.Load{New: 2, Kept: 2})
	s.m.Must("dpkg", "-i", deb)
	load.More(t, 20)
	unharmed(t, load)
	if got := s.property("MainPID"); got != pid {
		t.Errorf("MainPID %s after the upgrade, want %s as before", got, pid)
	}
	if got := s.status().Master.Version; got != version {
		t.Errorf("the master is of version %q, want %q", got, version)
	}
	if got := s.m.Must(s.program, "version"); !strings.HasPrefix(got, "handover "+version+"\n") {
		t.Errorf("version: %q, want %q", got, version)
	}
	if got := s.m.Must("cat", s.config()); got != config {
		t.Errorf("the config is now\n%s\nwant what the administrator wrote", got)
	}
}

// refusesAnUpgrade breaks a certificate: then the release before serves on, and the
// administrator is told.
func (s *site) refusesAnUpgrade(deb string) {
	t := s.t
	t.Helper()
	version := s.status().Master.Version
	s.fill(harness.Pair{Cert: s.first.Cert, Key: s.Certs.Issue(harness.Leaf{}).Key})
	load := s.Load(t, harness.Load{New: 1, Kept: 1})
	got := s.m.Run("dpkg", "-i", deb)
	if said := got.Stdout + got.Stderr; got.Exit != 0 || !strings.Contains(said, "the new release was refused") {
		t.Errorf("dpkg -i beside a broken key: %v, want exit 0, and the administrator told", got)
	}
	s.meets(s.first)
	load.More(t, 10)
	unharmed(t, load)
	if got := s.status().Master.Version; got != version || s.property("ActiveState") != "active" {
		t.Errorf("version %q serves, the unit is %q, want %q and active", got, s.property("ActiveState"), version)
	}
	pair := s.renew()
	s.ordered("reload", s.unit)
	s.meets(pair)
	if got := s.status().Master.Version; got != "1.0.0" {
		t.Errorf("version %q after the files were mended, want 1.0.0", got)
	}
}

// obeysThePolicy upgrades where the administrator lets no package touch services.
func (s *site) obeysThePolicy(deb string) {
	t := s.t
	t.Helper()
	policy, before := s.m.Root()+"/usr/sbin/policy-rc.d", s.status().Master
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.m.Must("dpkg", "-i", deb)
	if got := s.status().Master; got != before {
		t.Errorf("the master is %+v, want %+v: policy-rc.d forbids a reload", got, before)
	}
	if err := os.Remove(policy); err != nil {
		t.Fatal(err)
	}
}

// returns removes the package, which keeps the config, and installs it again.
func (s *site) returns(deb string) {
	s.t.Helper()
	s.m.Must("dpkg", "-r", "handover")
	if got := s.m.Run("systemctl", "is-active", s.unit); got.Exit == 0 {
		s.t.Error("the service runs after its removal")
	}
	s.m.Must("dpkg", "-i", deb)
	if got := s.status().Config; got != s.config() {
		s.t.Errorf("installed again it runs with %q, want %q", got, s.config())
	}
}

// leaves purges the package.
func (s *site) leaves(before []string) {
	t := s.t
	t.Helper()
	const other = "/run/handover/other.sock" // of an instance that is not the package's
	s.m.Must("mkdir", "-p", "/run/handover")
	s.m.Must("touch", other)
	s.m.Must("dpkg", "-P", "handover")
	if left := s.m.Processes(s.unit); len(left) > 0 {
		t.Errorf("run after the purge: %v", left)
	}
	if got := strings.TrimSpace(s.m.Must("find", "/run/handover", "-mindepth", "1")); got != other {
		t.Errorf("in /run/handover after the purge: %q, want %q alone", got, other)
	}
	s.m.Must("rm", "-r", "/run/handover")
	after := s.tree()
	for _, line := range after {
		if !slices.Contains(before, line) {
			t.Errorf("left after the purge: %s", line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("gone after the purge: %s", line)
		}
	}
}

// tree lists what lies in the machine, but for what dpkg notes for itself.
func (s *site) tree() []string {
	s.t.Helper()
	text := s.m.Must("find", "/", "-xdev", "(", "-path", "/var/lib/dpkg", "-o", "-path", "/var/log/dpkg.log", ")", "-prune",
		"-o", "-type", "d", "-printf", "%p %M %u:%g\n", "-o", "-printf", "%p %M %u:%g %s %l\n")
	return strings.Split(text, "\n")
}

func TestVersionsOfPackagesGoUpAsCommitsDo(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("dpkg"); err != nil && os.Getuid() != 0 {
		t.Skipf("compares versions: %v", err)
	}
	root, err := harness.Module()
	if err != nil {
		t.Fatal(err)
	}
	version := func(described string) harness.Result {
		return harness.Do(t, filepath.Join(root, ".package/version"), described)
	}
	var last string
	for _, described := range []string{
		"v0.9.0-rc1", "v0.9.0-rc1-2-gabcdef0", "v0.9.0-rc2", "v0.9.0", "v0.9.0-dirty", "v0.9.0-9-gfedcba9", "v0.9.0-10-gabcdef0", "v0.10.0", "1.0.0",
	} {
		got := version(described)
		now := strings.TrimSpace(got.Stdout)
		if got.Exit != 0 || now == "" {
			t.Fatalf("version %q: %v", described, got)
		}
		if last != "" && harness.Do(t, "dpkg", "--compare-versions", last, "lt", now).Exit != 0 {
			t.Errorf("version %q of %q is not above %q", now, described, last)
		}
		last = now
	}
	if got := version("hello"); got.Exit != 64 || got.Stdout != "" {
		t.Errorf("version %q: %v, want exit 64", "hello", got)
	}
}
