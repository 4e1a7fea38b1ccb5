package metrics

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// kind is the type of a family, as the text format has it.
type kind string

const (
	gauge     kind = "gauge"
	counter   kind = "counter"
	histogram kind = "histogram"
)

// family is all series of one name.
type family struct {
	kind       kind
	name, help string
	labels     []string
	series     []series
}

// series is what is known for one set of label values.
type series struct {
	of      []string
	samples []sample
}

// sample is one line: of a histogram with what is put behind the name, and with
// the bound of a bucket.
type sample struct {
	suffix, bound string
	value         float64
}

// In the text format a help text is escaped up to the end of its line, and the
// value of a label up to its quotation mark.
var (
	inHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	inLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// exposition is the text format of families: sorted by name, series by the values
// of their labels. Of a family without series nothing is said.
func exposition(families []*family) []byte {
	var b []byte
	for _, f := range slices.SortedFunc(slices.Values(families), func(a, b *family) int { return cmp.Compare(a.name, b.name) }) {
		if len(f.series) == 0 {
			continue
		}
		b = append(b, "# HELP "+f.name+" "+inHelp.Replace(f.help)+"\n# TYPE "+f.name+" "+string(f.kind)+"\n"...)
		slices.SortFunc(f.series, func(a, b series) int { return slices.Compare(a.of, b.of) })
		for _, s := range f.series {
			b = f.append(b, s)
		}
	}
	return b
}

func (f *family) append(b []byte, s series) []byte {
	var pairs []string
	for i, label := range f.labels {
		pairs = append(pairs, label+`="`+inLabel.Replace(printable(s.of[i]))+`"`)
	}
	for _, sample := range s.samples {
		all := pairs
		if sample.bound != "" {
			all = append(slices.Clone(pairs), `le="`+sample.bound+`"`)
		}
		b = append(b, f.name+sample.suffix...)
		if len(all) > 0 {
			b = append(b, "{"+strings.Join(all, ",")+"}"...)
		}
		b = append(b, " "+number(sample.value)+"\n"...)
	}
	return b
}

// number is how the text format writes one: as Go does, but for the infinite.
func number(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
