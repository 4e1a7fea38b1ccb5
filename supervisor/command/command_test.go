package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/config"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write puts a config into a folder of its own. Its control socket is nobody's.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "config.toml")
	text += "\n[control]\nsocket = \"none.sock\"\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// printed returns what a command prints and how it ends.
func printed(t *testing.T, asJSON bool, command func(Output) error) (string, error) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	ended := command(Output{File: f, JSON: asJSON})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b), ended
}

// exitCode is how main ends for err.
func exitCode(err error) int {
	if err == nil {
		return status.ExitDone
	}
	return Explain(err).Code
}

func TestEveryErrorHasTheExitCodeOfItsKind(t *testing.T) {
	t.Parallel()
	problems := &config.Error{Problems: []config.Problem{{Message: "first", Hint: "mend it"}, {Message: "second"}}}
	refusal := &cert.Refusal{Checks: []status.Check{
		{Name: "time.remaining", Severity: "warn", Message: "not this"}, {Name: "pair.mismatch", Severity: "refuse", Message: "mismatch", Hint: "this"},
	}}
	for _, c := range []struct {
		err        error
		code       int
		complaints int
		says       string
		hint       bool
	}{
		{status.Failed(status.ExitGeneration, "h", "as it is"), status.ExitGeneration, 1, "as it is", true},
		{problems, status.ExitConfig, 2, "first\nsecond", true},
		{refusal, status.ExitRefused, 1, "pair.mismatch", true},
		{control.ErrNotRunning, status.ExitNotRunning, 1, "not running", true},
		{control.ErrTimeout, status.ExitTimeout, 1, "no outcome", true},
		{control.ErrUnknownOutcome, status.ExitTimeout, 1, "broke off", true},
		{control.ErrInUse, status.ExitConfig, 1, "in use", true},
		{&control.Error{Code: 409, Message: "it stops already", Hint: "wait"}, status.ExitFailed, 1, "it stops already", true},
		{&control.Error{Code: 400, Message: "no such name", Hint: "another"}, status.ExitUsage, 1, "no such name", true},
		{errors.New("something else"), status.ExitFailed, 1, "something else", false},
	} {
		for _, err := range []error{c.err, fmt.Errorf("do something: %w", c.err)} {
			got := Explain(err)
			if got.Code != c.code || len(got.Complaints) != c.complaints || !strings.Contains(got.Error(), c.says) ||
				(got.Complaints[0].Hint != "") != c.hint {
				t.Errorf("explain %v: got %+v, want code %d, %d complaints that say %q, hint: %v", err, got, c.code, c.complaints, c.says, c.hint)
			}
		}
	}
}

func TestCheckPrintsWhatWouldBeServed(t *testing.T) {
	t.Parallel()
	path := write(t, "[[certificate]]\nself_signed = [\"example.test\"]")
	got, err := printed(t, false, func(out Output) error { return Check(t.Context(), path, out) })
	if err != nil || !strings.Contains(got, `accepted: certificate "example.test" for example.test`) {
		t.Errorf("got %q, %v; want it accepted", got, err)
	}
	got, err = printed(t, true, func(out Output) error { return Check(t.Context(), path, out) })
	var r status.CheckResult
	if bad := json.Unmarshal([]byte(got), &r); bad != nil || err != nil || !r.Accepted || r.Checks == nil || len(r.Certificates) != 1 {
		t.Errorf("as JSON: got %q, %v, %v; want one accepted certificate", got, err, bad)
	}
}

func TestCheckWithoutTLSHasNoCertificatesToShow(t *testing.T) {
	t.Parallel()
	path := write(t, "[[listen]]\naddress = \"127.0.0.1:8080\"\ntls = false")
	got, err := printed(t, false, func(out Output) error { return Check(t.Context(), path, out) })
	if err != nil || got != "accepted: no certificates\n" {
		t.Errorf("got %q, %v; want no certificates", got, err)
	}
	got, err = printed(t, true, func(out Output) error { return Check(t.Context(), path, out) })
	if err != nil || !strings.Contains(got, `"certificates": []`) {
		t.Errorf("as JSON: got %q, %v; want an empty list and no null", got, err)
	}
}

// TestARefusalAsJSONIsSaidOnce: what reads JSON is not told again in words.
func TestARefusalAsJSONIsSaidOnce(t *testing.T) {
	t.Parallel()
	path := write(t, "[[certificate]]\nname = \"x\"\ncertfile = \"pair.pem\"\nkeyfile = \"pair.pem\"")
	pair := filepath.Join(filepath.Dir(path), "pair.pem")
	if err := os.WriteFile(pair, []byte("no pair\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A young file may still be written, and would be waited for.
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(pair, old, old); err != nil {
		t.Fatal(err)
	}
	got, err := printed(t, true, func(out Output) error { return Check(t.Context(), path, out) })
	var r status.CheckResult
	if bad := json.Unmarshal([]byte(got), &r); bad != nil || r.Accepted || len(r.Checks) == 0 {
		t.Errorf("got %q, %v; want a refusal", got, bad)
	}
	if f := Explain(err); f.Code != status.ExitRefused || len(f.Complaints) != 0 {
		t.Errorf("ends with %+v, want exit 65 without a word", f)
	}
}

func TestCommandsRefuseWhatTheyCannotAskFor(t *testing.T) {
	t.Parallel()
	path := write(t, "")
	none := Output{}
	change := func(timeout time.Duration, allow ...string) Change {
		return Change{Path: path, Timeout: timeout, Allow: allow, Out: none}
	}
	for name, c := range map[string]struct {
		code int
		err  error
	}{
		"no time":               {status.ExitUsage, change(0).Reload(t.Context())},
		"no time to rotate":     {status.ExitUsage, change(-1).Rotate(t.Context(), false)},
		"unknown check":         {status.ExitUsage, change(time.Second, "name.lst").Reload(t.Context())},
		"fixed check":           {status.ExitUsage, change(time.Second, "pair.mismatch").Rotate(t.Context(), true)},
		"unknown check to take": {status.ExitUsage, change(time.Second, "name.lst").Rollback(t.Context(), "a", true)},
		"no check to explain":   {status.ExitUsage, ExplainCheck("", none)},
		"no such check":         {status.ExitUsage, ExplainCheck("name.lst", none)},
		"no worker":             {status.ExitUsage, Scale(t.Context(), path, 0, none)},
		"too many workers":      {status.ExitUsage, Scale(t.Context(), path, 1<<20, none)},
		"nobody to reload":      {status.ExitNotRunning, change(time.Second).Reload(t.Context())},
		"nobody to rotate":      {status.ExitNotRunning, change(time.Second).Rotate(t.Context(), false)},
		"nobody to roll back":   {status.ExitNotRunning, change(time.Second).Rollback(t.Context(), "", false)},
		"nobody with certs":     {status.ExitNotRunning, Certs(t.Context(), path, none)},
		"nobody to scale":       {status.ExitNotRunning, Scale(t.Context(), path, 1, none)},
		"nobody to ask":         {status.ExitNotRunning, Status(t.Context(), path, none)},
		"nobody to reopen":      {status.ExitNotRunning, Reopen(t.Context(), path)},
		"nobody to stop":        {status.ExitNotRunning, Stop(t.Context(), path, true)},
		"no config":             {status.ExitConfig, Status(t.Context(), path+".none", none)},
		"no time to answer":     {status.ExitTimeout, Status(over(t), path, none)},
	} {
		if got := exitCode(c.err); got != c.code {
			t.Errorf("%s: got exit %d, %v; want %d", name, got, c.err, c.code)
		}
	}
}

// over is a context that has ended.
func over(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestTheLinkedVersionWinsAndNoneIsNeverEmpty(t *testing.T) {
	t.Parallel()
	if got := Version("v1.2.3"); got != "v1.2.3" {
		t.Errorf("got %q, want the one that was linked in", got)
	}
	if got := Version(""); got == "" {
		t.Error("got no version, want what the go command recorded or \"unknown\"")
	}
	var b strings.Builder
	if err := PrintVersion(&b, "v1.2.3"); err != nil || !strings.HasPrefix(b.String(), "handover v1.2.3\ngo1.") || !strings.Contains(b.String(), "\ntableflip ") {
		t.Errorf("got %q, %v; want three lines", b.String(), err)
	}
}

func TestJSONHoldsNothingThatSteersATerminalAndSaysTheSame(t *testing.T) {
	t.Parallel()
	const hostile = "a\u009b31m\u202eb\x7f\u200b\U000e0041\nß漢 \x1b[2J"
	text, err := printed(t, true, func(out Output) error { return printJSON(out, []string{hostile}) })
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) || !strings.Contains(text, "ß漢") {
		t.Errorf("got %q, want what cannot be seen escaped, and only that", text)
	}
	var got []string
	if err := json.Unmarshal([]byte(text), &got); err != nil || got[0] != hostile {
		t.Errorf("read again: %q, %v; want %q", got, err, hostile)
	}
}
