//! `describe`: details of an object, with its events.

use clap::Subcommand;

use cmp_core::name::{ClusterName, InstanceName, TemplateName, UserName};

use crate::args::Names;
use crate::context::Context;
use crate::error::CliError;

mod cluster;
mod instance;
mod template;
mod user;

#[derive(Debug, Subcommand)]
pub(crate) enum Describe {
    /// Show details of clusters
    Cluster(Names<ClusterName>),
    /// Show details of instances
    Instance(Names<InstanceName>),
    /// Show details of users (administrators)
    User(Names<UserName>),
    /// Show details of templates
    Template(Names<TemplateName>),
}

pub(crate) async fn run(context: &Context<'_>, describe: Describe) -> Result<(), CliError> {
    match describe {
        Describe::Cluster(args) => cluster::run(context, args.names).await,
        Describe::Instance(args) => instance::run(context, args.names).await,
        Describe::User(args) => user::run(context, args.names).await,
        Describe::Template(args) => template::run(context, args.names).await,
    }
}
