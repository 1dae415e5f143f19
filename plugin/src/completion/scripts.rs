//! What shells read to complete `kubectl-cmp` called by this name.

/// For bash, of any age.
pub(crate) const BASH: &str = include_str!("scripts/bash.sh");
/// For zsh.
pub(crate) const ZSH: &str = include_str!("scripts/zsh.sh");
/// For fish.
pub(crate) const FISH: &str = include_str!("scripts/fish.fish");
