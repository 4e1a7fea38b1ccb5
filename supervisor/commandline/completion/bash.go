package completion

import (
	"strings"

	"example.com/handover/supervisor/commandline/outline"
)

// bashHead finds out where in the line the cursor is: the command so far, the
// flag whose value comes next, and the file of -c. Bash has split --flag=value
// at the sign.
const bashHead = `# bash completion of handover: "handover completion bash" prints it.

_handover_certificates() {
    local program=$1 file=$2
    [[ $program == \~/* ]] && program=$HOME/${program:2}
    [[ $file == \~/* ]] && file=$HOME/${file:2}
    timeout 2 "$program" certs ${file:+-c "$file"} --json ` + certificates + `
}

# What follows "--" is another program with words of its own.
_handover_program() {
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (( COMP_CWORD == $1 )); then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -c -- "$cur"; compgen -d -- "$cur")
    else
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}

_handover() {
    local cur=${COMP_WORDS[COMP_CWORD]} path='' flag='' file='' flags='' words='' takes='' word n
    COMPREPLY=()
    for (( n = 1; n < COMP_CWORD; n++ )); do
        word=${COMP_WORDS[n]}
        if [[ $flag ]]; then
            [[ $word == = ]] && continue
            case $flag in -c|--config) file=$word ;; esac
            flag=''
            continue
        fi
        case "$path|$word" in
`

const bashTail = `    if [[ $flag ]]; then
        [[ $cur == = ]] && cur=''
        case "$path|$flag" in
`

// bashEnd offers what was found. Names of certificates are compared here, for
// compgen would evaluate them.
const bashEnd = `    if [[ $cur == -* || ! $words$takes ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
    elif [[ $takes == certificate ]]; then
        while IFS= read -r word; do
            [[ $word == "$cur"* ]] && COMPREPLY+=("$(printf %q "$word")")
        done < <(_handover_certificates "${COMP_WORDS[0]}" "$file")
    else
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    fi
}

complete -F _handover handover
`

func bash(program outline.Command, checks []Check) string {
	w := &writer{}
	w.WriteString(bashHead)
	commands := all(program)
	for _, c := range commands {
		if c.Takes() == outline.Program {
			w.line("            '%s|--') _handover_program $(( n + 1 )); return ;;", c.Path)
		}
		for _, f := range c.Flags {
			if f.Value != "" {
				w.line("            '%s|%s') flag=$word ;;", c.Path, strings.Join(f.Names, "'|'"+c.Path+"|"))
			}
		}
		for _, below := range c.Commands {
			w.line("            '%s|%s') path='%s' ;;", c.Path, below.Name(), below.Path)
		}
	}
	w.line("        esac\n    done")
	w.WriteString(bashTail)
	for _, c := range commands {
		for _, f := range c.Flags {
			if do := bashValue(f, checks); do != "" {
				w.line("            '%s|%s')\n%s ;;", c.Path, strings.Join(f.Names, "'|'"+c.Path+"|"), do)
			}
		}
	}
	w.line("        esac\n        return\n    fi\n    case $path in")
	for _, c := range commands {
		w.line("        '%s') %s ;;", c.Path, bashWords(c, program))
	}
	w.line("    esac")
	w.WriteString(bashEnd)
	return w.String()
}

// bashValue completes the value of a flag.
func bashValue(f outline.Flag, checks []Check) string {
	const indent = "                "
	switch f.Value {
	case outline.File:
		return indent + "compopt -o filenames 2>/dev/null\n" + indent + `mapfile -t COMPREPLY < <(compgen -f -- "$cur")`
	case outline.Check:
		return indent + "mapfile -t COMPREPLY < <(compgen -W '" + namesOf(offered(f.Names[0], checks)) + `' -- "$cur")`
	default:
		return ""
	}
}

// bashWords says which flags and words a command may have.
func bashWords(c, program outline.Command) string {
	var flags []string
	for _, f := range c.Flags {
		flags = append(flags, f.Names...)
	}
	words, takes := names(c.Commands), ""
	switch c.Takes() {
	case outline.Shell:
		words = Shells
	case outline.Other:
		words = names(program.Commands)
	case outline.Program:
		words, flags = []string{"--"}, append(flags, "--")
	case outline.Certificate:
		takes = " takes=certificate"
	}
	return "flags=" + quoted(strings.Join(flags, " ")) + " words=" + quoted(strings.Join(words, " ")) + takes
}
