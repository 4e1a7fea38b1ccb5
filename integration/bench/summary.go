package bench

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
)

const (
	summaryRows  = 24 // every goal, and a few figures beside them
	summaryPeers = 4
)

// The lines that the table stands between in a page.
const (
	openMark  = "<!-- bench -->"
	closeMark = "<!-- /bench -->"
)

// Summary returns the table for the project's page: the figures with a goal, then others while there is room, beside the peers that
// most of them have.
func (r *Report) Summary() string {
	chosen := r.chosen()
	peers := rivals(chosen)
	head := []string{"median", "Handover", "ratio", "goal"}
	for _, peer := range peers {
		head = append(head, plain(peer))
	}
	rows := [][]string{head}
	for _, f := range chosen {
		rows = append(rows, f.line(peers))
	}
	return fmt.Sprintf("Measured on %s at %s: %s.\n\n%s", r.Date.Format("2006-01-02"), plain(r.Commit), plain(r.Machine), table(rows))
}

// chosen returns the figures of the summary in the order of the report.
func (r *Report) chosen() []*Figure {
	order := slices.Clone(r.Figures)
	slices.SortStableFunc(order, func(a, b *Figure) int { return without(a) - without(b) })
	order = order[:min(len(order), summaryRows)]
	return slices.DeleteFunc(slices.Clone(r.Figures), func(f *Figure) bool { return !slices.Contains(order, f) })
}

func without(f *Figure) int {
	if f.Goal != "" {
		return 0
	}
	return 1
}

// rivals returns the peers that the summary shows: those whom most of the
// figures set Handover against, then those that come first among Peers, then those
// whom most figures have.
func rivals(figures []*Figure) []string {
	against, had := map[string]int{}, map[string]int{}
	for _, f := range figures {
		for _, peer := range f.peers() {
			if peer != f.own() {
				had[peer]++
			}
		}
		if had[f.Against] > 0 {
			against[f.Against]++
		}
	}
	var names []string
	for name := range had {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(against[b]-against[a], rank(a)-rank(b), had[b]-had[a], strings.Compare(a, b))
	})
	return names[:min(len(names), summaryPeers)]
}

// rank is a peer's place among Peers; others come after them.
func rank(name string) int {
	if at := slices.IndexFunc(Peers, func(p Peer) bool { return p.Name == name }); at >= 0 {
		return at
	}
	return len(Peers)
}

// line is a figure's row in the summary.
func (f *Figure) line(peers []string) []string {
	name := plain(f.Name)
	if f.Unit != "" {
		name += " (" + plain(f.Unit) + ")"
	}
	own := f.own()
	row := []string{name, f.middle(own), "–", "–"}
	if s := f.Of(own); f.Every && s.Least < s.Most { // the median alone may look like the goal
		row[1] += fmt.Sprintf(" (%s–%s)", number(s.Least), number(s.Most))
	}
	if ratio, ok := f.Ratio(own); ok {
		row[2] = number(ratio) + " × " + plain(f.Against)
	}
	if f.Goal != "" {
		row[3] = plain(f.Goal) + ": " + f.Verdict().String()
	}
	for _, peer := range peers {
		row = append(row, f.middle(peer))
	}
	return row
}

func (f *Figure) middle(peer string) string {
	s := f.Of(peer)
	if s.Rounds == 0 {
		return "–"
	}
	return number(s.Median)
}

// PutInto puts a text in the place of what a file has between the lines
// "<!-- bench -->" and "<!-- /bench -->".
func PutInto(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for _, mark := range []string{openMark, closeMark} {
		if n := strings.Count(string(old), mark); n != 1 {
			return fmt.Errorf("put table into %s: %q is there %d times, want once", path, mark, n)
		}
	}
	before, rest, _ := strings.Cut(string(old), openMark)
	_, after, found := strings.Cut(rest, closeMark)
	if !found {
		return fmt.Errorf("put table into %s: %q is before %q, want it after", path, closeMark, openMark)
	}
	return os.WriteFile(path, []byte(before+openMark+"\n\n"+strings.TrimSpace(text)+"\n\n"+closeMark+after), 0o644)
}
