//! Output of exported objects, as `create -f` reads them.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use cmp_core::keys;

use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object};

/// The format of an export.
#[derive(Debug, Args)]
pub(crate) struct ExportOutput {
    /// Output format: yaml (the default), json or name
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: ExportFormat,
}

/// Formats of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ExportFormat {
    #[default]
    Yaml,
    Json,
    Name,
}

/// An object of an export.
pub(super) struct Exported {
    /// The type and the name, as `-o name` prints them.
    pub(super) title: String,
    pub(super) object: Value,
}

impl ExportOutput {
    /// Prints several objects as one YAML document each, or as a JSON list.
    pub(super) fn print(&self, context: &Context<'_>, objects: &[Exported]) -> Result<(), CliError> {
        let ui = context.ui;
        match self.output {
            ExportFormat::Json => match objects {
                [one] => print_object(ui, &Format::Json, &one.object),
                _ => {
                    let items: Vec<&Value> = objects.iter().map(|one| &one.object).collect();
                    let list = json!({ "apiVersion": keys::API_VERSION, "kind": "List", "items": items });
                    print_object(ui, &Format::Json, &list)
                }
            },
            ExportFormat::Name => objects.iter().try_for_each(|one| ui.line(&one.title)),
            ExportFormat::Yaml => {
                for (at, one) in objects.iter().enumerate() {
                    if at > 0 {
                        ui.line("---")?;
                    }
                    print_object(ui, &Format::Yaml, &one.object)?;
                }
                Ok(())
            }
        }
    }
}
