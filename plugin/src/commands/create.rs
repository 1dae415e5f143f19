//! `create`: clusters, users, templates and tokens, one by one or from a file.

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::CliError;
use cluster::CreateCluster;
use file::CreateFile;
use template::CreateTemplate;
use token::CreateToken;
use user::CreateUser;

mod cluster;
mod file;
mod template;
mod token;
mod user;

#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    before_help = "Examples:\n  kubectl cmp create cluster web --cpu 2 --memory 4Gi --count 3\n  kubectl cmp create -f clusters-and-users.yaml\n  kubectl cmp get cluster web -o yaml | kubectl cmp create -f - --owner mary"
)]
pub(crate) struct CreateArgs {
    #[command(subcommand)]
    pub(crate) what: Option<Create>,
    /// File with clusters, users, templates and prices, as `-o yaml` prints them; - for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Option<String>,
    #[command(flatten)]
    pub(crate) file: CreateFile,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Create {
    /// Create a cluster of identical instances
    Cluster(Box<CreateCluster>),
    /// Create a user with a quota
    User(CreateUser),
    /// Create a template of instances from a Pod or a VirtualMachine (administrators)
    Template(CreateTemplate),
    /// Create a token for a user
    Token(CreateToken),
}

pub(crate) async fn run(context: &Context<'_>, args: CreateArgs) -> Result<(), CliError> {
    let CreateArgs { what, filename, file } = args;
    if what.is_some() && (filename.is_some() || file.says_something()) {
        return Err(CliError::user("flags come after the type: kubectl cmp create TYPE NAME --flag")
            .hint("to create all objects in a file: kubectl cmp create -f FILE"));
    }
    match (what, filename) {
        (Some(Create::Cluster(args)), _) => Box::pin(cluster::run(context, *args)).await,
        (Some(Create::User(args)), _) => user::run(context, args).await,
        (Some(Create::Template(args)), _) => template::run(context, args).await,
        (Some(Create::Token(args)), _) => token::run(context, args).await,
        (None, Some(path)) => Box::pin(file::run(context, &path, &file)).await,
        (None, None) => {
            Err(CliError::user("missing: a type, or --filename <FILE>")
                .hint("see 'kubectl cmp create --help' for usage"))
        }
    }
}
