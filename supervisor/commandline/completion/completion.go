package completion

import (
	"fmt"
	"strings"

	"example.com/handover/supervisor/commandline/outline"
)

// Check is what may follow --allow and --explain.
type Check struct {
	Name, Reason string
	Fixed        bool // cannot be allowed
}

// Shells are those that there is a script for.
var Shells = []string{"bash", "zsh", "fish"}

// Script returns the script of a shell for a program.
func Script(shell string, program outline.Command, checks []Check) (text string, known bool) {
	switch shell {
	case "bash":
		return bash(program, checks), true
	case "zsh":
		return zsh(program, checks), true
	case "fish":
		return fish(program, checks), true
	default:
		return "", false
	}
}

// all are the commands that can be typed, and the program itself.
func all(program outline.Command) []outline.Command {
	var list []outline.Command
	program.Walk(func(c outline.Command) { list = append(list, c) })
	return list
}

// names are those of the commands.
func names(commands []outline.Command) []string {
	list := make([]string, 0, len(commands))
	for _, c := range commands {
		list = append(list, c.Name())
	}
	return list
}

// suffix makes of a path or a flag the end of a function's name.
func suffix(path string) string {
	if path == "" {
		return ""
	}
	return "_" + strings.ReplaceAll(strings.TrimLeft(path, "-"), " ", "_")
}

// checkFlags are the flags that take the name of a check.
var checkFlags = []string{"--allow", "--explain"}

// offered are the checks that make sense after a flag: all can be explained.
func offered(flag string, checks []Check) []Check {
	var list []Check
	for _, k := range checks {
		if !k.Fixed || flag != "--allow" {
			list = append(list, k)
		}
	}
	if flag == "--explain" {
		list = append(list, Check{Name: "all", Reason: "a line for each check"})
	}
	return list
}

func namesOf(checks []Check) string {
	list := make([]string, 0, len(checks))
	for _, k := range checks {
		list = append(list, k.Name)
	}
	return strings.Join(list, " ")
}

// quoted is text as one word of a shell: all three know single quotes, and that
// a quote inside of them ends them.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// writer collects the lines of a script.
type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }

// certificates is how each shell learns the names of certificates: the command
// prints a field a line. Fish takes two backslashes in quotes for one, which is
// the same to sed inside of brackets.
const certificates = `2>/dev/null | sed -n -e '/[\\]/d' -e 's/^      "name": "\(.*\)",$/\1/p'`
