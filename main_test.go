package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
	"go.uber.org/goleak"
)

// asCommand makes the test binary the program itself.
const asCommand = "HANDOVER_TEST_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

type result struct {
	code           int
	stdout, stderr string
}

// handover runs the program in an empty folder.
func handover(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Dir, c.Stdout, c.Stderr = t.TempDir(), &stdout, &stderr
	// The race detector sleeps for a second before a program ends, unless told not to.
	c.Env = []string{asCommand + "=1", "PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + c.Dir, "GORACE=atexit_sleep_ms=0"}
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// instance answers on the control socket of the config it returns.
type instance struct {
	status  status.Status
	outcome *status.Reload // nil: none in time
}

func (i instance) Status(context.Context) (*status.Status, error) { return &i.status, nil }

func (i instance) Reload(ctx context.Context, _ []string) (<-chan status.Event, error) {
	events := make(chan status.Event, 3)
	events <- status.Event{ID: "r1"}
	events <- status.Event{Step: &status.Step{Name: "config", At: time.Now(), Message: "accepted, 2 listeners"}}
	if i.outcome != nil {
		events <- status.Event{End: i.outcome}
	}
	go func() {
		<-ctx.Done()
		close(events)
	}()
	return events, nil
}

func (i instance) Follow(ctx context.Context, _ string, _ int) (<-chan status.Event, error) {
	return i.Reload(ctx, nil)
}

func (i instance) Scale(context.Context, int) (*status.Status, error) { return &i.status, nil }
func (i instance) Reopen(context.Context) error                       { return nil }
func (i instance) Stop(context.Context, bool) error {
	return &control.Error{Code: 409, Message: "it stops already", Hint: "wait"}
}

// configFile writes a config whose control socket is in the same folder.
func configFile(t *testing.T, text string) (file, socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "main") // t.TempDir's may be longer than a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file, socket = filepath.Join(dir, "config.toml"), filepath.Join(dir, "c.sock")
	text += fmt.Sprintf("\n[control]\nsocket = %q\n", socket)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, socket
}

func running(t *testing.T, b instance) (file string) {
	t.Helper()
	file, socket := configFile(t, "")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	s, err := control.Serve(l, b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.Stop(ctx)
		_ = l.Close()
	})
	return file
}

// pair writes a self-signed certificate and a key, the certificate's own or not.
func pair(t *testing.T, matching bool) (certificate string) {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "example.org"}, DNSNames: []string{"example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if !matching {
		key = newKey(t)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	old := time.Now().Add(-time.Hour) // so that nobody waits for a writer
	for name, block := range map[string]*pem.Block{"c.pem": {Type: "CERTIFICATE", Bytes: der}, "k.pem": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprintf("[[certificate]]\nname = \"site\"\ncertfile = %q\nkeyfile = %q\n", filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestWrongUsageIsOneErrorWithAHintAndExits64(t *testing.T) {
	t.Parallel()
	file, _ := configFile(t, "")
	for _, c := range []struct{ line, stderr string }{
		{"", "no command given"},
		{"statsu", `did you mean "status"?`},
		{"status --jsn", `did you mean "--json"?`},
		{"help bogus", `unknown command "bogus"`},
		{"status now", `unexpected argument "now"`},
		{"status -c", "flag needs an argument"},
		{"reload --timeout soon", `invalid value "soon"`},
		{"reload --timeout 0s", "--timeout 0s is no time to wait"},
		{"reload --allow name.lst", `did you mean "name.lost"?`},
		{"scale", "one number of workers"},
		{"scale many", `found "many"`},
		{"scale 1 2", `found "2 1"`},
		{"scale 0", "found 0"},
		{"scale 0 -c " + file, "found 0"},
		{"run " + file, `a configuration goes after -c`},
	} {
		got := handover(t, strings.Fields(c.line)...)
		lines := strings.Split(strings.TrimSpace(got.stderr), "\n")
		if got.code != status.ExitUsage || got.stdout != "" || !strings.Contains(got.stderr, c.stderr) ||
			len(lines) != 2 || !strings.HasPrefix(lines[0], "error: ") {
			t.Errorf("handover %s: got %+v, want exit 64 and one error with a hint: %q", c.line, got, c.stderr)
		}
	}
}

func TestEveryCommandExplainsItselfWithAnExample(t *testing.T) {
	t.Parallel()
	for _, c := range application().Commands {
		if c.Name == "help" {
			continue
		}
		got := handover(t, c.Name, "--help")
		if got.code != 0 || !strings.Contains(got.stdout, "handover "+c.Name+"\n") && !strings.Contains(got.stdout, "\n     handover "+c.Name) {
			t.Errorf("%s --help: got %+v, want an example", c.Name, got)
		}
		if again := handover(t, "help", c.Name); again.stdout != got.stdout {
			t.Errorf("help %s: got %q, want the same as with --help", c.Name, again.stdout)
		}
	}
	if got := handover(t, "run", "--help"); !strings.Contains(got.stdout, "TTIN") {
		t.Errorf("run --help: got %q, want the signals", got.stdout)
	}
	if got := handover(t, "--help"); got.code != 0 || !strings.Contains(got.stdout, "70  the new generation failed") {
		t.Errorf("--help: got %+v, want the exit codes", got)
	}
}

func TestVersionNamesEveryVersionThatMatters(t *testing.T) {
	t.Parallel()
	got := handover(t, "version")
	for _, want := range []string{"handover ", "\ngo1.", "\ntableflip "} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("got %+v, want %q", got, want)
		}
	}
}

func TestCheckAcceptsAGoodCertificateAndDescribesIt(t *testing.T) {
	t.Parallel()
	file, _ := configFile(t, pair(t, true))
	got := handover(t, "check", "-c", file)
	if got.code != 0 || !strings.Contains(got.stdout, `accepted: certificate "site" for example.org`) || got.stderr != "" {
		t.Errorf("got %+v, want it accepted", got)
	}
	got = handover(t, "-c", file, "check", "--json")
	var r status.CheckResult
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || !r.Accepted || len(r.Certificates) != 1 || r.Checks == nil {
		t.Errorf("got %+v, %v, want one accepted certificate", got, err)
	}
}

func TestCheckRefusesWithTheCheckAHintAndExit65(t *testing.T) {
	t.Parallel()
	file, _ := configFile(t, pair(t, false))
	got := handover(t, "check", "-c", file)
	want := `error: certificate "site": key does not match certificate (pair.mismatch)`
	if got.code != status.ExitRefused || !strings.Contains(got.stderr, want) || !strings.Contains(got.stderr, "\nhint: ") {
		t.Errorf("got %+v, want exit 65 and %q", got, want)
	}
	got = handover(t, "check", "-c", file, "--json")
	var r status.CheckResult
	if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || r.Accepted || len(r.Checks) == 0 || got.code != status.ExitRefused || got.stderr != "" {
		t.Errorf("got %+v, %v, want a refusal as JSON alone", got, err)
	}
}

func TestABrokenConfigExits78WithEveryProblem(t *testing.T) {
	t.Parallel()
	file, _ := configFile(t, "worker = 2\nkeepalive_grace = \"soon\"\n")
	for _, command := range []string{"check", "status", "reload"} {
		got := handover(t, command, "-c", file)
		if got.code != status.ExitConfig || strings.Count(got.stderr, "error: ") != 2 || !strings.Contains(got.stderr, `hint: did you mean "workers"?`) {
			t.Errorf("%s: got %+v, want exit 78, two errors and a hint", command, got)
		}
	}
	file, _ = configFile(t, "[tls.checks]\n\"pair.mismach\" = \"warn\"\n")
	if got := handover(t, "check", "-c", file); got.code != status.ExitConfig || !strings.Contains(got.stderr, "pair.mismatch") {
		t.Errorf("got %+v, want exit 78 and the nearest check", got)
	}
}

func TestWithoutAnInstanceACommandExits69(t *testing.T) {
	t.Parallel()
	file, _ := configFile(t, "")
	for _, line := range []string{"status", "reload", "scale 2", "reopen", "stop"} {
		got := handover(t, append(strings.Fields(line), "-c", file)...)
		if got.code != status.ExitNotRunning || !strings.Contains(got.stderr, "not running") || !strings.Contains(got.stderr, "hint: ") {
			t.Errorf("%s: got %+v, want exit 69", line, got)
		}
	}
}

func TestReloadShowsItsStepsAndEndsAsTheReloadDid(t *testing.T) {
	t.Parallel()
	check := status.Check{Name: "name.lost", Severity: "refuse", Certificate: "site", Message: "www is gone", Hint: "add it"}
	for _, c := range []struct {
		outcome        *status.Reload
		code           int
		stdout, stderr string
	}{
		{&status.Reload{Outcome: status.OutcomeDone, Generation: 5}, status.ExitDone, "done: generation 5 serves", ""},
		{
			&status.Reload{Outcome: status.OutcomeRefused, Checks: []status.Check{check}, ExitCode: status.ExitRefused},
			status.ExitRefused, "refused after", "error: certificate \"site\": www is gone (name.lost)\nhint: add it\n",
		},
		{
			&status.Reload{Outcome: status.OutcomeFailed, Error: "worker 5.1 died", Hint: "see its output", ExitCode: status.ExitGeneration},
			status.ExitGeneration, "failed after", "error: worker 5.1 died\nhint: see its output\n",
		},
		{nil, status.ExitTimeout, "", "error: no outcome within the time given"},
	} {
		file := running(t, instance{outcome: c.outcome})
		args := []string{"reload", "-c", file}
		if c.outcome == nil {
			args = append(args, "--timeout", "200ms")
		}
		got := handover(t, args...)
		if got.code != c.code || !strings.Contains(got.stdout, "  config        accepted, 2 listeners\n") ||
			!strings.Contains(got.stdout, c.stdout) || !strings.HasPrefix(got.stderr, c.stderr) {
			t.Errorf("got %+v, want %+v", got, c)
		}
		if c.outcome == nil {
			continue
		}
		got = handover(t, append(args, "--json")...)
		var r status.Reload
		if err := json.Unmarshal([]byte(got.stdout), &r); err != nil || r.Outcome != c.outcome.Outcome || got.code != c.code || got.stderr != "" {
			t.Errorf("--json: got %+v, %v, want the outcome as JSON alone", got, err)
		}
	}
}

func TestCommandsReachTheRunningInstance(t *testing.T) {
	t.Parallel()
	file := running(t, instance{status: status.Status{Pid: 100, Generation: 4, State: "serving"}})
	if got := handover(t, "status", "-c", file); got.code != 0 || !strings.Contains(got.stdout, "generation  4\n") || strings.Contains(got.stdout, "\x1b") {
		t.Errorf("status: got %+v, want generation 4 without colours", got)
	}
	got := handover(t, "status", "--json", "-c", file)
	var s status.Status
	if err := json.Unmarshal([]byte(got.stdout), &s); err != nil || s.Generation != 4 {
		t.Errorf("status --json: got %+v, %v, want generation 4", got, err)
	}
	if got := handover(t, "scale", "3", "-c", file); got.code != 0 || got.stdout != "workers wanted: 3\n" {
		t.Errorf("scale: got %+v, want three workers", got)
	}
	if got := handover(t, "reopen", "-c", file); got.code != 0 {
		t.Errorf("reopen: got %+v, want exit 0", got)
	}
	if got := handover(t, "stop", "-c", file); got.code != status.ExitFailed || got.stderr != "error: it stops already\nhint: wait\n" {
		t.Errorf("stop: got %+v, want the answer of the instance", got)
	}
}
