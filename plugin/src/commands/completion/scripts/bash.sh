# Completion for the command name `kubectl-cmp`: add to ~/.bashrc
#
#   source <(kubectl-cmp completion bash)
#
# kubectl's own completion, source <(kubectl completion bash), completes `kubectl cmp`. It needs `kubectl cmp completion
# install` once.

_kubectl_cmp() {
    # COMP_WORDS splits --flag=value at the =; COMP_LINE does not.
    local typed=${COMP_LINE:0:COMP_POINT} words line directive=4
    read -ra words <<<"$typed"
    [[ $typed == *' ' ]] && words+=('')
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :*) directive=${line#:} ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
    if ((directive & 2)); then
        compopt -o nospace 2>/dev/null
    fi
    if ((!(directive & 4))); then
        compopt -o default 2>/dev/null
    fi
}

complete -F _kubectl_cmp kubectl-cmp
