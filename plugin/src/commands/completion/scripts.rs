//! Scripts with which shells complete the command name `kubectl-cmp`.

/// The script for every version of bash.
pub(crate) const BASH: &str = include_str!("scripts/bash.sh");

/// The script for zsh.
pub(crate) const ZSH: &str = include_str!("scripts/zsh.sh");

/// The script for fish.
pub(crate) const FISH: &str = include_str!("scripts/fish.fish");
