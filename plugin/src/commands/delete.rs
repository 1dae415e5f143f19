//! `delete`: deletes objects of one type.

use clap::Subcommand;

use crate::context::Context;
use crate::error::CliError;

mod cluster;
mod snapshot;
mod template;
mod token;
mod user;

#[derive(Debug, Subcommand)]
pub(crate) enum Delete {
    /// Delete clusters with everything in them
    Cluster(cluster::DeleteCluster),
    /// Delete snapshots of a cluster, and give their room back
    Snapshot(snapshot::DeleteSnapshot),
    /// Delete users and their access (administrators)
    User(user::DeleteUser),
    /// Delete templates (administrators); instances that were made from them stay
    Template(template::DeleteTemplate),
    /// Revoke a token of a user (administrators)
    Token(token::DeleteToken),
}

pub(crate) async fn run(context: &Context<'_>, delete: Delete) -> Result<(), CliError> {
    match delete {
        Delete::Cluster(args) => cluster::run(context, args).await,
        Delete::Snapshot(args) => snapshot::run(context, args).await,
        Delete::User(args) => user::run(context, args).await,
        Delete::Template(args) => template::run(context, args).await,
        Delete::Token(args) => token::run(context, args).await,
    }
}
