//! `suspend instance`: suspends instances by name.

use clap::Args;

use cmp_core::vocabulary::Verb;

use crate::args::{InstanceArgs, SuspendArgs};
use crate::commands::shared::lifecycle;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
pub(crate) struct SuspendInstances {
    #[command(flatten)]
    pub(crate) how: SuspendArgs,
    #[command(flatten)]
    pub(crate) which: InstanceArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: SuspendInstances) -> Result<(), CliError> {
    lifecycle::instances(context, Verb::Suspend, args.which, args.how.into()).await
}
