package bench

import (
	"math"
	"strconv"
)

// spanForLog is from how much between the least and the most value on the
// axis is logarithmic: beyond it the small ones would be one line.
const spanForLog = 50

// axis says where on a panel a value is.
type axis struct {
	log      bool
	from, to float64 // to is above from
	step     float64 // between ticks, where it is not logarithmic
}

// axisOf returns the axis that has every sample of a figure. It is linear from
// zero, or from below, or logarithmic from a power of ten; a value of zero is
// then at its start.
func axisOf(f *Figure) axis {
	least, most, above := 0.0, 0.0, math.Inf(1) // above: the least above zero
	for _, samples := range f.Samples {
		for _, v := range samples {
			least, most = min(least, v), max(most, v)
			if v > 0 {
				above = min(above, v)
			}
		}
	}
	if least == 0 && most/above > spanForLog {
		return axis{log: true, from: decade(above, math.Floor), to: roundUp(most)}
	}
	if least == most {
		return axis{to: 1, step: 1}
	}
	step := pace(least, most)
	return axis{
		from: max(math.Floor(least/step)*step, -math.MaxFloat64),
		to:   min(math.Ceil(most/step)*step, math.MaxFloat64),
		step: step,
	}
}

// decade returns the power of ten beside a value.
func decade(v float64, round func(float64) float64) float64 {
	return math.Pow(10, min(max(round(math.Log10(v)), -300), 308))
}

// pace returns the distance of ticks, for five or so.
func pace(least, most float64) float64 {
	return roundUp(most/5 - least/5)
}

// roundUp returns the next 1, 2 or 5 times a power of ten.
func roundUp(v float64) float64 {
	base := decade(v, math.Floor)
	for _, times := range []float64{1, 2, 5} {
		if base*times >= v {
			return base * times
		}
	}
	return min(base*10, math.MaxFloat64)
}

// at returns where a value is, between 0 and 1.
func (a axis) at(v float64) float64 {
	if !a.log {
		return within((v/2 - a.from/2) / (a.to/2 - a.from/2))
	}
	if v <= a.from {
		return 0
	}
	return within((math.Log10(v) - math.Log10(a.from)) / (math.Log10(a.to) - math.Log10(a.from)))
}

func within(share float64) float64 {
	return min(max(share, 0), 1)
}

func (a axis) x(v float64) string { return coordinate(barsLeft + barsWidth*a.at(v)) }

// length returns how long the bar of a value is. A value that is not zero has
// one that can be seen.
func (a axis) length(v float64) string {
	width := barsWidth * a.at(v)
	if v != 0 {
		width = max(width, 1.5)
	}
	return coordinate(width)
}

func (a axis) shows(v float64) bool {
	return v <= a.to && (v >= a.from || a.log && v == 0)
}

func (a axis) ticks() []tick {
	var found []tick
	if a.log {
		for exponent := math.Log10(a.from); exponent <= math.Log10(a.to)+0.5; exponent += a.decades() {
			v := math.Pow(10, math.Round(exponent))
			found = append(found, tick{X: a.x(v), Text: number(v)})
		}
		return found
	}
	for v := a.from; a.to-v >= -a.step/2 && len(found) < 9; v += a.step {
		found = append(found, tick{X: a.x(v), Text: number(v)})
	}
	return found
}

// decades returns how many powers of ten are from a tick to the next.
func (a axis) decades() float64 {
	return max(1, math.Ceil((math.Log10(a.to)-math.Log10(a.from))/8))
}

func coordinate(v float64) string {
	return strconv.FormatFloat(v, 'f', 1, 64)
}
