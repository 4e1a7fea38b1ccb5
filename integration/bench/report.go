package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Handover is the name of the peer that the goals are about, in any case.
const Handover = "Handover"

// Report is what one run has measured.
type Report struct {
	Date     time.Time         `json:"date"`
	Machine  string            `json:"machine"` // processor, cores, memory, kernel, load at the start
	Commit   string            `json:"commit"`
	Versions map[string]string `json:"versions"` // by peer
	Figures  []*Figure         `json:"figures"`
}

// Figure is one thing that was measured of several peers.
type Figure struct {
	Name    string               `json:"name"`           // "HUP to first new certificate, 2 workers"
	Section string               `json:"section"`        // under which the table shows it
	Unit    string               `json:"unit"`           // "ms", "1/s", "MB", "µs", ""
	Against string               `json:"against"`        // the peer that the ratio is set to; "": none
	More    bool                 `json:"more"`           // more is better
	Goal    string               `json:"goal,omitempty"` // what is wanted of Handover, in words; "": nothing, and the next three say nothing
	Bound   float64              `json:"bound"`          // what Handover must not exceed, or with More not fall short of
	OfRatio bool                 `json:"of_ratio"`       // the bound is on the ratio to Against, else on the value
	Every   bool                 `json:"every"`          // every sample keeps the bound, else the median does: for what must never happen
	Samples map[string][]float64 `json:"samples"`        // by peer, in the order of the rounds
}

// NewReport returns an empty report of this machine and this checkout. It is
// for the start of a run, since the machine's load counts.
func NewReport() *Report {
	return &Report{Date: time.Now().UTC().Truncate(time.Second), Machine: Machine(), Commit: Commit(), Versions: map[string]string{}}
}

// Add adds what a peer did in a round to the figure of that name.
func (f *Figure) Add(peer string, sample float64) {
	if f.Samples == nil {
		f.Samples = map[string][]float64{}
	}
	f.Samples[peer] = append(f.Samples[peer], sample)
}

// Write writes report.json, README.md and a plot of each section into a folder,
// which it makes. A sample that is no number does not cost the run: its peer
// counts as not measured in that figure, and the error names it.
func (r *Report) Write(dir string) error {
	r, strange := r.finite()
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string]string{"report.json": string(text) + "\n", "README.md": r.markdown()}
	for _, s := range r.sections() {
		if files[s.file], err = plot(s); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return strange
}

// Read reads a report.json.
func Read(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read %s: %v", path, err)
	}
	return r, nil
}

// finite returns the report without the peers of a figure that have a sample
// that is no number, which JSON has no word for. The other samples go with it: a
// goal must not look met for want of the round that missed it.
func (r *Report) finite() (*Report, error) {
	var strange []error
	clean := *r
	clean.Figures = make([]*Figure, len(r.Figures))
	for i, f := range r.Figures {
		g := *f
		g.Samples = maps.Clone(f.Samples)
		for _, peer := range f.peers() {
			round := slices.IndexFunc(f.Samples[peer], func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
			if round >= 0 {
				strange = append(strange, fmt.Errorf("figure %q: round %d of %q is %v, want a number", f.Name, round+1, peer, f.Samples[peer][round]))
				delete(g.Samples, peer)
			}
		}
		clean.Figures[i] = &g
	}
	return &clean, errors.Join(strange...)
}

// section is the figures that are shown together.
type section struct {
	name    string
	file    string // of the plot
	figures []*Figure
}

// sections returns the sections in the order in which figures first named them.
func (r *Report) sections() []*section {
	var found []*section
	files := map[string]bool{}
	for _, f := range r.Figures {
		at := slices.IndexFunc(found, func(s *section) bool { return s.name == f.Section })
		if at < 0 {
			at = len(found)
			found = append(found, &section{name: f.Section, file: fileName(f.Section, files)})
		}
		found[at].figures = append(found[at].figures, f)
	}
	return found
}

// fileName returns a name for a section's plot that no other has and that
// means nothing to a file system, a URL or Markdown.
func fileName(section string, taken map[string]bool) string {
	words := strings.FieldsFunc(strings.ToLower(section), func(c rune) bool { return (c < 'a' || c > 'z') && (c < '0' || c > '9') })
	stem := strings.Join(words, "-")
	if stem = stem[:min(len(stem), 60)]; stem == "" {
		stem = "figures"
	}
	name := stem + ".svg"
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d.svg", stem, n)
	}
	taken[name] = true
	return name
}

// peers returns whose samples the figure has: Handover, whom it is set
// against, then the others by name.
func (f *Figure) peers() []string {
	var names []string
	for name, samples := range f.Samples {
		if len(samples) > 0 {
			names = append(names, name)
		}
	}
	return sorted(names, f.Against)
}

// sorted sorts peers by name, behind Handover and one other.
func sorted(names []string, against string) []string {
	rank := func(name string) int {
		switch {
		case strings.EqualFold(name, Handover):
			return 0
		case name == against:
			return 1
		}
		return 2
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return names
}

// own returns the name that the figure has Handover under; "": it was not
// measured.
func (f *Figure) own() string {
	if peers := f.peers(); len(peers) > 0 && strings.EqualFold(peers[0], Handover) {
		return peers[0]
	}
	return ""
}
