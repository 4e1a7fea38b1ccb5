package bench

import (
	"regexp"
	"strings"
	"testing"
)

func TestThePageBeginsWithTheGoalsAndWhatWasReached(t *testing.T) {
	t.Parallel()
	page := written(t, example())["README.md"]
	last := -1
	for _, want := range []string{
		"# Handover beside its peers, 2026-11-29",
		"- Machine: some processor, 2 cores",
		"- Commit: 1f06c58",
		"- Versions: handover 1f06c58, nginx 1.22.1",
		"## Goals",
		"| HUP to first new certificate, 2 workers | ≤ 0.5 × nginx | 22 ms (19–24), 0.458 × nginx | 3 | met |",
		"| lost over 200 reloads | 0 | 0 | 3 | met |",
		"| new connections | ≥ 1.05 × net/http | 2450/s (2400–2500), 1.01 × net/http | 3 | **not met** |",
		"## Reload",
		"|  | HUP to first new certificate, 2 workers (ms; × nginx; less is better) | lost over 200 reloads (less is better) |",
		"| handover | 22 (19–24), 0.458 × | 0 |",
		"| Apache | 30 (24–1016), 0.625 × | – |",
		"| nginx | 48 (41–60) | 90 (80–120) |",
		"![Reload, as bars](reload.svg)",
		"## Throughput",
	} {
		at := strings.Index(page, want)
		if at < 0 {
			t.Fatalf("got no %q in\n%s", want, page)
		}
		if at < last {
			t.Errorf("got %q before what it belongs behind, in\n%s", want, page)
		}
		last = at
	}
}

func TestNamesCannotBreakThePage(t *testing.T) {
	t.Parallel()
	unbroken(t, written(t, hostileReport())["README.md"])
}

func hostileReport() *Report {
	return &Report{Machine: hostile, Commit: hostile, Versions: map[string]string{hostile: hostile}, Figures: []*Figure{{
		Name: hostile, Section: hostile, Unit: hostile, Against: hostile, Goal: hostile,
		Samples: map[string][]float64{hostile: {1, 2}, "handover": {1, 2}},
	}}}
}

// unbroken checks that no name means anything in a page of Markdown, and that
// the rows of a table have the columns of its head.
func unbroken(t *testing.T, page string) {
	t.Helper()
	meaning := regexp.MustCompile("<|\x01|[^\\\\][`*_]|[^\\\\]\\]\\(y")
	if bad := meaning.FindString(strings.ReplaceAll(page, "**", "")); bad != "" {
		t.Errorf("%q of a name has a meaning:\n%s", bad, page)
	}
	columns := 0
	for line := range strings.Lines(page) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(line, "|") - strings.Count(line, `\|`)
		if columns != 0 && n != columns {
			t.Errorf("a row of %d columns in a table of %d: %s", n, columns, line)
		}
		columns = n
	}
}

func TestAReportOfNothingIsAPage(t *testing.T) {
	t.Parallel()
	r := &Report{Figures: []*Figure{{Name: "f", Section: "s", Goal: "1", Against: "nginx"}}}
	if page := written(t, r)["README.md"]; !strings.Contains(page, "| f | 1 | – | 0 | not measured |") {
		t.Errorf("got\n%s", page)
	}
	written(t, &Report{})
}
