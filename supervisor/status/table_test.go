package status

import (
	"os"
	"strings"
	"testing"
	"time"
)

// crowded is a status with more than a narrow terminal has room for.
func crowded() *Status {
	s := sample()
	s.Certificates = troubled()
	s.Certificates[0].Names = []string{"www.example.org", "mail.example.org", "example.org"}
	s.Certificates[1].Name = "日本語ドメイン.example"
	s.Workers[0].Pid, s.Workers[0].Requests = 3123456, 123456789
	s.LastReload.Confirmed = "no listener of ours answers on any address that could be reached"
	s.Failing = []Failing{{Slot: 3, Failures: 4, Reason: "last words: " + strings.Repeat("no database ", 10), Again: now.Add(2 * time.Second)}}
	return s
}

func TestTablesFitANarrowTerminal(t *testing.T) {
	t.Parallel()
	for _, most := range []int{120, 100, 80} {
		var b strings.Builder
		s := crowded()
		Write(&b, s, now, Look{Width: most})
		WriteCerts(&b, s.Certs(), now, Look{Width: most})
		for line := range strings.Lines(b.String()) {
			if got := columns(strings.TrimSuffix(line, "\n")); got > most && !strings.HasPrefix(line, "hint: ") {
				t.Errorf("at %d columns: got %d in %q", most, got, line)
			}
		}
		for _, whole := range []string{"123456789", "in 61 days", "unreadable", "made on the spot", strings.Repeat("ab", 4)} {
			if !strings.Contains(b.String(), whole) {
				t.Errorf("at %d columns: got\n%s\nwant %q whole", most, b.String(), whole)
			}
		}
		if got := strings.Count(b.String(), "database"); got != 10 {
			t.Errorf("at %d columns: got %d words of the reason, want all 10", most, got)
		}
	}
}

func TestNothingIsCutWhereNoTerminalIs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	s := crowded()
	WriteCerts(&b, s.Certs(), now, Look{})
	for _, whole := range []string{"www.example.org, mail.example.org, example.org", "2026-07-04 13:00 UTC", ": sha256 cdcdcdcdcdcdcdcd…, until 2026-"} {
		if !strings.Contains(b.String(), whole) {
			t.Errorf("got\n%s\nwant %q whole", b.String(), whole)
		}
	}
}

func TestWideLettersAndMarksLeaveTheColumnsAligned(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	table := newTable(&b, Look{})
	for _, name := range []string{"plain", "日本", "e\u0301te\u0301", "ａ", "é"} {
		table.row(name, "|")
	}
	table.flush()
	want := "plain  |\n日本   |\ne\u0301te\u0301    |\nａ     |\né      |\n"
	if b.String() != want {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
	for text, want := range map[string]string{"日本語ドメイン": "日本…", "plain": "plain", "longer": "long…", "日本語": "日本…"} {
		if got := cutTo(text, 5); got != want {
			t.Errorf("cut %q to 5 columns: got %q, want %q", text, got, want)
		}
	}
}

func TestWordsAreWrappedAndLongOnesBroken(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                    "",
		"one two three":       "one two/three",
		"one two  three":      "one two/three",
		"abcdefghij":          "abcdefg/hij",
		"日本語日本":               "日本語/日本",
		"seven77 8":           "seven77/8",
		"a bcdefghijklmnopqr": "a/bcdefgh/ijklmno/pqr",
	} {
		if got := strings.Join(wrap(text, 7), "/"); got != want {
			t.Errorf("wrap %q: got %q, want %q", text, got, want)
		}
	}
}

// TestTheEnvironmentDecidesOnColours is not parallel: the environment is one.
func TestTheEnvironmentDecidesOnColours(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	for _, c := range []struct {
		force, none string
		want        bool
	}{{"", "", false}, {"0", "", false}, {"1", "", true}, {"1", "1", false}} {
		t.Setenv("CLICOLOR_FORCE", c.force)
		t.Setenv("NO_COLOR", c.none)
		if got := LookOf(null); got.Colour != c.want || got.Width != 0 {
			t.Errorf("%+v: got %+v on /dev/null", c, got)
		}
	}
}
