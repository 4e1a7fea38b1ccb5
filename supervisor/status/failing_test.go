package status

import (
	"strings"
	"testing"
	"time"
)

func TestTheReportSaysWhatFailsAndHowWorkersEnded(t *testing.T) {
	t.Parallel()
	s := sample()
	s.Failing = []Failing{{Slot: 3, Failures: 4, Reason: "exit status 3; last words: \x1b[31mno database", Again: now.Add(2 * time.Second)}}
	s.Workers[0].LastEnd = &End{Reason: EndSilent, Text: "exit status 2", Pid: 77, At: now.Add(-time.Minute)}
	s.Workers[1].LastEnd = &End{Reason: EndAsked, Text: "exit status 0", Pid: 78, At: now.Add(-time.Minute)}
	s.Workers[1].Health = "answered 503 Service Unavailable\n"
	var b strings.Builder
	Write(&b, s, now, Look{})
	got := b.String()
	for _, want := range []string{
		"FAILING   FAILURES  AGAIN   REASON\nworker 3  4         in 2 s  exit status 3",
		"worker 1 before (pid 77) ended 60 s ago, silent: exit status 2\n",
		"worker 2, health path: answered 503 Service Unavailable",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant %q in it", got, want)
		}
	}
	if strings.Contains(got, "\x1b") || strings.Contains(got, "pid 78") {
		t.Errorf("got\n%q\nwant neither a worker's escape codes nor an end that was asked for", got)
	}
}
