package status

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

const (
	gap       = 2  // between two columns
	leastCut  = 10 // what is left of a column that gives way
	leastLast = 16 // of the last one, which is wrapped
)

// table writes aligned rows. On a terminal that is too narrow for them columns
// give way: first to their short forms, then those of names are cut, and the
// last one is continued below itself.
type table struct {
	Look
	w       io.Writer
	elastic []int // columns that may be cut
	rows    [][]painted
}

func newTable(w io.Writer, look Look, elastic ...int) *table {
	return &table{Look: look, w: w, elastic: elastic}
}

// or gives a cell a form for narrow terminals.
func (p painted) or(short string) painted {
	p.short = clean(short)
	return p
}

// header takes texts, and painted cells for those that have a short form.
func (t *table) header(cells ...any) {
	for n, c := range cells {
		if text, ok := c.(string); ok {
			cells[n] = t.paint(bold, text)
		}
	}
	t.row(cells...)
}

// row takes painted cells as they are and makes all others plain.
func (t *table) row(cells ...any) {
	row := make([]painted, 0, len(cells))
	for _, c := range cells {
		cell, ok := c.(painted)
		if !ok {
			cell = t.paint(plain, fmt.Sprint(c))
		}
		row = append(row, cell)
	}
	t.rows = append(t.rows, row)
}

// flush writes what was collected.
func (t *table) flush() {
	widths := t.fit()
	for _, row := range t.rows {
		t.write(row, widths)
	}
}

// fit returns how wide each column is, once all have given way as far as it
// takes.
func (t *table) fit() []int {
	widths := t.widths()
	if t.Width <= 0 || total(widths) <= t.Width {
		return widths
	}
	for _, row := range t.rows {
		for n, c := range row {
			if c.short != "" {
				row[n].text = c.short
			}
		}
	}
	widths = t.widths()
	last := len(widths) - 1
	over := func() int {
		return total(widths[:last]) + gap + min(widths[last], leastLast) - t.Width
	}
	for over() > 0 {
		widest := -1
		for _, n := range t.elastic {
			if widths[n] > leastCut && (widest < 0 || widths[n] > widths[widest]) {
				widest = n
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	widths[last] = min(widths[last], max(t.Width-total(widths[:last])-gap, leastLast))
	return widths
}

// widths are those that the columns would have by themselves.
func (t *table) widths() []int {
	var widths []int
	for _, row := range t.rows {
		for n, c := range row {
			if n == len(widths) {
				widths = append(widths, 0)
			}
			widths[n] = max(widths[n], columns(c.text))
		}
	}
	return widths
}

func total(widths []int) int {
	sum := gap * (len(widths) - 1)
	for _, n := range widths {
		sum += n
	}
	return sum
}

// write writes a row, and what does not fit in its last cell below that.
func (t *table) write(row []painted, widths []int) {
	last, indent := len(row)-1, 0
	for n, c := range row[:last] {
		c.text = cutTo(c.text, widths[n])
		fmt.Fprintf(t.w, "%s%*s", c, widths[n]-columns(c.text)+gap, "")
		indent += widths[n] + gap
	}
	c := row[last]
	for n, line := range wrap(c.text, widths[last]) {
		if n > 0 {
			fmt.Fprintf(t.w, "%*s", indent, "")
		}
		c.text = line
		fmt.Fprintln(t.w, c)
	}
}

// columns is how many of a terminal a clean text takes: two for a letter of the
// wide scripts, none for a mark on another letter.
func columns(text string) int {
	sum := 0
	for _, r := range text {
		sum += columnsOf(r)
	}
	return sum
}

func columnsOf(r rune) int {
	if r < 0x300 {
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// cutTo is a text that takes at most so many columns.
func cutTo(text string, most int) string {
	if columns(text) <= most {
		return text
	}
	sum := 0
	for at, r := range text {
		if sum += columnsOf(r); sum > most-1 {
			return text[:at] + "…"
		}
	}
	return text
}

// wrap breaks a text into lines of at most so many columns, between words where
// that is possible.
func wrap(text string, most int) []string {
	var lines []string
	for columns(text) > most {
		end, sum := len(text), 0
		for at, r := range text {
			if sum += columnsOf(r); sum > most {
				end = max(at, 1)
				break
			}
		}
		if space := strings.LastIndexByte(text[:min(end+1, len(text))], ' '); space > 0 {
			end = space
		}
		lines = append(lines, strings.TrimRight(text[:end], " "))
		text = strings.TrimLeft(text[end:], " ")
	}
	return append(lines, strings.TrimRight(text, " "))
}
