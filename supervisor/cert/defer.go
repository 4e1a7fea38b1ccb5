package cert

import "time"

// Deferred says whether nothing but its time keeps r's certificates from being
// taken, and from when on they are: all of them, with what clients' clocks may
// be behind.
func (r *Refusal) Deferred() (time.Time, bool) {
	var latest time.Time
	for _, c := range r.Checks {
		switch {
		case c.Severity != refuse:
		case c.Name != "time.not_yet" || c.Until == nil:
			return time.Time{}, false
		case c.Until.After(latest):
			latest = *c.Until
		}
	}
	return latest, !latest.IsZero()
}
