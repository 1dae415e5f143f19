//! The commands, one file for each, and their dispatch.
//!
//! A verb with several nouns has one file for each noun. The arguments of a command stand beside its `run`. Code that
//! several commands use is in [`shared`].

use std::time::Duration;

use clap::Subcommand;

use crate::args::{Global, OutputArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Ui;

mod annotate;
mod attach;
mod check;
pub(crate) mod completion;
mod console;
pub(crate) mod cp;
mod create;
mod delete;
mod describe;
mod edit;
mod events;
mod exec;
mod export;
mod get;
mod install;
mod internal;
mod label;
mod logs;
mod mirror;
mod options;
mod port_forward;
mod quota;
mod report;
mod resize;
mod restore;
mod resume;
mod rollout;
mod scale;
mod schedule;
mod set;
pub(crate) mod shared;
mod snapshot;
mod ssh;
mod start;
mod stop;
mod suspend;
mod top;
mod uninstall;
mod version;
mod vnc;
mod wait;
mod whoami;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a cluster, a user, a template or a token
    Create(Box<create::CreateArgs>),
    /// Show clusters, instances, schedules, snapshots, users, templates or tokens
    #[command(subcommand)]
    Get(get::Get),
    /// Show details of a cluster, an instance, a user or a template
    #[command(subcommand)]
    Describe(describe::Describe),
    /// Delete clusters, snapshots, users, templates or a token
    #[command(subcommand)]
    Delete(delete::Delete),
    /// Change the number of instances of a cluster
    #[command(subcommand)]
    Scale(scale::Scale),
    /// Change the size of the instances of a cluster
    #[command(subcommand)]
    Resize(resize::Resize),
    /// Start instances by name
    #[command(subcommand)]
    Start(start::Start),
    /// Stop instances by name
    #[command(subcommand)]
    Stop(stop::Stop),
    /// Suspend clusters or instances: free their resources and remember their state
    #[command(subcommand)]
    Suspend(suspend::Suspend),
    /// Resume suspended clusters or instances
    #[command(subcommand)]
    Resume(resume::Resume),
    /// Restart the running instances of a cluster
    #[command(subcommand)]
    Rollout(rollout::Rollout),
    /// Wait for a condition of clusters
    #[command(subcommand)]
    Wait(wait::Wait),
    /// Edit a cluster in your editor
    #[command(subcommand)]
    Edit(edit::Edit),
    /// Set and remove labels of clusters
    #[command(subcommand)]
    Label(label::Label),
    /// Set and remove annotations of clusters
    #[command(subcommand)]
    Annotate(annotate::Annotate),
    /// Print the definition of clusters, or of everything, to create it again
    Export(export::ExportArgs),
    /// Suspend and resume a cluster on a schedule
    #[command(subcommand)]
    Schedule(schedule::Schedule),
    /// Take a snapshot of the disks of a cluster of VMs
    #[command(subcommand)]
    Snapshot(snapshot::Snapshot),
    /// Give the VMs of a cluster the disks of a snapshot back
    #[command(subcommand)]
    Restore(restore::Restore),
    /// Run a command in an instance
    Exec(exec::ExecArgs),
    /// Print the logs of an instance
    Logs(logs::LogsArgs),
    /// Connect to the program that an instance runs
    Attach(attach::AttachArgs),
    /// Forward local ports to an instance
    PortForward(port_forward::PortForwardArgs),
    /// Copy files to and from an instance
    Cp(cp::CpArgs),
    /// Connect to the serial console of a VM
    Console(console::ConsoleArgs),
    /// Open a VNC connection to a VM
    Vnc(vnc::VncArgs),
    /// Open an SSH connection to a VM, or run a command in it
    Ssh(ssh::SshArgs),
    /// List the events of clusters
    Events(events::EventsArgs),
    /// Show the measured use of clusters, instances or users beside what they ask for
    #[command(subcommand)]
    Top(top::Top),
    /// Show resource usage and its cost, from the mirror (administrators)
    Report(report::ReportArgs),
    /// Change the quota of a user
    #[command(subcommand)]
    Set(set::Set),
    /// Show the total, used and available amounts of the quota
    Quota(quota::QuotaArgs),
    /// Show your user name, groups, API server and quota
    Whoami(OutputArgs),
    /// Record the states of instances and their durations in a file (administrators)
    Mirror(mirror::MirrorArgs),
    /// Install or upgrade the in-cluster half: namespaces, policies, rights, cmp-webhook
    Install(install::InstallArgs),
    /// Check that cmp is installed correctly, and that all components respond
    Check(check::CheckArgs),
    /// Uninstall cmp-webhook; clusters, accounts and policies stay
    Uninstall(uninstall::UninstallArgs),
    /// Install or print shell completion for commands and names
    #[command(subcommand)]
    Completion(completion::Completion),
    /// Print the versions of the plugin, the API server and cmp-webhook
    Version(version::VersionArgs),
    /// Print the list of flags that every command takes
    #[command(hide = true)]
    Options,
    /// Commands that this program starts itself
    #[command(subcommand, hide = true)]
    Internal(internal::Internal),
}

/// Runs a command, and prints the warnings of the API server.
pub(crate) async fn run(command: Command, global: Global, timeout: Option<Duration>, ui: &Ui) -> Result<(), CliError> {
    let context = Context::new(ui, global, timeout);
    // The future of all commands together is large.
    let done = Box::pin(dispatch(&context, command)).await;
    context.warn();
    done
}

async fn dispatch(context: &Context<'_>, command: Command) -> Result<(), CliError> {
    match command {
        Command::Create(args) => Box::pin(create::run(context, *args)).await,
        Command::Get(args) => get::run(context, args).await,
        Command::Describe(args) => describe::run(context, args).await,
        Command::Delete(args) => delete::run(context, args).await,
        Command::Scale(args) => scale::run(context, args).await,
        Command::Resize(args) => resize::run(context, args).await,
        Command::Start(args) => start::run(context, args).await,
        Command::Stop(args) => stop::run(context, args).await,
        Command::Suspend(args) => suspend::run(context, args).await,
        Command::Resume(args) => resume::run(context, args).await,
        Command::Rollout(args) => rollout::run(context, args).await,
        Command::Wait(args) => wait::run(context, args).await,
        Command::Edit(args) => edit::run(context, args).await,
        Command::Label(args) => label::run(context, args).await,
        Command::Annotate(args) => annotate::run(context, args).await,
        Command::Export(args) => export::run(context, args).await,
        Command::Schedule(args) => schedule::run(context, args).await,
        Command::Snapshot(args) => snapshot::run(context, args).await,
        Command::Restore(args) => restore::run(context, args).await,
        Command::Exec(args) => exec::run(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Attach(args) => attach::run(context, args).await,
        Command::PortForward(args) => port_forward::run(context, args).await,
        Command::Cp(args) => cp::run(context, args).await,
        Command::Console(args) => console::run(context, args).await,
        Command::Vnc(args) => vnc::run(context, args).await,
        Command::Ssh(args) => ssh::run(context, args).await,
        Command::Events(args) => events::run(context, args).await,
        Command::Top(args) => top::run(context, args).await,
        Command::Report(args) => report::run(context, args).await,
        Command::Set(args) => set::run(context, args).await,
        Command::Quota(args) => quota::run(context, args).await,
        Command::Whoami(args) => whoami::run(context, args).await,
        Command::Mirror(args) => mirror::run(context, args).await,
        Command::Install(args) => install::run(context, args).await,
        Command::Check(args) => check::run(context, args).await,
        Command::Uninstall(args) => uninstall::run(context, args).await,
        Command::Completion(args) => completion::run(context, args),
        Command::Version(args) => version::run(context, args).await,
        Command::Options => options::run(context),
        Command::Internal(args) => internal::run(context, args).await,
    }
}
