package cert

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"

	"example.com/handover/supervisor/status"
)

// mostFindings is how many findings are reported of one Take: everything that is
// reported ends in the status, in the log and on a screen.
const mostFindings = 200

// hush drops infos, which need no more than a mention, where others have been found
// that are more than is reported already: of thousands of pairs each may have its
// own, and they would be the larger part of what a judgement takes.
func (v *verdict) hush(found *atomic.Int64) {
	v.checks = slices.DeleteFunc(v.checks, func(c status.Check) bool {
		if c.Severity != info || found.Add(1) <= mostFindings+1 {
			return false
		}
		v.hushed++
		return true
	})
	if len(v.checks) == 0 {
		v.checks = nil // whose array would stay
	}
}

// infos counts those that were found.
func (v *verdict) infos() int {
	n := v.hushed
	for _, c := range v.checks {
		if c.Severity == info {
			n++
		}
	}
	return n
}

// limited is as many of the findings as are reported, the worst first if they
// are too many; then the last one says how many are not.
func (v *verdict) limited() []status.Check {
	checks := v.checks
	if len(checks) <= mostFindings {
		return checks
	}
	order := []string{refuse, warn, info}
	slices.SortStableFunc(checks, func(a, b status.Check) int {
		return cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity))
	})
	last := checks[mostFindings]
	last.Message = fmt.Sprintf("%d more findings are not listed, of which this is the first: %s", len(checks)-mostFindings+v.hushed, last.Message)
	return append(slices.Clone(checks[:mostFindings]), last)
}
