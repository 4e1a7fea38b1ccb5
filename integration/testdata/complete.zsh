# Completes each line that is an argument, and prints it, then what is offered:
# in a shell with a terminal of its own, whose compadd also tells what it adds.
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PROMPT=; stty -echo; autoload -Uz compinit && compinit -u -D; source <(handover completion zsh)'
zpty -w shell 'compadd() {
    [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] || { local -a hits; builtin compadd -O hits "$@"; OFFERS+=($hits) }
    builtin compadd "$@"
}'
zpty -w shell 'tell() { print -rl "<""<<" $OFFERS ">"">>"; OFFERS=() BUFFER=; }; zle -N tell; OFFERS=()'
zpty -w shell 'bindkey "^I" complete-word; bindkey "^X^F" tell'
for line; do
    zpty -w -n shell "$line"$'\t\030\006'
    zpty -r shell text '*>>>*'
    print -r -- "== $line"
    text=${${text##*<<<}%%>>>*}
    print -r -- ${text//$'\r'/}
done
zpty -d shell
