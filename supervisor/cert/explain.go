package cert

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Entry is one check, for those who list them.
type Entry struct {
	Name     string `json:"name"`
	Severity string `json:"severity"` // refuse, warn, info or off, unless [tls.checks] moves it
	Fixed    bool   `json:"fixed"`    // cannot be moved
	Reason   string `json:"reason"`
}

// Catalogue lists every check, in the order in which findings are reported.
func Catalogue() []Entry {
	list := make([]Entry, 0, len(table))
	for _, k := range table {
		list = append(list, Entry{k.name, k.severity, k.fixed, k.reason})
	}
	return list
}

// Explain says what a check finds, why that matters, how to mend it, and what
// can be done about the check itself.
func Explain(name string) (string, error) {
	for _, k := range table {
		if k.name == name {
			e := explanations[name]
			return strings.Join([]string{
				fmt.Sprintf("%s: %s", k.name, k.severity),
				"What: " + sentence(e.means),
				"Why: " + sentence(k.reason),
				"Mend: " + sentence(e.mend),
				"Move: " + k.movement(),
			}, "\n"), nil
		}
	}
	return "", unknown(name)
}

// movement says where [tls.checks] can move k.
func (k check) movement() string {
	switch {
	case k.fixed:
		return "it is fixed: without it a worker cannot serve at all."
	case k.severity == off:
		return fmt.Sprintf("it refuses where verify under [tls] says system or names a file; [tls.checks] takes %q = \"warn\" or \"off\" too.", k.name)
	case k.severity == refuse:
		return fmt.Sprintf("[tls.checks] takes %q = \"warn\" or \"off\"; --allow %s lets it only warn, once.", k.name, k.name)
	}
	return fmt.Sprintf("[tls.checks] takes %q = \"refuse\", \"warn\" or \"off\".", k.name)
}

// sentence is text with a capital and a full stop.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

// explanation is what a row of the table does not say.
type explanation struct{ means, mend string }
