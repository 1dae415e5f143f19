//! Flags of a command that changes objects.

use clap::Args;

use crate::args::dry_run::DryRunArgs;
use crate::output::format::Format;

#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    /// json, yaml, name or jsonpath=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::any)]
    pub(crate) output: Option<Format>,
}

impl ChangeArgs {
    /// Reports whether the command prints the changed objects, and not only a line for each change.
    pub(crate) fn prints_objects(&self) -> bool {
        self.output.as_ref().is_some_and(Format::is_of_objects)
    }
}
