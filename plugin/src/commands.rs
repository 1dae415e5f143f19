//! The commands, one file for each, and their dispatch.

use crate::cli::{
    Arguments, Command, Completion, Create, CreateArgs, Delete, Describe, Export, Get, Instances, Resize, Resume,
    Scale, Schedule, Set, Suspend,
};
use crate::completion;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Ui;
use cmp_core::lifecycle::Verb;

mod check;
mod create_cluster;
mod delete_cluster;
mod describe;
mod events;
mod export;
mod get;
mod install;
mod into;
mod lifecycle;
mod mirror;
mod namespaces;
mod objects;
mod orphans;
mod probes;
mod quota;
mod report;
mod resize;
mod scale;
mod schedules;
pub(crate) mod templates;
mod tokens;
mod uninstall;
mod users;
mod version;
mod waiting;
mod wants;
mod watch;
mod whoami;

pub(crate) use tokens::ids as token_ids;

/// Runs a command, and prints the warnings of the API server.
pub(crate) async fn run(arguments: Arguments, ui: &Ui) -> Result<(), CliError> {
    let context = Context::new(ui, arguments.global);
    let done = dispatch(&context, arguments.command).await;
    context.warn();
    done
}

async fn dispatch(context: &Context<'_>, command: Command) -> Result<(), CliError> {
    match command {
        Command::Create(args) => create(context, *args).await,
        Command::Get(Get::Clusters(args)) => get::clusters(context, args).await,
        Command::Get(Get::Instances(args)) => get::instances(context, args).await,
        Command::Get(Get::Schedules(args)) => schedules::get(context, args).await,
        Command::Get(Get::Users(args)) => users::get(context, args).await,
        Command::Get(Get::Templates(args)) => templates::get(context, args).await,
        Command::Get(Get::Tokens(args)) => tokens::get(context, args).await,
        Command::Describe(Describe::Cluster(args)) => describe::clusters(context, args.names).await,
        Command::Describe(Describe::Instance(args)) => describe::instances(context, args.names).await,
        Command::Describe(Describe::User(args)) => describe::users(context, args.names).await,
        Command::Describe(Describe::Template(args)) => templates::describe(context, args.names).await,
        Command::Delete(Delete::Cluster(args)) => delete_cluster::run(context, args).await,
        Command::Delete(Delete::User(args)) => users::delete(context, args).await,
        Command::Delete(Delete::Template(args)) => templates::delete(context, args).await,
        Command::Delete(Delete::Token(args)) => tokens::delete(context, args).await,
        Command::Resize(Resize::Cluster(args)) => resize::run(context, args).await,
        Command::Export(Export::Cluster(args)) => export::run(context, args).await,
        Command::Exec(args) => into::exec(context, args).await,
        Command::Logs(args) => into::logs(context, args).await,
        Command::Console(args) => into::console(context, args).await,
        Command::Vnc(args) => into::vnc(context, args).await,
        Command::Ssh(args) => into::ssh(context, args).await,
        Command::Events(args) => events::run(context, args).await,
        Command::Scale(Scale::Cluster(args)) => scale::run(context, args).await,
        Command::Start(Instances::Instance(args)) => lifecycle::instances(context, Verb::Start, args, None).await,
        Command::Stop(Instances::Instance(args)) => lifecycle::instances(context, Verb::Stop, args, None).await,
        Command::Suspend(Suspend::Instance(args)) => {
            lifecycle::instances(context, Verb::Suspend, args.which, Some(args.how)).await
        }
        Command::Suspend(Suspend::Cluster(args)) => {
            lifecycle::clusters(context, Verb::Suspend, args.which, Some(args.how), args.span).await
        }
        Command::Resume(Resume::Instance(args)) => lifecycle::instances(context, Verb::Resume, args, None).await,
        Command::Resume(Resume::Cluster(args)) => {
            lifecycle::clusters(context, Verb::Resume, args.which, None, args.span).await
        }
        Command::Schedule(Schedule::Cluster(args)) => schedules::run(context, args).await,
        Command::Report(args) => report::run(context, args).await,
        Command::Set(Set::Quota(args)) => quota::set(context, args).await,
        Command::Quota(args) => quota::show(context, args).await,
        Command::Whoami(args) => whoami::run(context, args).await,
        Command::Mirror(args) => mirror::run(context, args).await,
        Command::Install(args) => install::run(context, args).await,
        Command::Check(args) => check::run(context, args).await,
        Command::Uninstall(args) => uninstall::run(context, args).await,
        Command::Completion(Completion::Install(args)) => completion::install(context, args),
        Command::Completion(Completion::Bash) => context.ui.out(completion::BASH),
        Command::Completion(Completion::Zsh) => context.ui.out(completion::ZSH),
        Command::Completion(Completion::Fish) => context.ui.out(completion::FISH),
        Command::Version(args) => version::run(context, args).await,
        Command::Options => context.ui.out(&crate::cli::global_flags()),
    }
}

async fn create(context: &Context<'_>, args: CreateArgs) -> Result<(), CliError> {
    let CreateArgs { what, filename, file } = args;
    if what.is_some() && (filename.is_some() || file.says_something()) {
        return Err(CliError::user("flags come after the type: kubectl cmp create TYPE NAME --flag")
            .hint("all that is in a file, whatever it is: kubectl cmp create -f FILE"));
    }
    match (what, filename) {
        (Some(Create::Cluster(args)), _) => create_cluster::run(context, *args).await,
        (Some(Create::User(args)), _) => users::create(context, args).await,
        (Some(Create::Template(args)), _) => templates::create(context, args).await,
        (Some(Create::Token(args)), _) => tokens::create(context, args).await,
        (None, Some(path)) => objects::create(context, &path, &file).await,
        (None, None) => Err(CliError::user("missing: what to create, or --filename <FILE>")
            .hint("see 'kubectl cmp create --help' for usage")),
    }
}
