//! Flags for the output format.

use clap::{Args, ValueEnum};

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

/// Output flag of a command that prints a line for each object, such as `cluster/web deleted`.
#[derive(Debug, Clone, Args)]
pub(crate) struct LineArgs {
    /// name: print only the type and the name of each object
    #[arg(short, long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub(crate) output: Option<LineFormat>,
}

/// Output formats of a command that prints lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineFormat {
    Name,
}

/// Output flag of a command that prints one object without a table.
#[derive(Debug, Clone, Args)]
pub(crate) struct ObjectArgs {
    /// json, yaml or jsonpath=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::object)]
    pub(crate) output: Option<Format>,
}

/// Formats of an object in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum TextFormat {
    #[default]
    Yaml,
    Json,
}

impl TextFormat {
    /// Returns the name of the format, which is the ending of its files.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "yaml",
            Self::Json => "json",
        }
    }
}
