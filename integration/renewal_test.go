package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"example.com/handover/integration/harness"
)

// hookCommands are the commands that a renewal hook may call.
var hookCommands = []string{"reload", "rotate"}

// tool is a renewal tool, called as the README says.
type tool struct {
	name        string
	environment string // the variable that names what it trusts
	certfile    string // below its folder
	keyfile     string
	issue       func(r *renewal) []string
	renew       func(r *renewal, hook string) []string
}

var certbot = tool{
	name: "certbot", environment: "REQUESTS_CA_BUNDLE",
	certfile: "live/" + harness.Name + "/fullchain.pem", keyfile: "live/" + harness.Name + "/privkey.pem",
	issue: func(r *renewal) []string {
		return append(r.folders(), "certonly", "--standalone", "-d", harness.Name, "-m", "me@"+harness.Name, "--agree-tos", "-n",
			"--server", r.authority.Directory, "--http-01-address", r.host, "--http-01-port", r.port)
	},
	renew: func(r *renewal, hook string) []string {
		// Forced, since it is new, and at once: certbot waits up to eight minutes.
		return append(r.folders(), "renew", "--deploy-hook", hook, "--force-renewal", "--no-random-sleep-on-renew")
	},
}

var lego = tool{
	name: "lego", environment: "LEGO_CA_CERTIFICATES",
	certfile: "certificates/" + harness.Name + ".crt", keyfile: "certificates/" + harness.Name + ".key",
	issue: func(r *renewal) []string { return append(r.account(), "run") },
	renew: func(r *renewal, hook string) []string {
		return append(r.account(), "renew", "--days", "9999", "--no-random-sleep", "--renew-hook", hook)
	},
}

// renewal is a tool at work for one instance.
type renewal struct {
	tool
	t          *testing.T
	i          *harness.Instance
	authority  *harness.ACME
	folder     string
	host, port string // where it would answer challenges
}

// folders keeps certbot out of /etc, /var/lib and /var/log.
func (r *renewal) folders() []string {
	return []string{"--config-dir", r.folder, "--work-dir", r.folder + "/work", "--logs-dir", r.folder + "/log"}
}

// account is what lego is told each time.
func (r *renewal) account() []string {
	return []string{
		"-a", "-m", "me@" + harness.Name, "-d", harness.Name, "--http", "--path", r.folder,
		"--server", r.authority.Directory, "--http.port", r.host + ":" + r.port,
	}
}

// install has a tool obtain its first certificate and starts an instance that
// serves it, configured as the README says.
func install(t *testing.T, with tool) *renewal {
	t.Helper()
	if _, err := exec.LookPath(with.name); err != nil {
		t.Fatalf("%v: make test-deps installs it", err)
	}
	i := harness.Prepare(t, harness.Config{})
	r := &renewal{tool: with, t: t, i: i, authority: harness.StartACME(t), folder: filepath.Join(i.Dir, with.name)}
	r.host, r.port, _ = strings.Cut(harness.FreeAddress(t), ":")
	if got := r.run(r.issue(r)); got.Exit != 0 {
		t.Fatalf("issue: %v", got)
	}
	i.Certs.CA = r.authority.Root
	i.WriteConfig(recipe(t, i, r))
	i.Launch()
	i.WaitServing()
	r.requireServed("after the start")
	return r
}

// run runs the tool, whose hook finds the program under test in its path.
func (r *renewal) run(words []string) harness.Result {
	r.t.Helper()
	path := filepath.Dir(harness.Binary(r.t)) + ":" + os.Getenv("PATH")
	argv := []string{"PATH=" + path, r.environment + "=" + r.authority.TrustFile, r.name}
	return harness.Do(r.t, "env", append(argv, words...)...)
}

// hook is the README's hook for a command, for this instance.
func (r *renewal) hook(command string) string {
	return "handover " + command + " -c " + r.i.ConfigFile()
}

// onDisk is the fingerprint of the leaf that the tool has written.
func (r *renewal) onDisk() string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.folder, r.certfile))
	if err != nil {
		r.t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		r.t.Fatalf("%s wrote %.80q, want a certificate", r.name, text)
	}
	sum := sha256.Sum256(block.Bytes)
	return hex.EncodeToString(sum[:])
}

// requireServed requires that a new client gets what the tool wrote, chain and all.
func (r *renewal) requireServed(when string) string {
	r.t.Helper()
	want := r.onDisk()
	chain, err := r.i.Chain()
	if err != nil {
		r.t.Fatalf("%s: %v", when, err)
	}
	if got := harness.Fingerprint(chain[0].Raw); got != want || len(chain) < 2 {
		r.t.Errorf("%s: served %s… and %d certificates, want %s… and its issuer", when, got[:12], len(chain), want[:12])
	}
	return want
}

// recipe is the README's configuration, moved to the test's folders, address
// and program.
func recipe(t *testing.T, i *harness.Instance, r *renewal) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, recipes, _ := strings.Cut(string(readme), "\n# Recipes\n")
	_, block, _ := strings.Cut(recipes, "```toml\n")
	text, _, _ := strings.Cut(block, "```")
	for _, change := range []struct{ expression, replacement string }{
		{`/etc/letsencrypt/live/example\.org/fullchain\.pem`, filepath.Join(r.folder, r.certfile)},
		{`/etc/letsencrypt/live/example\.org/privkey\.pem`, filepath.Join(r.folder, r.keyfile)},
		{`example\.org`, harness.Name},
		{`":443"`, `"` + i.Addr + `"`},
		{`files = .*`, `command = ["` + strings.Join(i.Config.Command, `", "`) + `"]`},
	} {
		replaced := regexp.MustCompile(change.expression).ReplaceAllLiteralString(text, change.replacement)
		if replaced == text {
			t.Fatalf("the README's configuration has no %s:\n%s", change.expression, text)
		}
		text = replaced
	}
	if _, err := user.Lookup("www-data"); err != nil || os.Getuid() != 0 {
		text = regexp.MustCompile(`(?m)^user = .*\n`).ReplaceAllString(text, "")
	}
	return text + "\n[control]\nsocket = \"" + i.ControlSocket() + "\"\n"
}

func TestCertbotRenewsUnderLoadAndNothingIsLost(t *testing.T) {
	t.Parallel()
	renewsUnderLoad(t, certbot)
}

func TestLegoRenewsUnderLoadAndNothingIsLost(t *testing.T) {
	t.Parallel()
	renewsUnderLoad(t, lego)
}

// renewsUnderLoad renews twice with each hook.
func renewsUnderLoad(t *testing.T, with tool) {
	t.Helper()
	r := install(t, with)
	load := r.i.Load(t, harness.Load{New: 4, Kept: 4, Rest: 5 * time.Millisecond, Think: 5 * time.Millisecond})
	accepted := map[string]bool{r.onDisk(): true}
	for _, command := range hookCommands {
		for n := range 2 {
			before := r.onDisk()
			if got := r.run(r.renew(r, r.hook(command))); got.Exit != 0 || strings.Contains(got.String(), "error code") {
				t.Fatalf("renewal %d with %q: %v, want exit 0", n, command, got)
			}
			// The tool waited for its hook, and the hook for the outcome.
			after := r.requireServed("after the renewal")
			if after == before {
				t.Errorf("renewal %d with %q: the tool wrote nothing new", n, command)
			}
			accepted[after] = true
			load.More(t, 100)
		}
	}
	report := load.Stop()
	report.NothingLost(t)
	report.Only(t, accepted)
}

// TestCertbotShowsWhyItsHookWasRefused plants another certificate's key just
// before the hook reloads.
func TestCertbotShowsWhyItsHookWasRefused(t *testing.T) {
	t.Parallel()
	r := install(t, certbot)
	load := r.i.Load(t, harness.Load{New: 2, Kept: 2, Rest: 5 * time.Millisecond, Think: 5 * time.Millisecond})
	good := r.onDisk()
	planted := filepath.Join(r.i.Dir, "planted.pem")
	if err := os.WriteFile(planted, r.i.First.Key, 0o600); err != nil {
		t.Fatal(err)
	}
	hook := "cp " + planted + " " + filepath.Join(r.folder, r.keyfile) + " && " + r.hook("reload")
	got := r.run(r.renew(r, hook))
	// It does not fail itself: its users must look at what it prints.
	if text := got.String(); got.Exit != 0 || !strings.Contains(text, "Hook 'deploy-hook' reported error code 65") ||
		!strings.Contains(text, "(pair.mismatch)") || !strings.Contains(text, "hint: ") {
		t.Errorf("renewal: %v; want exit 0, the hook's code 65, pair.mismatch and a hint", got)
	}
	if served, err := r.i.Served(); err != nil || served != good {
		t.Errorf("after the refusal: served %.12s…, %v; want %.12s… still", served, err, good)
	}
	if s := r.i.Until(t, "refused", within, harness.Serving); s.LastReload == nil || !harness.Refused(s.LastReload.Checks, "pair.mismatch") {
		t.Errorf("last reload: %+v, want pair.mismatch to refuse", s.LastReload)
	}
	// The next renewal brings a key of its own.
	if got := r.run(r.renew(r, r.hook("reload"))); got.Exit != 0 || strings.Contains(got.String(), "error code") {
		t.Errorf("next renewal: %v, want exit 0", got)
	}
	r.requireServed("after the next renewal")
	load.Stop().NothingLost(t)
}
