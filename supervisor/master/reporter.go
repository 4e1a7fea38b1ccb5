package master

import (
	"encoding/json"
	"os"
	"time"

	"example.com/handover/supervisor/status"
	"example.com/handover/worker/wire"
)

// reporter is the successor's side: it tells the predecessor what it does.
type reporter struct{ file *os.File }

func (r *reporter) step(s status.Step) { r.write(reportLine{Step: &s}) }

// fail says why there will be no generation. Of thousands of certificates each may
// have findings: more than a predecessor reads, which then would know nothing.
func (r *reporter) fail(f failure) {
	if b, err := json.Marshal(f); err != nil || len(b) > wire.MaxMessage-64 {
		brief := status.Reload{Error: f.Error, Hint: f.Hint, Checks: f.Checks}.Brief()
		f.Error, f.Hint, f.Checks = brief.Error, brief.Hint, brief.Checks
	}
	r.write(reportLine{Fail: &f})
}

func (r *reporter) write(line reportLine) {
	if r.file == nil {
		return
	}
	if b, err := json.Marshal(line); err == nil {
		_ = r.file.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = r.file.Write(append(b, '\n'))
	}
}
