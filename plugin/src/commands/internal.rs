//! Commands that this program starts itself, as a part of another command. They may change at any time.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod stream;

#[derive(Debug, Subcommand)]
pub(crate) enum Internal {
    /// Connect standard input and output with a port of a VM
    Stream(stream::StreamArgs),
}

pub(crate) async fn run(context: &Context<'_>, args: Internal) -> Result<(), CliError> {
    match args {
        Internal::Stream(args) => stream::run(context, args).await,
    }
}
