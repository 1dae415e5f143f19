//! `start`: starts instances by name.

use clap::Subcommand;

use cmp_core::vocabulary::Verb;

use crate::args::{InstanceArgs, LoginWaitArgs};
use crate::commands::shared::lifecycle::{self, How};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Subcommand)]
pub(crate) enum Start {
    /// Apply the command to instances by name
    Instance(InstanceArgs<LoginWaitArgs>),
}

pub(crate) async fn run(context: &Context<'_>, start: Start) -> Result<(), CliError> {
    match start {
        Start::Instance(args) => lifecycle::instances(context, Verb::Start, args, How::default()).await,
    }
}
