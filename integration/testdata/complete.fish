# Completes each line that is an argument, and prints it, then what is offered.
handover completion fish | source
for line in $argv
    echo "== $line"
    complete -C "$line"
end
