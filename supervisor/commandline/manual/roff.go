package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// roff is the source of a page with the macros of man(7).
type roff struct{ strings.Builder }

// escapes are the characters that roff would take for something else, or set as
// something that cannot be copied into a shell.
var escapes = strings.NewReplacer(
	`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`,
)

// escape makes text what it looks like. A line that begins with a dot would be
// a macro; a character beyond ASCII depends on the locale of the reader.
func escape(text string) string {
	var b strings.Builder
	for _, r := range escapes.Replace(text) {
		if r > 126 {
			fmt.Fprintf(&b, `\[u%04X]`, r)
			continue
		}
		b.WriteRune(r)
	}
	if strings.HasPrefix(text, ".") {
		return `\&` + b.String()
	}
	return b.String()
}

func bold(text string) string   { return `\fB` + escape(text) + `\fR` }
func italic(text string) string { return `\fI` + escape(text) + `\fR` }

// usage sets what is typed as it is bold, and what stands for something else
// slanted.
func usage(text string) string {
	placeholder, parts := regexp.MustCompile(`\b[A-Z]+\b`), regexp.MustCompile(`[^][.| ]+|[][.| ]+`)
	var b strings.Builder
	plain := func(words string) {
		for _, part := range parts.FindAllString(words, -1) {
			if strings.Trim(part, "[].| ") == "" {
				b.WriteString(escape(part))
				continue
			}
			b.WriteString(bold(part))
		}
	}
	for text != "" {
		at := placeholder.FindStringIndex(text)
		if at == nil {
			plain(text)
			break
		}
		plain(text[:at[0]])
		b.WriteString(italic(text[at[0]:at[1]]))
		text = text[at[1]:]
	}
	return b.String()
}

// line writes one that is in roff already.
func (r *roff) line(text string) { r.WriteString(text + "\n") }

func (r *roff) section(title string) { r.line(".SH " + escape(title)) }

func (r *roff) sub(title string) { r.line(`.SS "` + strings.ReplaceAll(title, `"`, `\(dq`) + `"`) }

// tagged writes a term, in roff, and what it means.
func (r *roff) tagged(term, text string) {
	r.line(".TP")
	r.line(term)
	r.line(escape(text))
}

// paragraph begins one, which the head of a section has done already.
func (r *roff) paragraph() {
	lines := strings.Split(r.String(), "\n")
	if last := lines[max(len(lines)-2, 0)]; !strings.HasPrefix(last, ".S") {
		r.line(".PP")
	}
}

// text writes paragraphs. One that is indented is an example and keeps its
// lines.
func (r *roff) text(text string) {
	for _, paragraph := range strings.Split(strings.Trim(text, "\n"), "\n\n") {
		if strings.HasPrefix(paragraph, "  ") {
			r.example(paragraph)
			continue
		}
		r.paragraph()
		for line := range strings.Lines(paragraph) {
			r.line(escape(strings.TrimSpace(line)))
		}
	}
}

// example writes lines that are left as they are.
func (r *roff) example(text string) {
	r.paragraph()
	r.line(".in +4n\n.EX")
	for line := range strings.Lines(text) {
		r.line(escape(strings.TrimPrefix(strings.TrimRight(line, "\n"), "  ")))
	}
	r.line(".EE\n.in")
}
