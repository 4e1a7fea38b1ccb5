package cert

import (
	"cmp"
	"fmt"
	"slices"

	"example.com/handover/supervisor/status"
)

// mostFindings is how many findings are reported of one Take: everything that is
// reported ends in the status, in the log and on a screen.
const mostFindings = 200

// limited is as many of the findings as are reported, the worst first if they
// are too many; then the last one says how many are not.
func limited(checks []status.Check) []status.Check {
	if len(checks) <= mostFindings {
		return checks
	}
	order := []string{refuse, warn, info}
	slices.SortStableFunc(checks, func(a, b status.Check) int {
		return cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity))
	})
	last := checks[mostFindings]
	last.Message = fmt.Sprintf("%d more findings are not listed, of which this is the first: %s", len(checks)-mostFindings, last.Message)
	return append(slices.Clone(checks[:mostFindings]), last)
}
