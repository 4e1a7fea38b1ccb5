package status

import "time"

// What is left of a certificate's lifetime.
const (
	LeftAmple   = iota
	LeftQuarter // less than that: renewal tools begin at a third
	LeftTenth
	LeftNothing // it has expired, it or one of its chain
)

// Left says which of them it is. The thresholds are fractions of the lifetime: days
// would alarm for ever on a certificate that lives for six of them.
func Left(notBefore, notAfter, chainNotAfter, now time.Time) int {
	lifetime, left := notAfter.Sub(notBefore), chainNotAfter.Sub(now)
	switch {
	case left <= 0:
		return LeftNothing
	case left < lifetime/10:
		return LeftTenth
	case left < lifetime/4:
		return LeftQuarter
	default:
		return LeftAmple
	}
}
