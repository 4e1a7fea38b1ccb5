package metrics

import (
	"cmp"
	"slices"
	"time"

	"example.com/handover/supervisor/status"
)

// listed is of how many certificates there are series by name. Of thousands they
// would be most of what Prometheus has to keep: those that somebody has to look at
// have them first, and all have their share in the sums.
const listed = 100

// lefts are what may be left of a lifetime, in the order of the numbers that
// status.Left returns.
var lefts = []string{"ample", "quarter", "tenth", "nothing"}

func certificates(e *emitter, list []status.Certificate, now time.Time) {
	pending, left := 0, counted(lefts, nil)
	for _, c := range list {
		pending += int(flag(waits(c)))
		left[lefts[status.Left(c.NotBefore, c.NotAfter, end(c), now)]]++
	}
	e.each(gauge, "handover_certificates", "Served certificates by what is left of their lifetime: less than a quarter, a tenth, nothing.", "left", left)
	e.gauge("handover_certificates_pending", "Served certificates of which something else lies on disk, as seen once a minute.", float64(pending))
	if len(list) == 0 {
		return
	}
	earliestEnd := end(slices.MinFunc(list, func(a, b status.Certificate) int { return end(a).Compare(end(b)) }))
	e.gauge("handover_certificates_earliest_not_after_timestamp_seconds", "The earliest end of all served certificates; absent if there are none.", seconds(earliestEnd))
	list = urgent(list, now)
	list = list[:min(len(list), listed)]
	named := func(name, help string, value func(status.Certificate) float64, better func(float64, float64) float64) {
		of := map[string]float64{}
		for _, c := range list {
			label, n := printable(c.Name), value(c)
			if known, ok := of[label]; ok {
				n = better(known, n)
			}
			of[label] = n
		}
		e.each(gauge, name, help, "name", of)
	}
	earliest, latest := func(a, b float64) float64 { return min(a, b) }, func(a, b float64) float64 { return max(a, b) }
	named("handover_certificate_not_after_timestamp_seconds", "When a served certificate, or one of its chain, ends.",
		func(c status.Certificate) float64 { return seconds(end(c)) }, earliest)
	named("handover_certificate_leaf_not_after_timestamp_seconds", "When a served certificate itself ends.",
		func(c status.Certificate) float64 { return seconds(c.NotAfter) }, earliest)
	named("handover_certificate_not_before_timestamp_seconds", "When a served certificate began to be valid.",
		func(c status.Certificate) float64 { return seconds(c.NotBefore) }, latest)
	named("handover_certificate_pending", "1 if something else lies on disk, as seen once a minute.",
		func(c status.Certificate) float64 { return flag(waits(c)) }, latest)
	named("handover_certificate_held", "1 if it was rolled back to, until the files on disk change.",
		func(c status.Certificate) float64 { return flag(c.Held) }, latest)
	identities(e, list)
}

// urgent returns those first that the alerts are about: of which the least part of
// their lifetime is left, then those of which something else lies on disk. Of those
// alike it is the ones that end first: to order by nothing but the end would hide a
// certificate of a year behind a hundred that never live for longer than six days.
func urgent(list []status.Certificate, now time.Time) []status.Certificate {
	left := func(c status.Certificate) int { return status.Left(c.NotBefore, c.NotAfter, end(c), now) }
	return slices.SortedStableFunc(slices.Values(list), func(a, b status.Certificate) int {
		return cmp.Or(left(b)-left(a), int(flag(waits(b))-flag(waits(a))), end(a).Compare(end(b)), cmp.Compare(a.Name, b.Name))
	})
}

// identities says which certificates those are, each once.
func identities(e *emitter, list []status.Certificate) {
	send := e.family(gauge, "handover_certificate_info", "A served certificate: 1.", "fingerprint_sha256", "issuer", "name", "serial")
	said := map[[2]string]bool{}
	for _, c := range list {
		if key := [2]string{printable(c.Name), c.Fingerprint}; !said[key] {
			said[key] = true
			send(1, c.Fingerprint, printable(c.Issuer), printable(c.Name), c.Serial)
		}
	}
}

// end is the earliest along the chain.
func end(c status.Certificate) time.Time {
	if !c.ChainNotAfter.IsZero() && c.ChainNotAfter.Before(c.NotAfter) {
		return c.ChainNotAfter
	}
	return c.NotAfter
}

// waits says whether the disk holds something else.
func waits(c status.Certificate) bool { return c.Disk != "" && c.Disk != "same" }
