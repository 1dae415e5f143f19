//! `resume`: resumes suspended clusters or instances.

use clap::Subcommand;

use crate::args::{InstanceArgs, LoginWaitArgs};
use crate::context::Context;
use crate::error::CliError;

mod cluster;
mod instance;

#[derive(Debug, Subcommand)]
pub(crate) enum Resume {
    /// Resume all suspended instances of clusters
    Cluster(cluster::ResumeClusters),
    /// Resume instances by name
    Instance(InstanceArgs<LoginWaitArgs>),
}

pub(crate) async fn run(context: &Context<'_>, resume: Resume) -> Result<(), CliError> {
    match resume {
        Resume::Cluster(args) => cluster::run(context, args).await,
        Resume::Instance(args) => instance::run(context, args).await,
    }
}
