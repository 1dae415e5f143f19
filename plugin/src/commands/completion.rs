//! `completion`: installs or prints shell completion.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

pub(crate) mod install;
mod scripts;

#[derive(Debug, Subcommand)]
pub(crate) enum Completion {
    /// Register `kubectl cmp` with kubectl's own completion
    Install(install::CompletionInstall),
    /// Print the bash completion script for the command name `kubectl-cmp`
    #[command(before_help = "Examples:\n  source <(kubectl-cmp completion bash)")]
    Bash,
    /// Print the zsh completion script for the command name `kubectl-cmp`
    #[command(before_help = "Examples:\n  source <(kubectl-cmp completion zsh)")]
    Zsh,
    /// Print the fish completion script for the command name `kubectl-cmp`
    #[command(before_help = "Examples:\n  kubectl-cmp completion fish | source")]
    Fish,
}

pub(crate) fn run(context: &Context<'_>, completion: Completion) -> Result<(), CliError> {
    match completion {
        Completion::Install(args) => install::run(context, args),
        Completion::Bash => context.ui.out(scripts::BASH),
        Completion::Zsh => context.ui.out(scripts::ZSH),
        Completion::Fish => context.ui.out(scripts::FISH),
    }
}
