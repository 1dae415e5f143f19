# Completion for the command name `kubectl-cmp`: add to ~/.config/fish/config.fish
#
#   kubectl-cmp completion fish | source
#
# kubectl's own completion, kubectl completion fish | source, completes `kubectl cmp`. It needs `kubectl cmp completion
# install` once.

function __kubectl_cmp
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l plugin $before[1]
    set -e before[1]
    set -l answer ($plugin __complete $before "$current" 2>/dev/null)
    set -l directive (string replace -r '^:' '' -- $answer[-1])
    # fish expects candidates that are whole words.
    set -l flag (string match -r -- '^-[^=]*=' "$current")
    if test (count $answer) -gt 1
        for candidate in $answer[1..-2]
            printf '%s\n' "$flag$candidate"
        end
    else if test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path (string replace -r -- '^-[^=]*=' '' "$current")
    end
end

complete -c kubectl-cmp -f -a '(__kubectl_cmp)'
