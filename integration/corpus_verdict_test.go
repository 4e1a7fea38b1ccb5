package integration

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"example.com/handover/integration/harness"
)

// finding is a check as "check --json" prints it.
type finding struct {
	harness.Check
	Certificate string `json:"certificate"`
}

// verdict is what one command said of one input.
type verdict struct {
	*testing.T
	placed
	way string
	got harness.Measured
}

const (
	mostMemory = 64 << 20
	longest    = 1500 // bytes of one message
)

// bounded holds the verdict against what it may cost.
func (v verdict) bounded(base int64) {
	v.Helper()
	exit := 65
	if v.Accepted() {
		exit = 0
	}
	if v.got.Exit != exit {
		v.Errorf("%s of %s: %v, want exit %d", v.way, v.What, v.got.Result, exit)
	}
	limit := verdictWithin
	if v.Meddle != nil {
		limit += settling
	}
	if v.Heavy && v.way != ways[0] {
		limit *= 3 // the verdict is in: what is left are handshakes of workers and clients
	}
	if v.got.Took > limit {
		v.Errorf("%s took %v, want %v at most", v.way, v.got.Took.Round(time.Millisecond), limit)
	}
	if v.got.Peak > base+mostMemory {
		v.Errorf("%s held %d MiB, want %d at most beyond the %d of a good pair", v.way, v.got.Peak>>20, mostMemory>>20, base>>20)
	}
}

// printable finds what could steer a terminal or forge a line.
func (v verdict) printable() {
	v.Helper()
	for _, output := range []string{v.got.Stdout, v.got.Stderr} {
		if !utf8.ValidString(output) {
			v.Errorf("%s printed bytes that are no text: %q", v.way, output)
		}
		for line := range strings.Lines(output) {
			for _, r := range strings.TrimSuffix(line, "\n") {
				if !unicode.IsPrint(r) {
					v.Errorf("%s printed %q: %q", v.way, r, line)
					break
				}
			}
		}
	}
}

// json holds every finding against the input.
func (v verdict) json() {
	v.Helper()
	var said struct {
		Accepted bool      `json:"accepted"`
		Checks   []finding `json:"checks"`
	}
	if err := json.Unmarshal([]byte(v.got.Stdout), &said); err != nil {
		v.Errorf("%s: %v, want JSON: %v", v.way, v.got.Result, err)
		return
	}
	if said.Accepted != v.Accepted() {
		v.Errorf("%s: accepted %v, want %v", v.way, said.Accepted, v.Accepted())
	}
	names, first := map[string]bool{}, ""
	for _, f := range said.Checks {
		names[f.Name+"="+f.Severity] = true
		if f.Severity == "refuse" && first == "" {
			first = f.Name
		}
		v.finding(f)
	}
	for _, want := range v.Wants {
		if !names[want.Name+"="+want.Severity] {
			v.Errorf("%s: no %s=%s for %s; found %v", v.way, want.Name, want.Severity, v.What, v.names(said.Checks))
		}
	}
	if want := v.First(); want != "" && first != want {
		v.Errorf("%s: %q refuses first, want %s; found %v", v.way, first, want, v.names(said.Checks))
	}
}

func (v verdict) names(list []finding) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.Name+"="+f.Severity+": "+f.Message)
	}
	return names
}

func (v verdict) finding(f finding) {
	v.Helper()
	if slices.Contains(v.Nevers, f.Name) || f.Severity != "info" && !v.Allows(f.Name) {
		v.Errorf("%s: %s=%s for %s, want none: %s", v.way, f.Name, f.Severity, v.What, f.Message)
	}
	if !slices.Contains([]string{"refuse", "warn", "info"}, f.Severity) {
		v.Errorf("%s: severity %q of %s", v.way, f.Severity, f.Name)
	}
	if f.Certificate == "" || f.File == "" || f.Message == "" || f.Hint == "" && f.Severity != "info" {
		v.Errorf("%s: %+v, want certificate, file, message and hint", v.way, f)
	}
	for _, text := range []string{f.Certificate, f.File, f.Message, f.Hint} {
		if len(text) > longest {
			v.Errorf("%s: %s says %d bytes, want %d at most: %.200q…", v.way, f.Name, len(text), longest, text)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			v.Errorf("%s: %s says %q, want it printable", v.way, f.Name, text)
		}
	}
}

var check = regexp.MustCompile(`\(([a-z]+\.[a-z_]+)\)`)

// text holds what people read against the input: a refusal is a line for each
// finding that refuses, and after it one that says how to mend it.
func (v verdict) text(live string) {
	v.Helper()
	for _, want := range v.Wants {
		if want.Severity != "info" && !strings.Contains(v.got.Stdout+v.got.Stderr, "("+want.Name+")") {
			v.Errorf("%s: %v\nwant (%s)", v.way, v.got.Result, want.Name)
		}
	}
	lines := strings.Split(strings.TrimSuffix(v.got.Stderr, "\n"), "\n")
	if v.Accepted() {
		return
	}
	if len(lines)%2 != 0 {
		v.Errorf("%s: %d lines, want two a finding:\n%s", v.way, len(lines), v.got.Stderr)
		return
	}
	for n := 0; n < len(lines); n += 2 {
		fault, hint := lines[n], lines[n+1]
		found := check.FindAllStringSubmatch(fault, -1)
		if !strings.HasPrefix(fault, `error: certificate "`) || !strings.HasPrefix(hint, "hint: ") || len(found) == 0 {
			v.Errorf("%s: %q, %q; want an error of a certificate with its check, and a hint", v.way, fault, hint)
			continue
		}
		if !strings.Contains(fault+hint, live) {
			v.Errorf("%s: %q, %q; want the file named", v.way, fault, hint)
		}
		name := found[len(found)-1][1]
		if want := v.First(); n == 0 && want != "" && name != want || !v.Allows(name) && want != "" {
			v.Errorf("%s: %s refuses as number %d, want %s first: %s", v.way, name, n/2+1, want, fault)
		}
	}
}
