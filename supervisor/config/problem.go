package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"example.com/handover/supervisor/status"
)

// Problem is one thing that is wrong with a config.
type Problem struct {
	File    string // absolute; empty if the config came from no file
	Line    int    // from 1; 0 if no line is to blame
	Key     string // such as workers or listen[0].address; empty if none is to blame
	Message string // what was found and what was expected
	Hint    string // how to mend it; may be empty
}

// String says where and what, without the hint.
func (p Problem) String() string {
	text := p.Message
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	if p.File != "" {
		text = p.File + ": " + text
	}
	return text
}

// Problem returns what others than this package find wrong with a key, in the
// file and on the line that the config was read from.
func (c *Config) Problem(key, hint, format string, args ...any) Problem {
	return Problem{File: c.Path, Line: lineIn(c.lines, key), Key: key, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// Error is every problem of a config, in the order of its lines.
type Error struct {
	Problems []Problem
}

// Error has one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems))
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// Failure returns the problems as what a command ends with.
func (e *Error) Failure() *status.Failure {
	f := &status.Failure{Code: status.ExitConfig}
	for _, p := range e.Problems {
		f.Complaints = append(f.Complaints, status.Complaint{Message: p.String(), Hint: p.Hint})
	}
	return f
}

// failure returns the problems as an error, or nil if there are none.
func failure(problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	for i := range problems {
		p := &problems[i]
		p.Message, p.Hint = strings.Map(printable, p.Message), strings.Map(printable, p.Hint)
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Key, b.Key))
	})
	return &Error{Problems: problems}
}

// printable keeps what a file holds from moving the cursor of whoever reads of
// it, and every problem on one line.
func printable(c rune) rune {
	if unicode.IsPrint(c) {
		return c
	}
	return unicode.ReplacementChar
}

// Nearest returns the word that word was probably meant to be, or "".
func Nearest(word string, words []string) string {
	best, least := "", max(2, len(word)/3)+1
	if len(word) < 3 {
		least = 2
	}
	for _, w := range words {
		n := distance(strings.ToLower(word), w)
		if min(len(w), len(word)) >= 3 && (strings.HasPrefix(w, word) || strings.HasPrefix(word, w)) {
			n = min(n, 1) // as "warning" is for "warn"
		}
		if n == 2 && len(word) == 3 && !permuted(strings.ToLower(word), w) {
			continue // two of three letters wrong is another word
		}
		if n < least {
			best, least = w, n
		}
	}
	return best
}

// permuted says whether a and b have the same letters.
func permuted(a, b string) bool {
	x, y := []byte(a), []byte(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// meant is the hint for a word that resembles one of words.
func meant(word string, words []string) string {
	if w := Nearest(word, words); w != "" {
		return fmt.Sprintf("did you mean %q?", w)
	}
	return ""
}

// distance counts the letters to insert, delete or replace to get from a to b
// (Levenshtein). Words too long to be anybody's typing error are far away.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// either joins words as in "debug, info or warn".
func either(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
