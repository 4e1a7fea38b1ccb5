package outline

import (
	"regexp"
	"strings"
)

// Command is a command, or the program itself.
type Command struct {
	Path        string // such as "certs rollback"; empty: the program
	Usage       string // in a line
	Words       string // what goes after the flags, such as "[NAME]"; may be empty
	Description string // paragraphs; one that is indented is an example
	Flags       []Flag
	Commands    []Command
}

// Flag is a flag of a command.
type Flag struct {
	Names   []string // with their dashes, the long one first
	Value   string   // what it takes, such as "FILE"; empty: nothing
	Usage   string
	Default string // in words; may be empty
	Repeats bool
}

// What a flag or a command takes, by the name that the help has for it.
const (
	File        = "FILE"
	Check       = "CHECK"
	Certificate = "NAME"
	Shell       = "SHELL"
	Other       = "COMMAND" // another command of this program
	Program     = "-- COMMAND ARG..."
)

// Name is the last word of the path.
func (c Command) Name() string { return c.Path[strings.LastIndexByte(c.Path, ' ')+1:] }

// Takes is what goes after the flags, without the brackets that say that it may
// be missing.
func (c Command) Takes() string { return strings.Trim(c.Words, "[]") }

// Walk calls visit for c and all commands below it, each before its own.
func (c Command) Walk(visit func(Command)) {
	visit(c)
	for _, below := range c.Commands {
		below.Walk(visit)
	}
}

// WordsOf returns what the line of usage of the command at path has after the
// flags.
func WordsOf(usage, path string) string {
	options := regexp.MustCompile(`\[(-\w|--\w)[^]]*\]|\[OPTIONS\]`)
	line, _, _ := strings.Cut(usage, "\n")
	_, rest, _ := strings.Cut(line, path)
	return strings.Join(strings.Fields(options.ReplaceAllString(rest, "")), " ")
}
