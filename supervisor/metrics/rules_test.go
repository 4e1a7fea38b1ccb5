package metrics_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// promtool is Prometheus' own judge of rules.
func promtool(t *testing.T, words ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getuid() == 0 {
			t.Fatalf("%v: make test-deps installs it", err)
		}
		t.Skipf("SKIPPED, NOT PASSED: %v: make test-deps installs it", err)
	}
	if out, err := exec.CommandContext(t.Context(), path, words...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(words, " "), err, out)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPromtoolFindsNothingWrongWithTheAlerts(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")
}

func TestEachAlertFiresWhenItShouldAndNotOtherwise(t *testing.T) {
	t.Parallel()
	promtool(t, "test", "rules", "alerts_test.yaml")
	tests := read(t, "alerts_test.yaml")
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(read(t, "alerts.yaml"), -1)
	if len(alerts) < 10 {
		t.Errorf("alerts: got %v, want them all", alerts)
	}
	for _, alert := range alerts {
		if !strings.Contains(tests, fmt.Sprintf("alertname=%q", alert[1])) {
			t.Errorf("no test has %s fire", alert[1])
		}
	}
}

func TestEachAlertSaysWhatToDo(t *testing.T) {
	t.Parallel()
	rules := strings.Split(read(t, "alerts.yaml"), "- alert: ")
	for _, rule := range rules[1:] {
		name, _, _ := strings.Cut(rule, "\n")
		_, description, _ := strings.Cut(rule, "description:")
		if !strings.Contains(rule, "summary: ") || !regexp.MustCompile(`handover [a-z]+|log`).MatchString(description) {
			t.Errorf("%s: want a summary, and a command or the log in %q", name, description)
		}
	}
}

// board is what this test reads of dashboard.json.
type board struct {
	UID    string `json:"uid"`
	Title  string `json:"title"`
	Schema int    `json:"schemaVersion"`
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct {
			Expr       string
			Datasource struct{ UID string }
		}
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct{ Expr string }
	}
}

func dashboard(t *testing.T) (b board) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// expressions returns all that the board asks Prometheus, as it would ask.
func (b board) expressions() (list []string) {
	filled := strings.NewReplacer("$__rate_interval", "5m", "$__interval", "1m", "$job", "handover", "$instance", ".*")
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			list = append(list, filled.Replace(target.Expr))
		}
	}
	for _, a := range b.Annotations.List {
		if a.Expr != "" {
			list = append(list, filled.Replace(a.Expr))
		}
	}
	return list
}

func TestEachExpressionOfTheDashboardIsOneOfPrometheus(t *testing.T) {
	t.Parallel()
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	for n, expression := range dashboard(t).expressions() {
		rules = append(rules, rule{fmt.Sprintf("panel:%d", n), expression})
	}
	if len(rules) < 20 {
		t.Fatalf("got %d expressions, want those of every panel", len(rules))
	}
	text, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil { // JSON is YAML
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}

// exposed returns the labels of each series that a scrape may have, by its name.
func exposed(t *testing.T) map[string][]string {
	t.Helper()
	series := map[string][]string{}
	all := rows(text(t, full()))
	for i := 0; i < len(all); i += 2 {
		head, kind, _ := strings.Cut(all[i], " ")
		name, labels, _ := strings.Cut(strings.TrimSuffix(head, "}"), "{")
		of := append(strings.Split(labels, ","), "job", "instance")
		if kind != "histogram" {
			series[name] = of
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			series[name+suffix] = append(of, "le")
		}
	}
	return series
}

func TestTheDashboardAndTheAlertsUseWhatIsExposedAndNothingElse(t *testing.T) {
	t.Parallel()
	known := exposed(t)
	b := dashboard(t)
	texts := append(b.expressions(), read(t, "alerts.yaml"), read(t, "alerts_test.yaml"))
	for _, v := range b.Templating.List {
		texts = append(texts, v.Definition)
	}
	use := regexp.MustCompile(`(handover_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`(\w+)[!=]`)
	used := map[string]bool{}
	for _, text := range texts {
		for _, found := range use.FindAllStringSubmatch(text, -1) {
			labels, ok := known[found[1]]
			if !ok {
				t.Errorf("%s is used and not exposed: %.200s", found[1], text)
				continue
			}
			used[found[1]] = true
			for _, of := range label.FindAllStringSubmatch(found[2], -1) {
				if !slices.Contains(labels, of[1]) {
					t.Errorf("%s has no label %s: %.200s", found[1], of[1], text)
				}
			}
		}
	}
	for name := range known {
		if !used[name] && !strings.HasSuffix(name, "_sum") && !strings.HasSuffix(name, "_count") {
			t.Errorf("%s is on no panel and in no alert", name)
		}
	}
}

func TestTheDashboardIsWhole(t *testing.T) {
	t.Parallel()
	b := dashboard(t)
	if b.UID != "handover" || b.Schema < 39 || b.Title == "" || b.Templating.List[0].Type != "datasource" {
		t.Errorf("got uid %q, schema %d and %+v, want a variable for the data source first", b.UID, b.Schema, b.Templating.List)
	}
	ids, taken, wanted := map[int]bool{}, map[[2]int]string{}, []string{"Service", "Traffic", "Latency", "TLS", "Certificates", "Reloads", "Workers"}
	for _, p := range b.Panels {
		if ids[p.ID] || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q: id %d, at %+v", p.Title, p.ID, p.GridPos)
		}
		ids[p.ID] = true
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if taken[at] != "" {
					t.Fatalf("panels %q and %q lie on each other", taken[at], p.Title)
				}
				taken[at] = p.Title
			}
		}
		if p.Type == "row" {
			if len(wanted) == 0 || p.Title != wanted[0] {
				t.Fatalf("row %q, want %v", p.Title, wanted)
			}
			wanted = wanted[1:]
			continue
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" || p.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks %q, want the variable", p.Title, target.Datasource.UID)
			}
		}
	}
	if len(wanted) > 0 {
		t.Errorf("no row %v", wanted)
	}
}
