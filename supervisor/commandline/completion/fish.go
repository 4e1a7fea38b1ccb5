package completion

import (
	"strings"

	"example.com/handover/supervisor/commandline/outline"
)

// fishHead finds the command that was typed so far; "--" is one, as what
// follows it belongs to another program.
const fishHead = `# fish completion of handover: "handover completion fish" prints it.

function __handover_path
    set -l path
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch "$path|$word"
`

const fishTail = `        end
    end
    echo "$path"
end

function __handover_at
    test (__handover_path) = "$argv"
end

function __handover_certificates
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    set -l file
    for n in (seq (count $words))
        switch $words[$n]
            case -c --config
                set file -c (string replace -r '^~/' "$HOME/" -- $words[(math $n + 1)])
            case '--config=*'
                set file -c (string replace -r '^~/' "$HOME/" -- (string sub -s 10 -- $words[$n]))
        end
    end
    timeout 2 $program certs $file --json ` + certificates + `
end

function __handover_program
    set -l words (commandline -opc)
    set -l at (contains -i -- -- $words)
    set -l rest (string escape -- $words[(math $at + 1)..-1]) (commandline -ct)
    complete -C (string join ' ' -- $rest)
end

`

func fish(program outline.Command, checks []Check) string {
	w := &writer{}
	w.WriteString(fishHead)
	commands := all(program)
	for _, c := range commands {
		for _, f := range c.Flags {
			if f.Value != "" {
				w.line("            case '%s|%s'\n                set skip 1", c.Path, strings.Join(f.Names, "' '"+c.Path+"|"))
			}
		}
		if c.Takes() == outline.Program {
			w.line("            case '%s|--'\n                set path '%s --'\n                break", c.Path, c.Path)
		}
		for _, below := range c.Commands {
			w.line("            case '%s|%s'\n                set path '%s'", c.Path, below.Name(), below.Path)
		}
	}
	w.WriteString(fishTail)
	for _, name := range checkFlags {
		w.line("function __handover_checks%s", suffix(name))
		for _, k := range offered(name, checks) {
			w.line("    printf '%%s\\t%%s\\n' %s %s", k.Name, quoted(k.Reason))
		}
		w.line("end")
	}
	w.line("complete -c handover -e\ncomplete -c handover -f")
	for _, c := range commands {
		at := "complete -c handover -n '__handover_at " + c.Path + "'"
		for _, below := range c.Commands {
			w.line("%s -a %s -d %s", at, below.Name(), quoted(below.Usage))
		}
		fishWords(w, at, c, program)
		for _, f := range c.Flags {
			w.line("%s%s", at, fishFlag(f))
		}
	}
	return w.String()
}

func fishFlag(f outline.Flag) string {
	text := ""
	for _, name := range f.Names {
		if long, ok := strings.CutPrefix(name, "--"); ok {
			text += " -l " + long
		} else {
			text += " -s " + strings.TrimPrefix(name, "-")
		}
	}
	switch f.Value {
	case "":
	case outline.File:
		text += " -r -F"
	case outline.Check:
		text += " -x -a '(__handover_checks" + suffix(f.Names[0]) + ")'"
	default:
		text += " -x"
	}
	return text + " -d " + quoted(f.Usage)
}

// fishWords offers what goes after the flags.
func fishWords(w *writer, at string, c, program outline.Command) {
	switch c.Takes() {
	case outline.Shell:
		w.line("%s -a '%s'", at, strings.Join(Shells, " "))
	case outline.Other:
		for _, other := range program.Commands {
			w.line("%s -a %s -d %s", at, other.Name(), quoted(other.Usage))
		}
	case outline.Certificate:
		w.line("%s -a '(__handover_certificates)' -d certificate", at)
	case outline.Program:
		w.line("%s -a -- -d %s", at, quoted("then the program and its arguments"))
		w.line("complete -c handover -n '__handover_at %s --' -a '(__handover_program)'", c.Path)
	}
}
