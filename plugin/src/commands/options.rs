//! `options`: the flags that every command takes.

use crate::args::global_flags;
use crate::context::Context;
use crate::error::CliError;

pub(crate) fn run(context: &Context<'_>) -> Result<(), CliError> {
    context.ui.out(&global_flags())
}
