package bench

import (
	"encoding/xml"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// drawn is what a plot holds, as a reader of XML sees it.
type drawn struct {
	texts  []string
	titles []string
	bars   []float64 // their lengths
	names  map[string]int
}

func parse(t *testing.T, svg string) drawn {
	t.Helper()
	d := drawn{names: map[string]int{}}
	var open []string
	in := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := in.Token()
		if err == io.EOF {
			return d
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
			d.names[token.Name.Local]++
			d.element(t, token)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			d.text(open, string(token))
		}
	}
}

func (d *drawn) element(t *testing.T, e xml.StartElement) {
	t.Helper()
	class, width := "", ""
	for _, a := range e.Attr {
		switch a.Name.Local {
		case "href", "src", "xlink", "onload":
			t.Errorf("got a reference: %s=%q", a.Name.Local, a.Value)
		case "class":
			class = a.Value
		case "width":
			width = a.Value
		}
	}
	if e.Name.Local != "rect" || class == "ground" {
		return
	}
	v, err := strconv.ParseFloat(width, 64)
	if err != nil {
		t.Errorf("got a bar of %q: %v", width, err)
	}
	d.bars = append(d.bars, v)
}

func (d *drawn) text(open []string, text string) {
	if len(open) == 0 {
		return
	}
	switch open[len(open)-1] {
	case "text":
		d.texts = append(d.texts, text)
	case "title", "desc":
		d.titles = append(d.titles, text)
	}
}

func draw(t *testing.T, figures ...*Figure) (drawn, string) {
	t.Helper()
	svg, err := plot(&section{name: "section " + hostile, figures: figures})
	if err != nil {
		t.Fatal(err)
	}
	if bad := regexp.MustCompile(`NaN|Inf|%!|http://[^w]|url\(|@import|<script`).FindString(svg); bad != "" {
		t.Errorf("got %q in\n%s", bad, svg)
	}
	d := parse(t, svg)
	for _, v := range d.bars {
		if v < 0 || v > barsWidth {
			t.Errorf("got a bar of %v, want 0 to %d", v, barsWidth)
		}
	}
	return d, svg
}

func TestAPlotOfAnythingIsXMLWithoutNaNOrReference(t *testing.T) {
	t.Parallel()
	for name, samples := range map[string]map[string][]float64{
		"nothing":        nil,
		"no samples":     {"a": {}},
		"one peer":       {"a": {3}},
		"zero":           {"a": {0, 0}, "b": {0}},
		"zero and one":   {"a": {0}, "b": {1}},
		"zero and much":  {"a": {0}, "b": {1, 5000}},
		"below zero":     {"a": {-3, -2}, "b": {4}},
		"all below zero": {"a": {-3}, "b": {-4}},
		"huge span":      {"a": {1e-9, 2e-9}, "b": {1e12}},
		"the most":       {"a": {math.MaxFloat64}, "b": {math.SmallestNonzeroFloat64}, "c": {-math.MaxFloat64}},
		"tiny span":      {"a": {math.SmallestNonzeroFloat64}, "b": {1e-310}},
		"the most alone": {"a": {math.MaxFloat64}},
		"the least":      {"a": {math.SmallestNonzeroFloat64}},
		"hostile":        {hostile: {1, 2}, "handover": {3}, strings.Repeat("ß", 200): {2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, goal := range []string{"", "g"} {
				f := &Figure{Name: hostile, Unit: "µs", Against: "a", Goal: goal, Bound: 0.7, OfRatio: true, Samples: samples}
				d, svg := draw(t, f, &Figure{Name: "quiet", Samples: map[string][]float64{"x": {1}}})
				if d.names["title"] < 1 || d.names["desc"] != 1 || !strings.Contains(svg, "prefers-color-scheme") {
					t.Errorf("got no title, no description or no dark colours in\n%s", svg)
				}
				if got, want := len(d.bars), 1+len(f.peers()); got != want {
					t.Errorf("got %d bars, want %d", got, want)
				}
			}
		})
	}
}

func TestAPlotTellsEveryValueInWords(t *testing.T) {
	t.Parallel()
	r := example()
	d, _ := draw(t, r.Figures...)
	all, told := strings.Join(d.texts, "\n"), strings.Join(d.titles, "\n")
	for _, f := range r.Figures {
		for peer := range f.Samples {
			if !strings.Contains(all, f.value(peer, "")) || !strings.Contains(told, peer+" "+f.value(peer, f.Unit)) {
				t.Errorf("%s: got no value of %s, %s, in\n%s\n%s", f.Name, peer, f.value(peer, f.Unit), all, told)
			}
		}
	}
	if !strings.Contains(all, "logarithmic") || !strings.Contains(all, "more is better") {
		t.Errorf("got no word on the axes in\n%s", all)
	}
}

func TestBarsAreInProportionUntilTheSpanIsTooGreat(t *testing.T) {
	t.Parallel()
	d, _ := draw(t, &Figure{Name: "f", Samples: map[string][]float64{"a": {10}, "b": {20}, "c": {0}}})
	if d.bars[0] != 0 || d.bars[1]*2 != d.bars[2] {
		t.Errorf("got bars of %v for 0, 10 and 20", d.bars)
	}
	d, _ = draw(t, &Figure{Name: "f", Samples: map[string][]float64{"a": {1}, "b": {10}, "c": {100}}})
	if d.bars[1]*2 != d.bars[2] {
		t.Errorf("got bars of %v for 1, 10 and 100, want equal steps", d.bars)
	}
}

func TestTheBestPeerIsOnTop(t *testing.T) {
	t.Parallel()
	for _, more := range []bool{false, true} {
		f := &Figure{More: more, Samples: map[string][]float64{"handover": {2}, "b": {3}, "a": {1}}}
		want := []string{"a", "handover", "b"}
		if more {
			want = []string{"b", "handover", "a"}
		}
		if got := f.ranked(); !slices.Equal(got, want) {
			t.Errorf("more is better, %v: got %v, want %v", more, got, want)
		}
	}
}
