package manual

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/handover/signals"
	"example.com/handover/supervisor/commandline/outline"
)

// Page is what the manual page is made of.
type Page struct {
	Program   outline.Command
	Version   string
	Date      time.Time
	Example   string // the text of config.example.toml
	ExitCodes string // a line for each: the code, two spaces, what it means
}

// String returns the page as roff.
func (p Page) String() string {
	r := &roff{}
	r.line(`.\" Generated from the definition of the commands: "handover man" prints it.`)
	r.line(fmt.Sprintf(`.TH HANDOVER 1 "%s" "handover %s" "User Commands"`, p.Date.UTC().Format(time.DateOnly), escape(p.Version)))
	r.section("NAME")
	r.line(`handover \- ` + escape(p.Program.Usage))
	r.section("SYNOPSIS")
	p.synopsis(r)
	r.section("DESCRIPTION")
	r.text(description)
	r.section("COMMANDS")
	r.text(fmt.Sprintf(commands, strings.Join(p.without("--config"), ", ")))
	for _, c := range p.Program.Commands {
		c.Walk(func(c outline.Command) { writeCommand(r, c) })
	}
	r.section("SIGNALS")
	r.text(onSignals)
	for _, s := range signals.Table {
		r.tagged(bold("SIG"+s.Name), s.Does)
	}
	r.section("CONFIGURATION")
	r.text(onConfiguration)
	r.configuration(p.Example)
	r.section("EXIT STATUS")
	for line := range strings.Lines(p.ExitCodes) {
		if code, meaning, found := strings.Cut(strings.TrimSpace(line), "  "); found {
			r.tagged(bold(code), meaning)
		}
	}
	r.section("ENVIRONMENT")
	r.terms(environment)
	r.section("FILES")
	r.terms(files)
	r.section("EXAMPLES")
	r.text(examples)
	r.section("SEE ALSO")
	r.line(seeAlso)
	return r.String()
}

// terms writes pairs of a term and what it means.
func (r *roff) terms(list []term) {
	for _, t := range list {
		r.tagged(bold(t.name), t.means)
	}
}

// without names the commands that do not take a flag.
func (p Page) without(flag string) []string {
	var names []string
	for _, c := range p.Program.Commands {
		if !slices.ContainsFunc(c.Flags, func(f outline.Flag) bool { return f.Names[0] == flag }) {
			names = append(names, c.Path)
		}
	}
	return names
}

func (p Page) synopsis(r *roff) {
	r.line(".nf")
	for _, c := range p.Program.Commands {
		c.Walk(func(c outline.Command) { r.line(usage(line(c, brief))) })
	}
	r.line(".fi")
}

// brief is a flag as a synopsis has it, without what is the same everywhere.
func brief(f outline.Flag) string {
	if f.Names[0] == "--help" {
		return ""
	}
	name := f.Names[len(f.Names)-1]
	if f.Value != "" {
		name += " " + f.Value
	}
	if f.Repeats {
		return "[" + name + "]..."
	}
	return "[" + name + "]"
}

func line(c outline.Command, shown func(outline.Flag) string) string {
	words := []string{"handover", c.Path}
	for _, f := range c.Flags {
		if text := shown(f); text != "" {
			words = append(words, text)
		}
	}
	if c.Words != "" {
		words = append(words, c.Words)
	}
	return strings.Join(words, " ")
}

func writeCommand(r *roff, c outline.Command) {
	title := "handover " + c.Path
	if c.Words != "" {
		title += " " + c.Words
	}
	r.sub(escape(title))
	r.line(escape(strings.ToUpper(c.Usage[:1])+c.Usage[1:]) + ".")
	r.text(c.Description)
	for _, f := range c.Flags {
		if f.Names[0] == "--config" || f.Names[0] == "--help" {
			continue
		}
		r.tagged(flag(f), flagMeaning(f))
	}
}

// flag is a flag as the term of its explanation.
func flag(f outline.Flag) string {
	names := make([]string, 0, len(f.Names))
	for _, name := range f.Names {
		text := bold(name)
		if f.Value != "" {
			text += " " + italic(f.Value)
		}
		names = append(names, text)
	}
	return strings.Join(names, ", ")
}

func flagMeaning(f outline.Flag) string {
	if f.Default == "" {
		return f.Usage
	}
	return fmt.Sprintf("%s (default: %s)", f.Usage, f.Default)
}
