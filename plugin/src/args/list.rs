//! Flags of a list: filter, order, output and watch.

use clap::{Arg, ArgAction, Args};

use crate::args::output::OutputArgs;
use crate::output::format::field_of;
use crate::output::jsonpath::Template;
use crate::output::selector::Selector;

/// Filter, sort and output flags of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Selector (label query) to filter on, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = Selector::read)]
    pub(crate) selector: Option<Selector>,
    /// When printing, show all labels as the last column
    #[arg(long)]
    pub(crate) show_labels: bool,
    /// Field to sort the list by, such as '{.spec.count}'
    #[arg(long, value_name = "FIELD", value_parser = field_of)]
    pub(crate) sort_by: Option<Template>,
}

/// Returns the flag `-A` of a list of objects that have no owner. It changes nothing, as kubectl's does for objects
/// without a namespace.
pub(crate) fn without_owner() -> Arg {
    let flag = Arg::new("all_namespaces").short('A').long("all-namespaces").action(ArgAction::SetTrue);
    flag.help("Accepted as in other lists; it changes nothing here")
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WatchArgs {
    /// After listing, watch for changes; with names, until all of them are gone
    #[arg(short, long, conflicts_with = "sort_by")]
    pub(crate) watch: bool,
}
