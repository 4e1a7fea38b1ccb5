package bench

import (
	"slices"
	"strconv"
	"strings"
)

// Spread is what a peer's rounds came to: the median, the least and the most.
// Quartiles would hide the one round in ten that a user would notice.
type Spread struct {
	Median, Least, Most float64
	Rounds              int
}

// Of returns the spread of a peer's samples; without any it is zero, Rounds
// too.
func (f *Figure) Of(peer string) Spread {
	s := f.Samples[peer]
	if len(s) == 0 {
		return Spread{}
	}
	return Spread{Median: median(s), Least: slices.Min(s), Most: slices.Max(s), Rounds: len(s)}
}

// Ratio returns a peer's figure in units of Against's. Rounds are interleaved,
// so it is the median of the ratios of each round: what slows the machine for a
// while slows both and cancels. Where the counts differ, or a round of
// Against's is zero, it is the ratio of the medians. False: there is none,
// since one of them was not measured or Against's median is zero.
func (f *Figure) Ratio(peer string) (float64, bool) {
	ratios := f.ratios(peer)
	if len(ratios) == 0 {
		return 0, false
	}
	return median(ratios), true
}

// ratios returns the ratio of each round, or that of the medians alone.
func (f *Figure) ratios(peer string) []float64 {
	ours, theirs := f.Samples[peer], f.Samples[f.Against]
	if f.Against == "" || len(ours) == 0 || len(theirs) == 0 {
		return nil
	}
	if len(ours) == len(theirs) && !slices.Contains(theirs, 0) {
		rounds := make([]float64, len(ours))
		for i := range ours {
			rounds[i] = ours[i] / theirs[i]
		}
		return rounds
	}
	if base := median(theirs); base != 0 {
		return []float64{median(ours) / base}
	}
	return nil
}

// Verdict is how Handover stands to a figure's goal.
type Verdict int

// The verdicts. A goal is unknown where Handover, or whom the goal sets it
// against, was not measured.
const (
	Unknown Verdict = iota
	Met
	Missed
)

func (v Verdict) String() string {
	return [...]string{"not measured", "met", "**not met**"}[v]
}

// Verdict says whether Handover reached the goal.
func (f *Figure) Verdict() Verdict {
	own := f.own()
	reached := f.Samples[own]
	if f.OfRatio {
		reached = f.ratios(own)
	}
	if f.Goal == "" || own == "" || len(reached) == 0 {
		return Unknown
	}
	if !f.Every {
		reached = []float64{median(reached)}
	}
	if f.More && slices.Min(reached) < f.Bound || !f.More && slices.Max(reached) > f.Bound {
		return Missed
	}
	return Met
}

func median(samples []float64) float64 {
	s := slices.Sorted(slices.Values(samples))
	if n := len(s); n%2 == 0 {
		return s[n/2-1]/2 + s[n/2]/2
	}
	return s[len(s)/2]
}

// number prints three significant digits, and whole numbers as they are.
func number(v float64) string {
	size := max(v, -v)
	switch {
	case v == 0:
		return "0"
	case size >= 1e7 || size < 1e-3:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case size >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	digits := 2
	for edge := 1.0; size < edge; edge /= 10 {
		digits++
	}
	if size >= 10 {
		digits = 1
	}
	text := strconv.FormatFloat(v, 'f', digits, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// quantity prints a number with its unit: "2.5 ms", "2450/s".
func quantity(v float64, unit string) string {
	if per, found := strings.CutPrefix(unit, "1/"); found {
		return number(v) + "/" + per
	}
	return strings.TrimSpace(number(v) + " " + unit)
}
