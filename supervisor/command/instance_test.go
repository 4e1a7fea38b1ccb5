package command

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/handover/supervisor/cert"
	"example.com/handover/supervisor/control"
	"example.com/handover/supervisor/status"
)

// answering is a Backend that notes what it is asked and ends it as it is told.
// All methods of a test's own commands run one after the other.
type answering struct {
	control.Backend // what no test asks is nil
	status          status.Status
	end             status.Reload
	asked           []string
}

func (a *answering) Status(context.Context) (*status.Status, error) { return &a.status, nil }

func (a *answering) Rotate(_ context.Context, r control.RotateRequest) (<-chan status.Event, error) {
	a.asked = append(a.asked, fmt.Sprintf("rotate %q %t", r.Allow, r.NewTickets))
	return a.events(), nil
}

func (a *answering) Rollback(_ context.Context, r control.RollbackRequest) (<-chan status.Event, error) {
	a.asked = append(a.asked, fmt.Sprintf("rollback %q %t %q", r.Name, r.Undo, r.Allow))
	if r.Name == "nobody" {
		return nil, &control.Error{Code: http.StatusNotFound, Message: "no previous certificate", Hint: "reload first"}
	}
	return a.events(), nil
}

func (a *answering) events() <-chan status.Event {
	events := make(chan status.Event, 2)
	events <- status.Event{ID: "r1", Step: &status.Step{Name: "certificates", At: a.end.Finished, Message: "taken"}}
	events <- status.Event{End: &a.end}
	close(events)
	return events
}

// instance serves a Backend where the commands look for the config's instance.
func instance(t *testing.T, b control.Backend) (config string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "command") // t.TempDir's may be longer than a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config = filepath.Join(dir, "config.toml")
	if err := os.WriteFile(config, []byte("[control]\nsocket = \"c.sock\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := control.Listen(filepath.Join(dir, "c.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s, err := control.Serve(l, b, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(context.Background()) })
	return config
}

// changes is how a change may end, and how that is told.
var changes = map[string]struct {
	end     status.Reload
	ask     func(context.Context, Change) error
	asked   string
	says    []string
	code    int
	because string
}{
	"rotated": {
		status.Reload{Kind: status.KindRotate, Outcome: status.OutcomeDone, Generation: 4, Confirmed: "yes"},
		func(ctx context.Context, c Change) error { return c.Rotate(ctx, true) },
		`rotate ["name.lost"] true`,
		[]string{"certificates  taken\n", "done: generation 4 serves with other certificates, after "},
		status.ExitDone, "",
	},
	"unchanged": {
		status.Reload{Kind: status.KindRotate, Outcome: status.OutcomeDone, Generation: 4, Unchanged: true},
		func(ctx context.Context, c Change) error { return c.Rotate(ctx, false) },
		`rotate ["name.lost"] false`,
		[]string{"unchanged: generation 4 serves what lies on disk"},
		status.ExitDone, "",
	},
	"rolled back": {
		status.Reload{Kind: status.KindRollback, Outcome: status.OutcomeDone, Generation: 4, Confirmed: "127.0.0.1:1 does not answer"},
		func(ctx context.Context, c Change) error { return c.Rollback(ctx, "*.a b", true) },
		`rollback "*.a b" true ["name.lost"]`,
		[]string{"done: ", "warn: not confirmed: 127.0.0.1:1 does not answer"},
		status.ExitDone, "",
	},
	"refused": {
		status.Reload{Kind: status.KindRotate, Outcome: status.OutcomeRefused, Generation: 4, ExitCode: status.ExitRefused, Checks: []status.Check{{Name: "name.lost", Severity: "refuse", Certificate: "a", Message: "lost b"}}},
		func(ctx context.Context, c Change) error { return c.Rotate(ctx, false) },
		`rotate ["name.lost"] false`,
		[]string{"refused after ", "nothing has changed: generation 4 serves on"},
		status.ExitRefused, "lost b (name.lost)",
	},
	"failed": {
		status.Reload{Kind: status.KindRotate, Outcome: status.OutcomeFailed, ExitCode: status.ExitGeneration, Error: "worker 1 serves another"},
		func(ctx context.Context, c Change) error { return c.Rotate(ctx, false) },
		`rotate ["name.lost"] false`,
		[]string{"failed after ", "nothing has changed"},
		status.ExitGeneration, "worker 1 serves another",
	},
}

func TestAChangeShowsItsStepsAndEndsAsItDoes(t *testing.T) {
	t.Parallel()
	for name, c := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.end.Started = time.Now()
			c.end.Finished = c.end.Started.Add(2 * time.Millisecond)
			b := &answering{end: c.end}
			change := Change{Path: instance(t, b), Timeout: 20 * time.Second, Allow: []string{"name.lost"}}
			got, err := printed(t, false, func(out Output) error { change.Out = out; return c.ask(t.Context(), change) })
			for _, says := range c.says {
				if !strings.Contains(got, says) {
					t.Errorf("got %q, want %q in it", got, says)
				}
			}
			if exitCode(err) != c.code || err != nil && !strings.Contains(err.Error(), c.because) {
				t.Errorf("got %v, exit %d; want exit %d because %q", err, exitCode(err), c.code, c.because)
			}
			got, err = printed(t, true, func(out Output) error { change.Out = out; return c.ask(t.Context(), change) })
			var end status.Reload
			if bad := json.Unmarshal([]byte(got), &end); bad != nil || end.Kind != c.end.Kind || end.Outcome != c.end.Outcome || exitCode(err) != c.code {
				t.Errorf("as JSON: got %q, %v, exit %d; want the outcome alone and exit %d", got, bad, exitCode(err), c.code)
			}
			if want := []string{c.asked, c.asked}; strings.Join(b.asked, "\n") != strings.Join(want, "\n") {
				t.Errorf("asked %q, want %q", b.asked, want)
			}
		})
	}
}

func TestARollbackToNothingSaysSoWithItsHint(t *testing.T) {
	t.Parallel()
	path := instance(t, &answering{})
	_, err := printed(t, false, func(out Output) error {
		return Change{Path: path, Timeout: 20 * time.Second, Out: out}.Rollback(t.Context(), "nobody", false)
	})
	if f := Explain(err); f.Code != status.ExitFailed || f.Error() != "no previous certificate" || f.Hint() != "reload first" {
		t.Errorf("got %+v, want exit 1 with the reason and the hint", f)
	}
	_, err = printed(t, false, func(out Output) error {
		return Change{Path: path, Timeout: 20 * time.Second, Out: out}.Rollback(t.Context(), "\x1b[2J", false)
	})
	if f := Explain(err); f.Code != status.ExitUsage || strings.Contains(f.Error(), "\x1b") || f.Hint() == "" {
		t.Errorf("got %+v, want exit 64 with the name quoted", f)
	}
}

func TestCertsShowsWhatIsServedAndWhatIsOnDisk(t *testing.T) {
	t.Parallel()
	until := time.Now().Add(time.Hour)
	b := &answering{status: status.Status{
		Certificates: []status.Certificate{{Name: "a", Names: []string{"a"}, Disk: "unreadable", ChainNotAfter: until, NotAfter: until}},
		Deferred:     &until, Degraded: "refused at start",
	}}
	path := instance(t, b)
	got, err := printed(t, false, func(out Output) error { return Certs(t.Context(), path, out) })
	for _, says := range []string{"DEGRADED: ", "refused at start", "unreadable", "deferred: "} {
		if err != nil || !strings.Contains(got, says) {
			t.Errorf("got %q, %v; want %q in it", got, err, says)
		}
	}
	got, err = printed(t, true, func(out Output) error { return Certs(t.Context(), path, out) })
	var r map[string]any
	if bad := json.Unmarshal([]byte(got), &r); bad != nil || err != nil || len(r) != 3 || r["degraded"] != "refused at start" ||
		r["deferred_until"] == nil || len(r["certificates"].([]any)) != 1 {
		t.Errorf("as JSON: got %q, %v, %v; want certificates, deferred_until and degraded", got, err, bad)
	}
}

func TestEveryCheckCanBeExplained(t *testing.T) {
	t.Parallel()
	all, err := printed(t, false, func(out Output) error { return ExplainCheck("all", out) })
	for _, e := range cert.Catalogue() {
		if err != nil || !strings.Contains(all, "\n"+e.Name+" ") || !strings.Contains(all, e.Reason+"\n") {
			t.Errorf("got %q, %v; want a line for %s", all, err, e.Name)
		}
		if got, err := printed(t, false, func(out Output) error { return ExplainCheck(e.Name, out) }); err != nil || len(got) < 10 {
			t.Errorf("%s: got %q, %v; want an explanation", e.Name, got, err)
		}
	}
	got, err := printed(t, true, func(out Output) error { return ExplainCheck("pair.mismatch", out) })
	var one explanation
	if bad := json.Unmarshal([]byte(got), &one); bad != nil || err != nil || one.Name != "pair.mismatch" || !one.Fixed || one.Explanation == "" {
		t.Errorf("as JSON: got %q, %v, %v; want the row and its explanation", got, err, bad)
	}
	got, err = printed(t, true, func(out Output) error { return ExplainCheck("all", out) })
	var rows []status.CheckEntry
	if bad := json.Unmarshal([]byte(got), &rows); bad != nil || err != nil || len(rows) != len(cert.Catalogue()) {
		t.Errorf("all as JSON: got %q, %v, %v; want every row", got, err, bad)
	}
}

func TestAnUnknownCheckInTheConfigHasItsLine(t *testing.T) {
	t.Parallel()
	path := write(t, "[tls.checks]\n\"name.lost\" = \"warn\"\n\"name.lst\" = \"warn\"\n\"pair.mismatch\" = \"off\"")
	_, err := printed(t, false, func(out Output) error { return Check(t.Context(), path, out) })
	f := Explain(err)
	if f.Code != status.ExitConfig || len(f.Complaints) != 2 {
		t.Fatalf("got %+v, want exit 78 with two complaints", f)
	}
	for i, says := range []string{path + ": line 3: ", path + ": line 4: "} {
		if got := f.Complaints[i]; !strings.HasPrefix(got.Message, says) || got.Hint == "" {
			t.Errorf("got %+v, want it to begin with %q, and a hint", got, says)
		}
	}
}
