//! The flag `--yes`.

use clap::Args;

/// The flag that confirms in advance.
#[derive(Debug, Clone, Args)]
pub(crate) struct YesArg {
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
}
