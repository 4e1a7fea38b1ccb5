package status

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestABriefReloadKeepsItsGravestFindingsAndSaysHowManyMoreThereWere(t *testing.T) {
	t.Parallel()
	r := Reload{Error: strings.Repeat("é", 4<<10)}
	for n := range 5000 {
		r.Checks = append(r.Checks, Check{Name: fmt.Sprint("n", n), Severity: "info", Message: strings.Repeat("x", 10<<10)})
	}
	r.Checks[4000].Severity, r.Checks[4999].Severity = severityWarn, severityRefuse
	brief := r.Brief()
	if got := []string{brief.Checks[0].Name, brief.Checks[1].Name, brief.Checks[2].Name}; got[0] != "n4999" || got[1] != "n4000" || got[2] != "n0" {
		t.Errorf("got %q first, want the refusal, the warning and the first of the rest", got)
	}
	if len(brief.Checks)+brief.Omitted != 5000 || brief.Omitted == 0 {
		t.Errorf("got %d findings and %d more, want 5000 in all", len(brief.Checks), brief.Omitted)
	}
	if again := brief.Brief(); again.Omitted != brief.Omitted || len(again.Checks) != len(brief.Checks) {
		t.Errorf("of a brief one: got %d more, want %d as before", again.Omitted, brief.Omitted)
	}
	text, err := json.Marshal(brief)
	if err != nil || len(text) > 64<<10 || strings.Contains(string(text), "\ufffd") {
		t.Errorf("got %d bytes, %v; want at most 64 KiB and no broken character", len(text), err)
	}
	if r.Checks[0].Name != "n0" || len(r.Checks[0].Message) != 10<<10 || r.Omitted != 0 {
		t.Error("the reload itself has changed")
	}
}
