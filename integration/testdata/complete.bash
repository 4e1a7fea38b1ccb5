# Completes each line that is an argument, and prints it, then what is offered.
source /dev/stdin <<<"$(handover completion bash)"
for line; do
    # Readline makes words of their own of signs that break words.
    read -ra COMP_WORDS <<<"${line//=/ = }"
    [[ $line == *[\ =] ]] && COMP_WORDS+=('')
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
    "$(complete -p handover | sed 's/.*-F \([^ ]*\).*/\1/')"
    printf '== %s\n' "$line"
    printf '%s\n' "${COMPREPLY[@]}"
done
