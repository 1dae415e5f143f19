#compdef kubectl-cmp
# Completion for the command name `kubectl-cmp`: add to ~/.zshrc, after compinit
#
#   source <(kubectl-cmp completion zsh)
#
# kubectl's own completion, source <(kubectl completion zsh), completes `kubectl cmp`. It needs `kubectl cmp completion
# install` once.

_kubectl_cmp() {
    local line directive=4
    local -a candidates suffix
    for line in "${(@f)$("${words[1]}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case $line in
            :*) directive=${line#:} ;;
            # A colon separates the description, so that a colon in the candidate needs a backslash.
            *) candidates+=("${${line//:/\\:}/$'\t'/:}") ;;
        esac
    done
    ((directive & 2)) && suffix=(-S '')
    if ((${#candidates})); then
        [[ $PREFIX == -*=* ]] && compset -P '*='
        _describe kubectl-cmp candidates "${suffix[@]}"
    elif ((!(directive & 4))); then
        [[ $PREFIX == -*=* ]] && compset -P '*='
        _files
    fi
}

compdef _kubectl_cmp kubectl-cmp
