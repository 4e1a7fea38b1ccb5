package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNamesCannotBreakTheSummary(t *testing.T) {
	t.Parallel()
	unbroken(t, hostileReport().Summary())
	unbroken(t, (&Report{}).Summary())
}

func TestTheSummaryHasTheGoalsFirstAndNotManyLines(t *testing.T) {
	t.Parallel()
	r := example()
	if got, want := r.Summary(), `Measured on 2026-11-29 at 1f06c58: some processor, 2 cores.

| median | Handover | ratio | goal | net/http | nginx | Apache | HAProxy |
|---|---|---|---|---|---|---|---|
| HUP to first new certificate, 2 workers (ms) | 22 | 0.458 × nginx | ≤ 0.5 × nginx: met | – | 48 | 30 | 51 |
| lost over 200 reloads | 0 | – | 0: met | – | 90 | – | – |
| new connections (1/s) | 2450 | 1.01 × net/http | ≥ 1.05 × net/http: **not met** | 2433 | 2858 | – | – |
`; !slices.Equal(strings.Fields(got), strings.Fields(want)) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for n := range 50 {
		f := &Figure{Name: fmt.Sprintf("more %d", n), Samples: map[string][]float64{"handover": {1}, fmt.Sprintf("peer %d", n%7): {2}}}
		if n > 28 {
			f.Goal = "g"
		}
		r.Figures = append(r.Figures, f)
	}
	got := r.Summary()
	if n := strings.Count(got, "\n"); n != summaryRows+4 {
		t.Errorf("got %d lines, want 28:\n%s", n, got)
	}
	for n := range 50 {
		if has := strings.Contains(got, fmt.Sprintf("| more %d |", n)); has != (n > 28) {
			t.Errorf("more %d: shown is %v, want those with a goal\n%s", n, has, got)
		}
	}
}

func TestTheSummaryShowsTheRoundThatMissedAGoalForAll(t *testing.T) {
	t.Parallel()
	f := &Figure{Name: "lost", Goal: "0", Every: true, Samples: map[string][]float64{"handover": {0, 3, 0}}}
	const want = "| lost | 0 (0–3) | – | 0: **not met** |"
	if got := (&Report{Figures: []*Figure{f}}).Summary(); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTheTableGoesBetweenItsMarks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(path, []byte("before\n\n<!-- bench -->\nold\n<!-- /bench -->\n\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "before\n\n<!-- bench -->\n\nnew\n\n<!-- /bench -->\n\nafter\n"
	for range 2 {
		if err := PutInto(path, "new\n"); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(path); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want the file's mode kept", info, err)
	}
}

func TestAPageWithoutTheMarksIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "README.md")
	for text, mark := range map[string]string{
		"nothing":                       openMark,
		openMark:                        closeMark,
		closeMark:                       openMark,
		closeMark + openMark:            openMark,
		openMark + openMark + closeMark: openMark,
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		err := PutInto(path, "new")
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), mark) {
			t.Errorf("%q: got %v, want an error with the file and %s", text, err, mark)
		}
		if got, _ := os.ReadFile(path); string(got) != text {
			t.Errorf("%q: got %q", text, got)
		}
	}
	if err := PutInto(path+".not", "new"); err == nil {
		t.Error("got no error for a file that is not there")
	}
}
