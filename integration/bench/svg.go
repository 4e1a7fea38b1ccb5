package bench

import (
	"cmp"
	_ "embed"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

//go:embed plot.svg.tmpl
var plotText string

var plotTemplate = template.Must(template.New("plot").Funcs(template.FuncMap{"text": escaped}).Parse(plotText))

// The measures of a plot, in its own units. Bars have a column between the
// names and the values.
const (
	plotWidth  = 820
	barsLeft   = 170
	barsWidth  = 430
	rowHeight  = 24
	headHeight = 58
	footHeight = 34
	headTop    = 44 // below the section's name
)

// picture is what the template draws: a panel a figure, below one another.
type picture struct {
	Name, Told    string
	Width, Height int
	Panels        []panel
}

type panel struct {
	Top         int
	Name, Whole string // Whole, if the name was cut
	Note        string
	Floor       int // where the bars end, and the axis is
	Ticks       []tick
	Bars        []bar
	Goal        *tick
}

type tick struct {
	X    string
	Text string
}

type bar struct {
	Top, Middle int
	Name, Whole string
	Class       string
	Width       string
	Least, Most string
	Spreads     bool
	Value       string
}

// plot returns a section as a picture: a bar a peer to its median, a line from
// its least round to its most. A library for plots would bring more than all of
// this program for the sake of some rectangles.
func plot(s *section) (string, error) {
	p := picture{Name: s.name, Told: s.told(), Width: plotWidth, Height: headTop}
	for _, f := range s.figures {
		one := f.panel(p.Height)
		p.Panels = append(p.Panels, one)
		p.Height = one.Floor + footHeight
	}
	var b strings.Builder
	err := plotTemplate.Execute(&b, p)
	return b.String(), err
}

// told returns what the picture shows to those who do not see it.
func (s *section) told() string {
	var b strings.Builder
	for _, f := range s.figures {
		var said []string
		for _, peer := range f.ranked() {
			said = append(said, peer+" "+f.value(peer, f.Unit))
		}
		if said == nil {
			said = []string{"not measured"}
		}
		fmt.Fprintf(&b, "%s: %s. ", f.Name, strings.Join(said, "; "))
	}
	return strings.TrimSpace(b.String())
}

func (f *Figure) panel(top int) panel {
	p := panel{Top: top, Note: f.note()}
	p.Name, p.Whole = short(f.Name, 84)
	peers := f.ranked()
	a := axisOf(f)
	floor := top + headHeight
	for _, peer := range peers {
		p.Bars = append(p.Bars, f.bar(peer, floor, a))
		floor += rowHeight
	}
	p.Floor = floor
	if len(peers) == 0 {
		p.Note = "not measured"
		return p
	}
	p.Ticks = a.ticks()
	if v, ok := f.goalValue(); ok && a.shows(v) {
		p.Goal = &tick{X: a.x(v), Text: "goal"}
	}
	if a.log {
		p.Note += "; logarithmic"
	}
	return p
}

func (f *Figure) note() string {
	better := "less is better"
	if f.More {
		better = "more is better"
	}
	if f.Unit == "" {
		return better
	}
	return f.Unit + "; " + better
}

func (f *Figure) bar(peer string, top int, a axis) bar {
	s := f.Of(peer)
	b := bar{
		Top: top, Middle: top + rowHeight/2, Class: "peer", Value: f.value(peer, ""),
		Width: a.length(s.Median), Least: a.x(s.Least), Most: a.x(s.Most), Spreads: s.Least < s.Most,
	}
	b.Name, b.Whole = short(peer, 22)
	if peer == f.own() {
		b.Class = "own"
	}
	return b
}

// ranked returns the peers, the best first.
func (f *Figure) ranked() []string {
	peers := f.peers()
	slices.SortStableFunc(peers, func(a, b string) int {
		if f.More {
			a, b = b, a
		}
		return cmp.Compare(f.Of(a).Median, f.Of(b).Median)
	})
	return peers
}

// value says what a peer did, as the table does but for the ratio.
func (f *Figure) value(peer, unit string) string {
	s := f.Of(peer)
	text := quantity(s.Median, unit)
	if s.Least < s.Most {
		text += fmt.Sprintf(" (%s–%s)", number(s.Least), number(s.Most))
	}
	return text
}

// goalValue returns the bound in the figure's own unit.
func (f *Figure) goalValue() (float64, bool) {
	if f.Goal == "" || !f.OfRatio {
		return f.Bound, f.Goal != ""
	}
	base := f.Of(f.Against)
	return f.Bound * base.Median, base.Rounds > 0
}

// short cuts a text that is too long for its place, and then returns the whole
// one too.
func short(text string, most int) (cut, whole string) {
	runes := []rune(text)
	if len(runes) <= most {
		return text, ""
	}
	return string(runes[:most-1]) + "…", text
}

// escaped returns a text as XML has it; what XML cannot have becomes U+FFFD.
func escaped(text string) (string, error) {
	var b strings.Builder
	err := xml.EscapeText(&b, []byte(text))
	return b.String(), err
}
