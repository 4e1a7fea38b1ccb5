package status

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestACroppedTextFitsTheTerminalAndSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		size Size
		want string
	}{
		{"one\ntwo\n", Size{}, "one\ntwo"},
		{"one\ntwo\n", Size{Columns: 3, Rows: 2}, "one\ntwo"},
		{"a\nb\nc\nd\n", Size{Rows: 3}, "a\nb\n… 2 more lines: \"handover status\" shows all"},
		{"letters", Size{Columns: 5}, "lett…"},
		{red + "letters" + ending, Size{Columns: 5}, red + "lett…" + ending},
		{red + "four" + ending, Size{Columns: 4}, red + "four" + ending},
		{"日本語", Size{Columns: 5}, "日本…"},
		{"日本語", Size{Columns: 6}, "日本語"},
	} {
		if got := Crop(c.text, c.size); got != c.want {
			t.Errorf("crop %q to %+v: got %q, want %q", c.text, c.size, got, c.want)
		}
	}
}

func TestAReloadThatRunsIsShownWithItsStepsSoFar(t *testing.T) {
	t.Parallel()
	s := sample()
	s.State = "reloading"
	s.LastReload.Outcome, s.LastReload.Error = OutcomeFailed, "of before"
	s.CurrentReload = &Reload{AskedBy: "signal", Started: now.Add(-2 * time.Second), Steps: []Step{{Name: "config", At: now.Add(-time.Second), Message: "x\x1b"}}}
	var b strings.Builder
	Write(&b, s, now, Look{})
	got := b.String()
	if !strings.Contains(got, "\nreload       runs for 2.0 s, asked for by signal\n") || !strings.HasSuffix(got, "\n\n    1.0 s  config        x?\n") || strings.Contains(got, "of before") {
		t.Errorf("got\n%s\nwant what runs, its step, and nothing of the one before", got)
	}
}

func TestWhatTheLastReloadWarnedOfIsShownUpToFive(t *testing.T) {
	t.Parallel()
	s := sample()
	for range 7 {
		s.LastReload.Checks = append(s.LastReload.Checks, Check{Name: "time.remaining", Severity: severityWarn, Message: "ends soon"})
	}
	s.LastReload.Checks = append(s.LastReload.Checks, Check{Name: "file.symlink", Severity: severityInfo, Message: "only said"})
	var b strings.Builder
	Write(&b, s, now, Look{})
	got := b.String()
	if strings.Count(got, "warn: ") != 5 || !strings.Contains(got, "\nthe last reload found:\n") || !strings.HasSuffix(got, "and 2 more: \"handover check\" shows all\n") || strings.Contains(got, "only said") {
		t.Errorf("got\n%s\nwant five warnings and how many more", got)
	}
}

func TestAnInstanceThatIsAwayIsWaitedFor(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	WriteAway(&b, errors.New("not running: \x1b"), now.Add(-3*time.Second), now, Look{Colour: true})
	if got, want := b.String(), red+"not running: ?"+ending+"\nwaiting for it, for 3 s\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestCountsAloneDoNotMakeAnotherStatus(t *testing.T) {
	t.Parallel()
	s := sample()
	kept := s.WithoutCounts()
	if w := kept.Workers[0]; w.Requests != 0 || w.RSS != 0 || w.Connections != 0 || w.Pid != 231 || kept.Draining[0].Workers[0] != (DrainingWorker{Pid: 201}) {
		t.Errorf("got %+v, %+v; want no counts and all else", w, kept.Draining)
	}
	if s.Workers[0].Requests != 912 || s.Draining[0].Workers[0].Connections != 1 {
		t.Errorf("got %+v, %+v; want the original as it was", s.Workers, s.Draining)
	}
	served := *s // and looked at a moment later
	served.Requests, served.Master.RSS = s.Requests+1, s.Master.RSS+4096
	served.Traffic = Traffic{Responses: map[string]uint64{"2xx": 1}, Handshakes: map[string]uint64{"1.3": 1}}
	served.Counts.LogLost++
	if got := served.WithoutCounts(); !reflect.DeepEqual(got, kept) {
		t.Errorf("after a request: got %+v, want %+v", got, kept)
	}
}
