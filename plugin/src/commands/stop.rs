//! `stop`: stops instances by name.

use clap::{Args, Subcommand};

use cmp_core::vocabulary::Verb;

use crate::args::{InstanceArgs, YesArg};
use crate::commands::shared::lifecycle::{self, How};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum Stop {
    /// Apply the command to instances by name
    Instance(StopInstances),
}

#[derive(Debug, Args)]
pub(crate) struct StopInstances {
    #[command(flatten)]
    pub(crate) yes: YesArg,
    #[command(flatten)]
    pub(crate) which: InstanceArgs,
}

pub(crate) async fn run(context: &Context<'_>, stop: Stop) -> Result<(), CliError> {
    match stop {
        Stop::Instance(StopInstances { yes, which }) => {
            lifecycle::instances(context, Verb::Stop, which, How { yes: yes.yes, ..How::default() }).await
        }
    }
}
