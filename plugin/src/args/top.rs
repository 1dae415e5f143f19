//! Flags of `top`.

use clap::{Args, ValueEnum};

use cmp_core::load::Measure;

use crate::args::list::ListArgs;
use crate::args::output::OutputArgs;
use crate::output::selector::Selector;

/// Filter, sort and output flags of `top`.
#[derive(Debug, Clone, Args)]
pub(crate) struct TopArgs {
    /// Print once; on a terminal the table is redrawn every 2 seconds until q or ctrl-C
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Selector (label query) to filter on, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = Selector::read)]
    pub(crate) selector: Option<Selector>,
    /// Sort by the use of this resource, the highest first
    #[arg(long, value_name = "RESOURCE", value_enum)]
    pub(crate) sort_by: Option<SortBy>,
}

impl TopArgs {
    /// Returns the flags that every list has.
    pub(crate) fn list(&self) -> ListArgs {
        ListArgs { output: self.output.clone(), selector: self.selector.clone(), sort_by: None, show_labels: false }
    }
}

/// A resource to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortBy {
    Cpu,
    Memory,
}

impl From<SortBy> for Measure {
    fn from(by: SortBy) -> Self {
        match by {
            SortBy::Cpu => Self::Cpu,
            SortBy::Memory => Self::Memory,
        }
    }
}
