package chaos

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Step is one fault: what, whom or what it strikes, and what goes on meanwhile.
type Step struct {
	Fault string
	On    string
	With  string        // asked for beforehand, or while a lasting fault lasts; empty: nothing
	After time.Duration // how long after that, or into it, a sudden fault strikes
	For   time.Duration // how long it lasts
	Count int           // how many, or how much is left, or how many there shall be
}

// String writes a step as Parse reads it.
func (s Step) String() string {
	words := []string{s.Fault, s.On}
	add := func(key, value string, set bool) {
		if set {
			words = append(words, key+"="+value)
		}
	}
	add("with", s.With, s.With != "")
	add("after", s.After.String(), s.After != 0)
	add("for", s.For.String(), s.For != 0)
	add("count", strconv.Itoa(s.Count), s.Count != 0)
	return strings.Join(words, " ")
}

// Parse reads steps, separated by semicolons or line ends.
func Parse(text string) ([]Step, error) {
	var steps []Step
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		s, err := parse(line)
		if err != nil {
			return nil, fmt.Errorf("read step %q: %v", line, err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func parse(line string) (Step, error) {
	words := strings.Fields(line)
	if len(words) < 2 {
		return Step{}, fmt.Errorf("found %d words, expected a fault and what it strikes", len(words))
	}
	s := Step{Fault: words[0], On: words[1]}
	if !slices.ContainsFunc(Deck, func(c Card) bool { return c.Fault == s.Fault && slices.Contains(c.On, s.On) }) {
		return Step{}, fmt.Errorf("found %q on %q, expected a fault of the deck", s.Fault, s.On)
	}
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		var err error
		switch key {
		case "with":
			s.With = value
		case "after":
			s.After, err = time.ParseDuration(value)
		case "for":
			s.For, err = time.ParseDuration(value)
		case "count":
			s.Count, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("found %q, expected with, after, for or count", key)
		}
		if err != nil {
			return Step{}, err
		}
	}
	return s, nil
}
