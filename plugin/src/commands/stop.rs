//! `stop`: stops instances by name.

use clap::Subcommand;

use cmp_core::vocabulary::Verb;

use crate::args::InstanceArgs;
use crate::commands::shared::lifecycle;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum Stop {
    /// Apply the command to instances by name
    Instance(InstanceArgs),
}

pub(crate) async fn run(context: &Context<'_>, stop: Stop) -> Result<(), CliError> {
    match stop {
        Stop::Instance(args) => lifecycle::instances(context, Verb::Stop, args, None).await,
    }
}
