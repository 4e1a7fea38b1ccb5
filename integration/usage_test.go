package integration

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"example.com/handover/integration/harness"
)

// commandList is every word that may come first, in the order of --help.
var commandList = []string{"run", "check", "reload", "rotate", "status", "certs", "scale", "reopen", "stop", "unit", "man", "completion", "version", "help"}

// typed runs the program as somebody does who stands in a folder.
func typed(t *testing.T, folder string, words ...string) harness.Result {
	t.Helper()
	return typedWith(t, folder, nil, words...)
}

// typedWith is typed with variables of the environment.
func typedWith(t *testing.T, folder string, variables []string, words ...string) harness.Result {
	t.Helper()
	env := append([]string{"-u", "HANDOVER_CONFIG", "-C", folder, "XDG_RUNTIME_DIR=" + folder}, variables...)
	env = append(env, harness.Binary(t))
	return harness.Do(t, "/usr/bin/env", append(env, words...)...)
}

// command runs a command of an instance from a folder without a config.
func command(t *testing.T, i *harness.Instance, words ...string) harness.Result {
	t.Helper()
	return typed(t, "/", append([]string{words[0], "-c", i.ConfigFile()}, words[1:]...)...)
}

// complaint requires an exit code, nothing on standard output, and exactly one
// error and one hint on standard error.
func complaint(t *testing.T, what string, got harness.Result, exit int, says string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(got.Stderr, "\n"), "\n")
	shaped := len(lines) == 2 && strings.HasPrefix(lines[0], "error: ") && strings.HasPrefix(lines[1], "hint: ")
	if got.Exit != exit || got.Stdout != "" || !shaped || !strings.Contains(got.Stderr, says) {
		t.Errorf("%s: %v, want exit %d with one error and one hint that say %q", what, got, exit, says)
	}
}

func TestWrongUsageIsOneErrorWithAHintAndExits64(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{})
	for _, c := range []struct{ line, says string }{
		{"", "no command given"},
		{"statsu", `did you mean "status"?`},
		{"status --jsn", `did you mean "--json"?`},
		{"help bogus", `unknown command "bogus"`},
		{"status now", `unexpected argument "now"`},
		{"status -c", "flag needs an argument"},
		{"reload --timeout soon", `invalid value "soon"`},
		{"reload --timeout 0s", "--timeout 0s is no time to wait"},
		{"reload --allow name.lst", `did you mean "name.lost"?`},
		{"reload --allow pair.mismatch", `check "pair.mismatch" is fixed`},
		{"scale", "one number of workers"},
		{"scale many", `found "many"`},
		{"scale 1 2", `found "1 2"`},
		{"rotate now", `unexpected argument "now"`},
		{"rotate --new-ticket", `did you mean "--new-tickets"?`},
		{"rotate --timeout -1s", "--timeout -1s is no time to wait"},
		{"rotate --allow name.lst", `did you mean "name.lost"?`},
		{"certs rolback", `did you mean "rollback"?`},
		{"certs rollback a b", `unexpected argument "b"`},
		{"certs rollback a --alow name.lost", `did you mean "--allow"?`},
		{"certs rollback a --allow pair.mismatch", `check "pair.mismatch" is fixed`},
		{"certs rollback a --timeout", "flag needs an argument"},
		{"certs rollback --timeout soon a", `invalid value "soon"`},
		{"help certs rolback", `did you mean "rollback"?`},
		{"check --explain", "flag needs an argument"},
		{"check --explain=", `unknown check ""`},
		{"check --explain pair.mismach", `did you mean "pair.mismatch"?`},
		{"scale 0", "found 0"},
		{"scale 0 -c " + i.ConfigFile(), "found 0"},
		{"scale 1025 -c " + i.ConfigFile(), "from 1 to 1024"},
		{"stop --quik", `did you mean "--quick"?`},
		{"run " + i.ConfigFile(), `a configuration goes after -c`},
		{"run --config", "flag needs an argument: --config FILE"},
		{"start", `did you mean "run"?`},
		{"restart", `did you mean "reload"?`},
		{"rollback", `did you mean "certs rollback"?`},
		{"watch", `did you mean "status"?`},
		{"--version", `"handover version" prints it`},
		{"status -v", `unknown flag "-v"`},
		{"status -w", `did you mean "--watch"?`},
		{"status -f x", `did you mean "--config"?`},
		{"stop -f", `did you mean "--quick"?`},
		{"scale -1", `found "-1"`},
		{"scale +2", "the signals TTIN and TTOU"},
		{"reload --timeout 30", "with a unit, such as --timeout 60s"},
		{"reload --allow -c x.toml", "flag needs an argument: --allow CHECK"},
		{"reload --allow nonsense", `"handover check --explain all" lists them`},
		{"check --json=yes", "flag --json takes no value"},
		{"completion", "expected bash, zsh or fish"},
		{"completion bosh", `did you mean "bash"?`},
		{"completion bash zsh", `found "bash zsh"`},
		{"man page", `unexpected argument "page"`},
	} {
		complaint(t, "handover "+c.line, typed(t, i.Dir, strings.Fields(c.line)...), 64, c.says)
	}
}

func TestHelpNamesEveryCommandAndExitCode(t *testing.T) {
	t.Parallel()
	got := typed(t, "/", "--help")
	_, rest, _ := strings.Cut(got.Stdout, "COMMANDS:\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	var found []string
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 1 {
			found = append(found, fields[0])
		}
	}
	if got.Exit != 0 || !slices.Equal(found, commandList) {
		t.Errorf("--help: %v\nnames the commands %q, want exit 0 and %q", got, found, commandList)
	}
	said(t, "--help", got.Stdout, []string{
		" 0  done", " 1  failed", "64  usage", "65  refused by the checks", "69  not running",
		"70  the new generation failed", "75  no outcome within the time given", "78  configuration error",
	})
	if again := typed(t, "/", "help"); again.Stdout != got.Stdout || again.Exit != 0 {
		t.Errorf("help: %v, want the same as with --help", again)
	}
}

func TestEveryCommandExplainsItselfWithAnExample(t *testing.T) {
	t.Parallel()
	for _, name := range commandList {
		if name == "help" {
			continue
		}
		got := typed(t, "/", name, "--help")
		_, description, _ := strings.Cut(got.Stdout, "DESCRIPTION:\n")
		if got.Exit != 0 || !strings.Contains(description, "handover "+name) {
			t.Errorf("%s --help: %v, want an example", name, got)
		}
		if again := typed(t, "/", "help", name); again.Stdout != got.Stdout || again.Exit != 0 {
			t.Errorf("help %s: %v, want the same as with --help", name, again)
		}
	}
}

func TestTheHelpOfARollbackIsFoundInBothWays(t *testing.T) {
	t.Parallel()
	got := typed(t, "/", "certs", "rollback", "--help")
	said(t, "certs rollback --help", got.Stdout, []string{"handover certs rollback example.org", "--undo", "--allow", "[NAME]"})
	if again := typed(t, "/", "help", "certs", "rollback"); again.Stdout != got.Stdout || again.Exit != 0 || got.Exit != 0 {
		t.Errorf("help certs rollback: %v, want the same as with --help: %v", again, got)
	}
}

func TestCheckExplainsEveryCheckThatItLists(t *testing.T) {
	t.Parallel()
	list := typed(t, "/", "check", "--explain", "all", "--json")
	var rows []struct {
		Name     string `json:"name"`
		Severity string `json:"severity"`
		Reason   string `json:"reason"`
	}
	if err := json.Unmarshal([]byte(list.Stdout), &rows); err != nil || list.Exit != 0 || len(rows) < 20 {
		t.Fatalf("check --explain all --json: %v, %v; want every check", list, err)
	}
	table := typed(t, "/", "check", "--explain", "all")
	for _, row := range rows {
		if row.Name == "" || row.Severity == "" || row.Reason == "" || !strings.Contains(table.Stdout, "\n"+row.Name+" ") {
			t.Errorf("got %+v, want it whole and in the table\n%s", row, table.Stdout)
		}
	}
	for _, name := range []string{"pair.mismatch", "name.lost", "chain.incomplete"} {
		if got := typed(t, "/", "check", "--explain", name); got.Exit != 0 || got.Stderr != "" || len(got.Stdout) < 20 {
			t.Errorf("check --explain %s: %v, want an explanation", name, got)
		}
	}
}

func TestTheHelpOfRunHasTheTableOfSignals(t *testing.T) {
	t.Parallel()
	got := typed(t, "/", "run", "--help")
	for signal, does := range map[string]string{
		"HUP": "hand over to a fresh generation", "TERM": "graceful stop", "INT, QUIT": "quick stop",
		"TTIN": "one worker more", "TTOU": "one worker fewer", "USR1": "reopen log files",
		"USR2": "as HUP", "WINCH": "keep the sockets",
	} {
		found := false
		for line := range strings.Lines(got.Stdout) {
			found = found || strings.HasPrefix(strings.TrimSpace(line), signal+"  ") && strings.Contains(line, does)
		}
		if !found {
			t.Errorf("run --help: %v, want a line for %s that says %q", got, signal, does)
		}
	}
}

func TestVersionNamesEveryVersionThatMatters(t *testing.T) {
	t.Parallel()
	got := typed(t, "/", "version")
	lines := strings.Split(got.Stdout, "\n")
	if got.Exit != 0 || len(lines) != 4 || !strings.HasPrefix(lines[0], "handover ") ||
		!strings.HasPrefix(lines[1], "go1.") || lines[2] != "tableflip v1.2.3" {
		t.Errorf("version: %v, want those of handover, Go and tableflip", got)
	}
}

func TestCheckDescribesAGoodCertificate(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{})
	got := command(t, i, "check")
	if got.Exit != 0 || got.Stderr != "" {
		t.Errorf("check: %v, want exit 0 without complaints", got)
	}
	said(t, "check", got.Stdout, []string{`accepted: certificate "example.test" for example.test`, i.First.Fingerprint})
	got = typed(t, "/", "-c", i.ConfigFile(), "check", "--json")
	var v struct {
		harness.Verdict
		Certificates []struct {
			Fingerprint string `json:"fingerprint_sha256"`
		} `json:"certificates"`
	}
	if err := json.Unmarshal([]byte(got.Stdout), &v); err != nil || !v.Accepted || v.Checks == nil ||
		len(v.Certificates) != 1 || v.Certificates[0].Fingerprint != i.First.Fingerprint {
		t.Errorf("check --json: %v, %v; want one accepted certificate %s", got, err, i.First.Fingerprint)
	}
}

func TestCheckRefusesWithTheChecksNameAHintAndExit65(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{})
	i.Certs.Install(mismatched(i))
	complaint(t, "check", command(t, i, "check"), 65,
		`error: certificate "example.test": key does not match certificate (pair.mismatch)`)
	got := command(t, i, "check", "--json")
	var v harness.Verdict
	if err := json.Unmarshal([]byte(got.Stdout), &v); err != nil || v.Accepted || !harness.Refused(v.Checks, "pair.mismatch") ||
		got.Exit != 65 || got.Stderr != "" {
		t.Errorf("check --json: %v, %v; want exit 65 and the refusal as JSON alone", got, err)
	}
}

// mismatched is a good certificate beside another one's key.
func mismatched(i *harness.Instance) harness.Pair {
	p := i.Certs.Issue(harness.Leaf{})
	p.Key = i.Certs.Issue(harness.Leaf{}).Key
	return p
}

func TestABrokenConfigExits78WithEveryProblemAtOnce(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Keys: "worker = 2\nmax_draining = \"few\""})
	for _, name := range []string{"run", "check", "status", "reload", "rotate", "certs", "scale 2", "reopen", "stop"} {
		got := command(t, i, strings.Fields(name)...)
		output := got.Stdout + got.Stderr
		if got.Exit != 78 || strings.Count(output, "error: ") != 2 {
			t.Errorf("%s: %v, want exit 78 and two errors", name, got)
		}
		said(t, name, output, []string{i.ConfigFile(), "line ", `hint: did you mean "workers"?`, "max_draining"})
	}
}

func TestAnUnknownCheckInTheConfigIsAConfigErrorWithTheNearest(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{Tables: "[tls.checks]\n\"name.lst\" = \"warn\""})
	for _, name := range []string{"check", "run"} {
		got := command(t, i, name)
		if got.Exit != 78 {
			t.Errorf("%s: %v, want exit 78", name, got)
		}
		said(t, name, got.Stdout+got.Stderr, []string{`"name.lost"`, i.ConfigFile() + ": line ", "--explain all"})
	}
}

func TestWithoutAnInstanceEveryCommandExits69(t *testing.T) {
	t.Parallel()
	i := harness.Prepare(t, harness.Config{})
	for _, line := range []string{"status", "status --json", "reload", "rotate", "rotate --new-tickets --json", "certs", "certs --json", "scale 2", "reopen", "stop", "stop --quick"} {
		complaint(t, line, command(t, i, strings.Fields(line)...), 69, "not running")
	}
	for _, line := range []string{"certs rollback", "certs rollback example.org --undo --allow name.lost", "certs --json rollback -- -odd"} {
		words := slices.Concat([]string{"-c", i.ConfigFile()}, strings.Fields(line))
		complaint(t, line, typed(t, "/", words...), 69, "not running")
	}
	late := typed(t, "/", "certs", "rollback", "example.org", "--undo", "-c", i.ConfigFile())
	complaint(t, "certs rollback NAME -c", late, 69, i.ControlSocket())
	// A socket that a killed instance left behind is none either.
	abandonSocket(t, i.ControlSocket())
	complaint(t, "status with a stale socket", command(t, i, "status"), 69, "not running")
}
