package manual

import (
	"regexp"
	"strings"
)

// configuration writes the keys of the example file, by table, each with its
// default and its comment.
func (r *roff) configuration(example string) {
	// The head of a table; a key with what it is and perhaps a comment, one that is
	// commented out too; a comment.
	tableHead := regexp.MustCompile(`^\[+([a-z_.]+)\]+$`)
	keyLine := regexp.MustCompile(`^(?:# )?((?:[a-z_]+|"[a-z_.]+") = (?:"[^"]*"|\[[^]]*\]|[^ ]+))(?:\s+# (.*))?$`)
	comment := regexp.MustCompile(`^\s*# ?(.*)$`)
	var above []string // comments that may belong to a table
	paragraph := func() {
		if len(above) > 0 {
			r.paragraph()
		}
		for _, line := range above {
			r.line(escape(line))
		}
		above = nil
	}
	inKey := false
	for line := range strings.Lines(example) {
		line = strings.TrimRight(line, "\n")
		head, key, text := tableHead.FindStringSubmatch(line), keyLine.FindStringSubmatch(line), comment.FindStringSubmatch(line)
		switch {
		case head != nil:
			r.sub(line)
			paragraph()
		case key != nil:
			paragraph()
			r.tagged(bold(key[1]), key[2])
		case text != nil && inKey && strings.HasPrefix(line, " "):
			r.line(escape(text[1]))
			continue
		case text != nil && text[1] == "": // only the words at the top have paragraphs, and the last one says what holds for every key
			above = nil
		case text != nil:
			above = append(above, strings.TrimSpace(text[1]))
		}
		inKey = key != nil
	}
}
