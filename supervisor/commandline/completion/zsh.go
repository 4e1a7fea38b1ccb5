package completion

import (
	"fmt"
	"slices"
	"strings"

	"example.com/handover/supervisor/commandline/outline"
)

const zshHead = `#compdef handover
# zsh completion of handover: "handover completion zsh" prints it.

_handover_certificates() {
    local -a found; local program=${(Q)line_so_far[1]} file='' n
    program=${program/#\~\//$HOME/}
    for (( n = 2; n < $#line_so_far; n++ )); do
        case $line_so_far[n] in
            (-c|--config) file=${(Q)line_so_far[n+1]} ;;
            (--config=*) file=${(Q)line_so_far[n]#--config=} ;;
        esac
    done
    file=${file/#\~\//$HOME/}
    found=(${(f)"$(timeout 2 $program certs ${file:+-c} $file --json ` + certificates + `)"})
    _wanted certificates expl certificate compadd -a found
}

`

const zshMain = `_handover() {
    local curcontext=$curcontext state line ret=1
    local -a line_so_far=($words)
    typeset -A opt_args
`

const zshEnd = `    return ret
}

if [[ $funcstack[1] == _handover ]]; then
    _handover "$@"
else
    compdef _handover handover
fi
`

func zsh(program outline.Command, checks []Check) string {
	w := &writer{}
	w.WriteString(zshHead)
	zshLists(w, program, checks)
	w.WriteString(zshMain)
	zshCommand(w, program, "    ")
	w.WriteString(zshEnd)
	return w.String()
}

// zshLists writes the functions that offer the names of commands and checks.
func zshLists(w *writer, program outline.Command, checks []Check) {
	for _, c := range all(program) {
		if len(c.Commands) == 0 {
			continue
		}
		w.line("_handover_commands%s() {\n    local -a found=(", suffix(c.Path))
		for _, below := range c.Commands {
			w.line("        %s", quoted(below.Name()+":"+strings.ReplaceAll(below.Usage, ":", `\:`)))
		}
		w.line("    )\n    _describe -t commands command found\n}\n")
	}
	for _, name := range checkFlags {
		w.line("_handover_checks%s() {\n    local -a found=(", suffix(name))
		for _, k := range offered(name, checks) {
			w.line("        %s", quoted(k.Name+":"+strings.ReplaceAll(k.Reason, ":", `\:`)))
		}
		w.line("    )\n    _describe -t checks check found\n}\n")
	}
}

// zshCommand completes a command and, where it has others below it, those: once
// the name of one was typed, all flags (-A) are that one's.
func zshCommand(w *writer, c outline.Command, indent string) {
	options := map[bool]string{true: `-A "-*" `}[len(c.Commands) > 0]
	w.line("%s_arguments -C %s\\", indent, options)
	for _, f := range c.Flags {
		w.line("%s    %s \\", indent, zshFlag(f))
	}
	if len(c.Commands) == 0 {
		w.line("%s    %s && ret=0", indent, zshWords(c))
		return
	}
	w.line("%s    '1: :_handover_commands%s' '*:: :->below' && ret=0", indent, suffix(c.Path))
	w.line("%s[[ $state == below ]] && case $words[1] in", indent)
	for _, below := range c.Commands {
		w.line("%s    (%s)", indent, below.Name())
		inner := indent + "        "
		if below.Takes() == outline.Program {
			w.line("%slocal at=${words[(i)--]}", inner)
			w.line("%sif (( at < CURRENT )); then", inner)
			w.line("%s    shift $at words; (( CURRENT -= at )); _normal; return", inner)
			w.line("%sfi", inner)
			w.line("%s[[ $PREFIX == (|-|--) ]] && compadd -- -- && ret=0", inner)
		}
		w.line("%sstate=", inner)
		zshCommand(w, below, inner)
		w.line("%s;;", inner)
	}
	w.line("%sesac", indent)
}

// zshFlag is the specification of a flag for _arguments.
func zshFlag(f outline.Flag) string {
	text := "[" + strings.NewReplacer("[", `\[`, "]", `\]`).Replace(f.Usage) + "]"
	forms := slices.Clone(f.Names)
	if f.Value != "" {
		text += ":" + f.Value + ":" + zshValue(f)
		forms[0] += "=" // or the next word
	}
	switch {
	case f.Repeats:
		return fmt.Sprintf("'*'%s%s", forms[0], quoted(text))
	case len(f.Names) > 1:
		return fmt.Sprintf("'(%s)'{%s}%s", strings.Join(f.Names, " "), strings.Join(forms, ","), quoted(text))
	default:
		return forms[0] + quoted(text)
	}
}

func zshValue(f outline.Flag) string {
	switch f.Value {
	case outline.File:
		return "_files"
	case outline.Check:
		return "_handover_checks" + suffix(f.Names[0])
	default:
		return " "
	}
}

// zshWords is the specification of what goes after the flags.
func zshWords(c outline.Command) string {
	switch c.Takes() {
	case outline.Shell:
		return "'1:shell:(" + strings.Join(Shells, " ") + ")'"
	case outline.Other:
		return "'1: :_handover_commands'"
	case outline.Certificate:
		return "'1: :_handover_certificates'"
	case "", outline.Program:
		return "': :'"
	default:
		return "'1:" + c.Takes() + ": '"
	}
}
