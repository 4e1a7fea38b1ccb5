package bench

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

// markdown returns the report as a page: the goals first, then a table and a
// plot of each section.
func (r *Report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Handover beside its peers, %s\n\n", r.Date.Format("2006-01-02"))
	fmt.Fprintf(&b, "- Machine: %s\n- Commit: %s\n", plain(r.Machine), plain(r.Commit))
	if len(r.Versions) > 0 {
		fmt.Fprintf(&b, "- Versions: %s\n", r.versions())
	}
	b.WriteString("\nA value is the median of the rounds, with the least and the most of them. A ratio is the median of the ratios of\n" +
		"each round, since the rounds of the peers are interleaved. Values of other machines are not to be compared with these.\n")
	b.WriteString(r.goals())
	for _, s := range r.sections() {
		b.WriteString(s.markdown())
	}
	return b.String()
}

func (r *Report) versions() string {
	var said []string
	for _, peer := range sorted(slices.Collect(maps.Keys(r.Versions)), "") {
		said = append(said, strings.TrimSpace(plain(peer)+" "+plain(r.Versions[peer])))
	}
	return strings.Join(said, ", ")
}

// goals returns the table of what was wanted and what was reached.
func (r *Report) goals() string {
	rows := [][]string{{"figure", "goal", "reached", "rounds", ""}}
	for _, f := range r.Figures {
		if f.Goal != "" {
			rows = append(rows, []string{plain(f.Name), plain(f.Goal), f.cell(f.own(), true), fmt.Sprint(f.Of(f.own()).Rounds), f.Verdict().String()})
		}
	}
	if len(rows) == 1 {
		return ""
	}
	return "\n## Goals\n\n" + table(rows)
}

// markdown returns a section: a row a peer, a column a figure.
func (s *section) markdown() string {
	head := []string{""}
	var peers []string
	for _, f := range s.figures {
		head = append(head, f.heading())
		for _, peer := range f.peers() {
			if !slices.Contains(peers, peer) {
				peers = append(peers, peer)
			}
		}
	}
	rows := [][]string{head}
	for _, peer := range sorted(peers, "") {
		row := []string{plain(peer)}
		for _, f := range s.figures {
			row = append(row, f.cell(peer, false))
		}
		rows = append(rows, row)
	}
	name := plain(s.name)
	return fmt.Sprintf("\n## %s\n\n%s\n![%s, as bars](%s)\n", name, table(rows), name, s.file)
}

// heading names a figure, its unit, what the ratios are set to and which way is
// better.
func (f *Figure) heading() string {
	var said []string
	if f.Unit != "" {
		said = append(said, plain(f.Unit))
	}
	if f.Against != "" {
		said = append(said, "× "+plain(f.Against))
	}
	better := "less is better"
	if f.More {
		better = "more is better"
	}
	return plain(f.Name) + " (" + strings.Join(append(said, better), "; ") + ")"
}

// cell says what a peer did: "21.3 (18–44), 0.43 ×".
func (f *Figure) cell(peer string, units bool) string {
	s := f.Of(peer)
	if s.Rounds == 0 {
		return "–"
	}
	unit, other := "", ""
	if units {
		unit, other = plain(f.Unit), " "+plain(f.Against)
	}
	text := quantity(s.Median, unit)
	if s.Least != s.Most {
		text += fmt.Sprintf(" (%s–%s)", number(s.Least), number(s.Most))
	}
	if ratio, ok := f.Ratio(peer); ok && peer != f.Against {
		text += ", " + number(ratio) + " ×" + other
	}
	return text
}

// table returns rows as a Markdown table, the first as its head. Cells are
// Markdown already.
func table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|---", len(row)-1) + "|\n")
		}
	}
	return b.String()
}

// marked are the characters that Markdown gives a meaning within a line.
var marked = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`, "~", `\~`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;",
)

// plain returns a text that Markdown shows as it is, in one line.
func plain(text string) string {
	printed := strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
	return marked.Replace(strings.Join(strings.Fields(printed), " "))
}
