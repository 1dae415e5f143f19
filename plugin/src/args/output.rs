//! Flags for the output format.

use clap::Args;

use crate::output::format::Format;

/// Output flags of a command that prints tables and objects.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// json, yaml, wide, name, jsonpath=..., custom-columns=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::any)]
    pub(crate) output: Option<Format>,
    /// Do not print headers
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// Output flag of a command that prints one object without a table.
#[derive(Debug, Clone, Args)]
pub(crate) struct ObjectArgs {
    /// json, yaml or jsonpath=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::object)]
    pub(crate) output: Option<Format>,
}
