//! The command line: commands, flags and their help.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use serde::Serialize;

use cmp_core::account::{InstanceType, Suspended, Variable};
use cmp_core::instance;
use cmp_core::name::{ClusterName, InstanceName, TemplateName, UserName};
use cmp_core::quantity::Quantity;
use cmp_core::usage::By;
use cmp_core::usage::range;

use crate::output::{Format, Selector, Template, field_of};
use values::{
    amount, count, cron, currency, denied, disk, duration, ephemeral_storage, image, image_or_none, kind, lifetime,
    login, memory, moment, name, port, priced, quantity, request_timeout, span, time_zone, token, variable,
    webhook_url, zone,
};

#[cfg(test)]
mod documents;
mod usage;
mod values;

pub(crate) use usage::{error as usage_error, message as what_is_wrong};
pub(crate) use values::{Amount, Disk, Moment, Priced, Titled, check, is_noun, with_changes, with_more, with_prices};

/// A small cloud inside any Kubernetes cluster: clusters of identical instances, within a quota
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-cmp",
    bin_name = "kubectl cmp",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Use \"kubectl cmp <command> --help\" for more about a command, and \"kubectl cmp options\" for the\nflags that every command takes."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

/// Global flags of kubectl that select the API server and the identity.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Path to the kubeconfig file to use
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The name of the kubeconfig context to use
    #[arg(long, global = true, value_name = "NAME", hide = true)]
    pub(crate) context: Option<String>,
    /// The name of the kubeconfig cluster to use
    #[arg(long = "cluster", global = true, value_name = "NAME", hide = true)]
    pub(crate) kube_cluster: Option<String>,
    /// The name of the kubeconfig user to use (for the owner of a cluster use --owner)
    #[arg(long = "user", global = true, value_name = "NAME", hide = true)]
    pub(crate) kube_user: Option<String>,
    /// The namespace of a cluster, `<cluster>-ns`, instead of the cluster's name
    #[arg(short, long, global = true, value_name = "NAME", hide = true)]
    pub(crate) namespace: Option<String>,
    /// The address and port of the Kubernetes API server
    #[arg(short, long, global = true, value_name = "URL", hide = true)]
    pub(crate) server: Option<String>,
    /// Bearer token for authentication to the API server
    #[arg(long = "token", global = true, value_name = "TOKEN", hide = true)]
    pub(crate) bearer: Option<String>,
    /// Username to impersonate for the operation
    #[arg(long = "as", global = true, value_name = "NAME", hide = true)]
    pub(crate) act_as: Option<String>,
    /// Group to impersonate for the operation (repeatable)
    #[arg(long, global = true, value_name = "NAME", requires = "act_as", hide = true)]
    pub(crate) as_group: Vec<String>,
    /// UID to impersonate for the operation
    #[arg(long, global = true, value_name = "UID", requires = "act_as", hide = true)]
    pub(crate) as_uid: Option<String>,
    /// Time to wait before giving up on a single request, such as 30s; 0 means no timeout
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = request_timeout, hide = true)]
    pub(crate) request_timeout: Duration,
    /// Do not check the API server's certificate; this makes the connection insecure
    #[arg(long, global = true, hide = true)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// Path to a file with the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// Number for the log level verbosity
    #[arg(short, long, global = true, value_name = "LEVEL", default_value_t = 0, hide = true)]
    pub(crate) v: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a cluster, a user, a template or a token
    Create(Box<CreateArgs>),
    /// Show clusters, instances, schedules, users, templates or tokens
    #[command(subcommand)]
    Get(Get),
    /// Show details of a cluster, an instance, a user or a template
    #[command(subcommand)]
    Describe(Describe),
    /// Delete clusters, users, templates or a token
    #[command(subcommand)]
    Delete(Delete),
    /// Change the number of instances of a cluster
    #[command(subcommand)]
    Scale(Scale),
    /// Change the size of the instances of a cluster
    #[command(subcommand)]
    Resize(Resize),
    /// Start instances by name
    #[command(subcommand)]
    Start(Instances),
    /// Stop instances by name
    #[command(subcommand)]
    Stop(Instances),
    /// Suspend clusters or instances: free their resources and remember their state
    #[command(subcommand)]
    Suspend(Suspend),
    /// Resume suspended clusters or instances
    #[command(subcommand)]
    Resume(Resume),
    /// Print the definition of clusters, to create them again
    #[command(subcommand)]
    Export(Export),
    /// Suspend and resume a cluster on a schedule
    #[command(subcommand)]
    Schedule(Schedule),
    /// Run a command in an instance
    Exec(ExecArgs),
    /// Print the logs of an instance
    Logs(LogsArgs),
    /// Connect to the serial console of a VM
    Console(ConsoleArgs),
    /// Open a VNC connection to a VM
    Vnc(VncArgs),
    /// Open an SSH connection to a VM, or run a command in it
    Ssh(SshArgs),
    /// List the events of clusters
    Events(EventsArgs),
    /// Show resource usage and its cost, from the mirror (administrators)
    Report(ReportArgs),
    /// Change the quota of a user
    #[command(subcommand)]
    Set(Set),
    /// Show the total, used and available amounts of the quota
    Quota(QuotaArgs),
    /// Show your user name, groups, API server and quota
    Whoami(OutputArgs),
    /// Record the states of instances and their durations in a file (administrators)
    Mirror(MirrorArgs),
    /// Install or upgrade the in-cluster half: namespaces, policies, rights, cmp-webhook
    Install(InstallArgs),
    /// Check that cmp is installed correctly, and that all components respond
    Check(CheckArgs),
    /// Uninstall cmp-webhook; clusters, accounts and policies stay
    Uninstall(UninstallArgs),
    /// Install or print shell completion for commands and names
    #[command(subcommand)]
    Completion(Completion),
    /// Print the versions of the plugin, the API server and cmp-webhook
    Version(VersionArgs),
    /// Print the list of flags that every command takes
    #[command(hide = true)]
    Options,
}

#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    before_help = "Examples:\n  kubectl cmp create cluster web --cpu 2 --memory 4Gi --count 3\n  kubectl cmp create -f clusters-and-users.yaml\n  kubectl cmp get cluster web -o yaml | kubectl cmp create -f - --owner mary"
)]
pub(crate) struct CreateArgs {
    #[command(subcommand)]
    pub(crate) what: Option<Create>,
    /// File with clusters, users and templates, as `-o yaml` prints them; - for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: Option<String>,
    #[command(flatten)]
    pub(crate) file: CreateFile,
}

/// Flags that apply to all objects of a file.
#[derive(Debug, Args)]
pub(crate) struct CreateFile {
    /// The owner of the clusters in the file (administrators)
    #[arg(long, value_name = "USER", requires = "filename", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

impl CreateFile {
    /// Reports whether any of these flags was given.
    pub(crate) fn says_something(&self) -> bool {
        let Self { owner, wait, change } = self;
        owner.is_some() || wait.wait || change.output.is_some() || change.dry.dry_run != DryRun::None
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Create {
    /// Create a cluster of identical instances
    #[command(visible_alias = "clusters")]
    Cluster(Box<CreateCluster>),
    /// Create a user with a quota
    #[command(visible_alias = "users")]
    User(CreateUser),
    /// Create a template of instances from a Pod or a VirtualMachine (administrators)
    #[command(visible_alias = "templates")]
    Template(CreateTemplate),
    /// Create a token for a user
    #[command(visible_alias = "tokens")]
    Token(CreateToken),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Get {
    /// Show one or more clusters
    #[command(visible_alias = "cluster")]
    Clusters(GetClusters),
    /// Show one or more instances
    #[command(visible_alias = "instance")]
    Instances(GetInstances),
    /// Show the schedules that suspend and resume clusters
    #[command(visible_alias = "schedule")]
    Schedules(GetSchedules),
    /// Show users with their quota and usage (administrators)
    #[command(visible_alias = "user")]
    Users(GetUsers),
    /// Show the templates for instances
    #[command(visible_alias = "template")]
    Templates(GetTemplates),
    /// Show the tokens of a user (administrators)
    #[command(visible_alias = "token")]
    Tokens(GetTokens),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Describe {
    /// Show details of clusters
    #[command(visible_alias = "clusters")]
    Cluster(Names<ClusterName>),
    /// Show details of instances
    #[command(visible_alias = "instances")]
    Instance(Names<InstanceName>),
    /// Show details of users (administrators)
    #[command(visible_alias = "users")]
    User(Names<UserName>),
    /// Show details of templates
    #[command(visible_alias = "templates")]
    Template(Names<TemplateName>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Delete {
    /// Delete clusters with everything in them
    #[command(visible_alias = "clusters")]
    Cluster(DeleteCluster),
    /// Delete users and their access (administrators)
    #[command(visible_alias = "users")]
    User(DeleteUser),
    /// Delete templates (administrators); instances that were made from them stay
    #[command(visible_alias = "templates")]
    Template(DeleteTemplate),
    /// Revoke a token of a user (administrators)
    #[command(visible_alias = "tokens")]
    Token(DeleteToken),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Scale {
    /// Change the number of instances of a cluster
    #[command(visible_alias = "clusters")]
    Cluster(ScaleCluster),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Resize {
    /// Change the size of instances; running instances are restarted one after another
    #[command(visible_alias = "clusters")]
    Cluster(ResizeCluster),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Instances {
    /// Apply the command to instances by name
    #[command(visible_alias = "instances")]
    Instance(InstanceArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Suspend {
    /// Suspend all instances of clusters
    #[command(visible_alias = "clusters")]
    Cluster(SuspendClusters),
    /// Suspend instances by name
    #[command(visible_alias = "instances")]
    Instance(SuspendInstances),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Resume {
    /// Resume all suspended instances of clusters
    #[command(visible_alias = "clusters")]
    Cluster(ResumeClusters),
    /// Resume instances by name
    #[command(visible_alias = "instances")]
    Instance(InstanceArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Export {
    /// Print clusters as `create -f` reads them, with the instances that are off
    #[command(visible_alias = "clusters")]
    Cluster(ExportCluster),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Schedule {
    /// Set when to suspend a cluster, and when to resume what the schedule suspended
    #[command(visible_alias = "clusters")]
    Cluster(ScheduleCluster),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Set {
    /// Change the quota of a user (administrators)
    Quota(SetQuota),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Completion {
    /// Register `kubectl cmp` with kubectl's own completion
    Install(CompletionInstall),
    /// Print the bash completion script for the command name `kubectl-cmp`
    #[command(before_help = "Examples:\n  source <(kubectl-cmp completion bash)")]
    Bash,
    /// Print the zsh completion script for the command name `kubectl-cmp`
    #[command(before_help = "Examples:\n  source <(kubectl-cmp completion zsh)")]
    Zsh,
    /// Print the fish completion script for the command name `kubectl-cmp`
    #[command(before_help = "Examples:\n  kubectl-cmp completion fish | source")]
    Fish,
}

/// Output flags of a command that prints tables and objects.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// json, yaml, wide, name, jsonpath=..., custom-columns=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::any)]
    pub(crate) output: Option<Format>,
    /// Do not print headers
    #[arg(long)]
    pub(crate) no_headers: bool,
}

/// Filter, sort and output flags of a list.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// Selector (label query) to filter on, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = Selector::read)]
    pub(crate) selector: Option<Selector>,
    /// Field to sort the list by, such as '{.spec.count}'
    #[arg(long, value_name = "FIELD", value_parser = field_of)]
    pub(crate) sort_by: Option<Template>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WatchArgs {
    /// After listing, watch for changes; with names, until all of them are gone
    #[arg(short, long, conflicts_with = "sort_by")]
    pub(crate) watch: bool,
}

/// Output flag of a command that prints one object without a table.
#[derive(Debug, Clone, Args)]
pub(crate) struct ObjectArgs {
    /// json, yaml or jsonpath=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::object)]
    pub(crate) output: Option<Format>,
}

/// Modes of `--dry-run`: change objects; only print; send the request to the API server, which stores nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DryRun {
    #[default]
    None,
    Client,
    Server,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DryRunArgs {
    /// Change nothing: only print (client), or ask the API server (server)
    #[arg(
        long,
        value_name = "WHERE",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) dry_run: DryRun,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
    /// json, yaml, name or jsonpath=...
    #[arg(short, long, value_name = "FORMAT", value_parser = Format::any)]
    pub(crate) output: Option<Format>,
}

impl ChangeArgs {
    /// Reports whether the command prints the changed objects, and not only a line for each change.
    pub(crate) fn prints_objects(&self) -> bool {
        self.output.as_ref().is_some_and(Format::is_of_objects)
    }
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait until the operation is complete, not only accepted
    #[arg(long)]
    pub(crate) wait: bool,
    /// Time to wait before giving up, such as 60s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

#[derive(Debug, Args)]
#[command(
    override_usage = "kubectl cmp create cluster NAME --cpu CPU --memory MEMORY [OPTIONS] [-- ARG...]\n       kubectl cmp create cluster -f FILE [OPTIONS]",
    before_help = "Examples:\n  kubectl cmp create cluster web --cpu 2 --memory 4Gi --count 3\n  kubectl cmp create cluster db --cpu 1 --memory 2Gi --image postgres:18 --env PGUSER=db --wait\n  kubectl cmp create cluster job --cpu 1 --memory 1Gi --image alpine --command -- sh -c 'sleep 9'"
)]
pub(crate) struct CreateCluster {
    /// The name of the cluster; its namespace is <NAME>-ns
    #[arg(value_name = "NAME", required_unless_present = "filename", value_parser = name::<ClusterName>)]
    pub(crate) name: Option<ClusterName>,
    /// The CPU of each instance, such as 2 or 500m
    #[arg(long, value_name = "CPU", required_unless_present = "filename", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Option<Quantity>,
    /// The memory of each instance, such as 4Gi
    #[arg(long, value_name = "MEMORY", required_unless_present = "filename", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Option<Quantity>,
    /// The number of instances; 1 by default
    #[arg(long, alias = "replicas", value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) count: Option<u32>,
    /// The type of the instances: container (the default) or vm
    #[arg(long = "type", value_name = "TYPE", value_parser = kind)]
    pub(crate) kind: Option<InstanceType>,
    /// The template for the instances; `get templates` lists templates
    #[arg(long, value_name = "NAME", value_parser = name::<TemplateName>)]
    pub(crate) template: Option<TemplateName>,
    /// The image of the instances; by default the image of the template
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub(crate) image: Option<String>,
    /// Environment variable of the instances (repeatable); use a Secret for confidential values
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<Variable>,
    /// A port that the instances listen on (repeatable)
    #[arg(long, value_name = "PORT", value_parser = port, allow_negative_numbers = true)]
    pub(crate) port: Vec<u16>,
    /// Use the arguments after -- as the program itself, not as arguments of the image's program
    #[arg(long)]
    pub(crate) command: bool,
    /// A disk for each instance that survives a stop; mounted at /data if no path is given
    #[arg(long, value_name = "SIZE[:PATH]", value_parser = disk)]
    pub(crate) disk: Option<Disk>,
    /// Further changes: a JSON Patch or a merge patch of the Pod or the VirtualMachine
    #[arg(long, value_name = "FILE|JSON")]
    pub(crate) patch: Option<String>,
    /// Another resource of each instance, such as nvidia.com/gpu=1 (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Arguments for the program of the instances
    #[arg(value_name = "ARG", last = true)]
    pub(crate) args: Vec<String>,
    /// File with the SSH public key for logging in to the VMs
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_key: Option<PathBuf>,
    /// File as `get clusters -o yaml` prints it; - for standard input
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["name", "cpu", "memory", "count", "kind", "template", "image",
        "env", "port", "command", "disk", "patch", "resource", "args", "ssh_key"])]
    pub(crate) filename: Option<String>,
    /// The owner of the cluster (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp create user john --cpu 16 --memory 64Gi --kubeconfig-out john.kubeconfig\n  kubectl cmp create user mary --cpu 8 --memory 32Gi --resource nvidia.com/gpu=2"
)]
pub(crate) struct CreateUser {
    /// The name of the user
    #[arg(value_name = "NAME", value_parser = name::<UserName>)]
    pub(crate) name: UserName,
    /// The CPU quota of the user, for all instances together
    #[arg(long, value_name = "CPU", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Quantity,
    /// The memory quota of the user, for all instances together
    #[arg(long, value_name = "MEMORY", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Quantity,
    /// The quota of another resource, such as nvidia.com/gpu=4 (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Whether suspended clusters keep their quota, or release it until they are resumed
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub(crate) suspended: Keeping,
    /// Requested lifetime of the token in the kubeconfig
    #[arg(long, value_name = "DURATION", default_value = "720h", value_parser = lifetime)]
    pub(crate) token_duration: Duration,
    /// Write the user's kubeconfig to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig_out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp create template gpu -f pod.yaml\n  kubectl cmp create template gpu -f pod.yaml --dry-run=server"
)]
pub(crate) struct CreateTemplate {
    /// The name of the template; optional for the output of `get template -o yaml`
    #[arg(value_name = "NAME", value_parser = name::<TemplateName>)]
    pub(crate) name: Option<TemplateName>,
    /// File with the Pod or the VirtualMachine; - for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(crate) filename: String,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp create token john --duration 24h")]
pub(crate) struct CreateToken {
    /// The name of the user
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: UserName,
    /// Requested lifetime of the issued token
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = lifetime)]
    pub(crate) duration: Duration,
    #[command(flatten)]
    pub(crate) output: ObjectArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp get clusters\n  kubectl cmp get cluster web -o yaml\n  kubectl cmp get clusters -w"
)]
pub(crate) struct GetClusters {
    /// The names of the clusters; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Show the clusters of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the clusters of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get instances --in web\n  kubectl cmp get instance web-0 -o wide")]
pub(crate) struct GetInstances {
    /// The names of the instances; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<InstanceName>)]
    pub(crate) names: Vec<InstanceName>,
    /// Show only the instances of this cluster
    #[arg(long = "in", value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) of: Option<ClusterName>,
    /// Show the instances of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the instances of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get users --sort-by .status.charge.cpu")]
pub(crate) struct GetUsers {
    /// The names of the users; all by default
    #[arg(value_name = "NAME", value_parser = name::<UserName>)]
    pub(crate) names: Vec<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get templates\n  kubectl cmp get template container -o yaml")]
pub(crate) struct GetTemplates {
    /// The names of the templates; all by default
    #[arg(value_name = "NAME", value_parser = name::<TemplateName>)]
    pub(crate) names: Vec<TemplateName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get tokens john")]
pub(crate) struct GetTokens {
    /// The name of the user
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: UserName,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Names<N: Titled + Clone + Send + Sync + 'static> {
    /// The names of the objects
    #[arg(value_name = "NAME", required = true, value_parser = name::<N>)]
    pub(crate) names: Vec<N>,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp delete cluster web\n  kubectl cmp delete cluster web db --yes --wait"
)]
pub(crate) struct DeleteCluster {
    /// The names of the clusters
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Delete all of your clusters
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// With --all: the owner of the clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>, requires = "all")]
    pub(crate) owner: Option<UserName>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete user john\n  kubectl cmp delete user john --cascade --yes")]
pub(crate) struct DeleteUser {
    /// The names of the users
    #[arg(value_name = "NAME", required = true, value_parser = name::<UserName>)]
    pub(crate) names: Vec<UserName>,
    /// Delete the clusters of the users, too
    #[arg(long)]
    pub(crate) cascade: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Time to wait until the clusters are gone
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete template gpu")]
pub(crate) struct DeleteTemplate {
    /// The names of the templates
    #[arg(value_name = "NAME", required = true, value_parser = name::<TemplateName>)]
    pub(crate) names: Vec<TemplateName>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp delete token john john-x7k2p")]
pub(crate) struct DeleteToken {
    /// The name of the user
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: UserName,
    /// The ID of the token, as `get tokens` shows it
    #[arg(value_name = "ID", value_parser = token)]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp scale cluster web --count 5")]
pub(crate) struct ScaleCluster {
    /// The name of the cluster
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) name: ClusterName,
    /// The new number of instances; the highest indexes are deleted first
    #[arg(long, alias = "replicas", value_name = "N", value_parser = count, allow_negative_numbers = true)]
    pub(crate) count: u32,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp resize cluster web --cpu 4 --memory 8Gi")]
pub(crate) struct ResizeCluster {
    /// The name of the cluster
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) name: ClusterName,
    /// The CPU of each instance, such as 2 or 500m
    #[arg(long, value_name = "CPU", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Option<Quantity>,
    /// The memory of each instance, such as 4Gi
    #[arg(long, value_name = "MEMORY", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Option<Quantity>,
    /// Another resource of each instance, such as nvidia.com/gpu=1 (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Time to wait until a restarted instance runs again
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp schedule cluster web --suspend '0 19 * * 1-5' --resume '0 8 * * 1-5'\n  kubectl cmp schedule cluster web --time-zone Europe/Berlin\n  kubectl cmp schedule cluster web --skip-until 2027-01-04\n  kubectl cmp schedule cluster web --clear"
)]
pub(crate) struct ScheduleCluster {
    /// The name of the cluster
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) name: ClusterName,
    /// When to suspend the cluster, in cron format: minute, hour, day of month, month, day of week
    #[arg(long, value_name = "CRON", value_parser = cron, allow_hyphen_values = true)]
    pub(crate) suspend: Option<String>,
    /// When to resume the instances that the schedule suspended, and no others
    #[arg(long, value_name = "CRON", value_parser = cron, allow_hyphen_values = true)]
    pub(crate) resume: Option<String>,
    /// The time zone of the schedule, such as Europe/Berlin; UTC if none was ever set
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    pub(crate) time_zone: Option<String>,
    /// Suspend mode: halt switches off; pause keeps the memory of a VM
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Skip everything before this time: 2027-01-04, 2027-01-04T08:00, or with Z or an offset
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) skip_until: Option<Moment>,
    /// Remove the schedule of the cluster
    #[arg(long, conflicts_with_all = ["suspend", "resume", "time_zone", "mode", "skip_until"])]
    pub(crate) clear: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get schedules\n  kubectl cmp get schedule web -o yaml")]
pub(crate) struct GetSchedules {
    /// The names of the clusters; all of yours by default
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Show the schedules of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the schedules of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp exec web-0 -- uname -a\n  kubectl cmp exec -it web-0 -- bash")]
pub(crate) struct ExecArgs {
    /// The name of the instance
    #[arg(value_name = "INSTANCE", value_parser = name::<InstanceName>)]
    pub(crate) name: InstanceName,
    /// Pass stdin to the container
    #[arg(short = 'i', long)]
    pub(crate) stdin: bool,
    /// Stdin is a TTY
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Container name, if there are several
    #[arg(short, long, value_name = "CONTAINER")]
    pub(crate) container: Option<String>,
    /// The command to run, after --
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp logs web-0\n  kubectl cmp logs web-0 -f --tail 20")]
pub(crate) struct LogsArgs {
    /// The name of the instance
    #[arg(value_name = "INSTANCE", value_parser = name::<InstanceName>)]
    pub(crate) name: InstanceName,
    /// Stream the logs as they are written
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Print the logs of the container before its last restart
    #[arg(short, long)]
    pub(crate) previous: bool,
    /// Include a timestamp on each line
    #[arg(long)]
    pub(crate) timestamps: bool,
    /// The number of recent lines to print
    #[arg(long, value_name = "LINES", allow_negative_numbers = true)]
    pub(crate) tail: Option<i64>,
    /// Print only logs newer than a duration, such as 10m
    #[arg(long, value_name = "DURATION")]
    pub(crate) since: Option<String>,
    /// Container name, if there are several
    #[arg(short, long, value_name = "CONTAINER")]
    pub(crate) container: Option<String>,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp console dev-0\n  kubectl cmp console dev-0 -- --timeout=1")]
pub(crate) struct ConsoleArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp vnc dev-0\n  kubectl cmp vnc dev-0 -- --proxy-only --port=5900")]
pub(crate) struct VncArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp ssh dev-0 -l fedora -i ~/.ssh/id_ed25519\n  kubectl cmp ssh dev-0 -l fedora -c uptime"
)]
pub(crate) struct SshArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
    /// The user to log in as; by default your local user name
    #[arg(short = 'l', long, value_name = "USER", value_parser = login)]
    pub(crate) username: Option<String>,
    /// File with the private key; by default as ssh is configured
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity_file: Option<PathBuf>,
    /// The port in the VM
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The command to run instead of a shell
    #[arg(short, long, value_name = "COMMAND")]
    pub(crate) command: Option<OsString>,
}

/// The VM, and further flags for virtctl.
#[derive(Debug, Args)]
pub(crate) struct VmArgs {
    /// The name of the instance
    #[arg(value_name = "INSTANCE", value_parser = name::<InstanceName>)]
    pub(crate) name: InstanceName,
    /// Further flags for virtctl, after --
    #[arg(value_name = "FLAG", last = true)]
    pub(crate) more: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp events\n  kubectl cmp events web -w")]
pub(crate) struct EventsArgs {
    /// The name of the cluster; all of yours by default
    #[arg(value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) name: Option<ClusterName>,
    /// Show the events of this user's clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
    #[command(flatten)]
    pub(crate) watch: WatchArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InstanceArgs {
    /// The names of the instances, such as web-0
    #[arg(value_name = "NAME", required = true, value_parser = name::<InstanceName>)]
    pub(crate) names: Vec<InstanceName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp resume cluster web --wait\n  kubectl cmp resume cluster web --for 3h\n  kubectl cmp resume cluster --all"
)]
pub(crate) struct ResumeClusters {
    #[command(flatten)]
    pub(crate) which: ClustersArgs,
    /// Resume for this long, then suspend the clusters again
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    pub(crate) span: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct ClustersArgs {
    /// The names of the clusters
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Select all of your clusters
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// With --all: the owner of the clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>, requires = "all")]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp export cluster web > web.yaml\n  kubectl cmp export cluster --all > mine.yaml"
)]
pub(crate) struct ExportCluster {
    /// The names of the clusters; the contents of their disks are not printed
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Select all of your clusters
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Select the clusters of all users (administrators)
    #[arg(short = 'A', long, conflicts_with_all = ["names", "owner"])]
    pub(crate) all_namespaces: bool,
    /// With --all or -l: the owner of the clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>, conflicts_with = "names")]
    pub(crate) owner: Option<UserName>,
    /// Selector (label query) to filter on, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = Selector::read, conflicts_with = "names")]
    pub(crate) selector: Option<Selector>,
    /// Output format: yaml (the default) or json
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: Written,
}

/// Formats of an exported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Written {
    #[default]
    Yaml,
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct How {
    /// Suspend mode: halt switches off; pause keeps the memory of a VM
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) mode: Option<Mode>,
    /// The reason to show while they are suspended
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Pause,
    Halt,
}

impl From<Mode> for instance::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Pause => Self::Pause,
            Mode::Halt => Self::Halt,
        }
    }
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp suspend cluster web --reason night\n  kubectl cmp suspend cluster web --for 3h\n  kubectl cmp suspend cluster --all"
)]
pub(crate) struct SuspendClusters {
    #[command(flatten)]
    pub(crate) how: How,
    /// Suspend for this long, then resume what this command suspended
    #[arg(long = "for", value_name = "DURATION", value_parser = span)]
    pub(crate) span: Option<Duration>,
    #[command(flatten)]
    pub(crate) which: ClustersArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SuspendInstances {
    #[command(flatten)]
    pub(crate) how: How,
    #[command(flatten)]
    pub(crate) which: InstanceArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp report --from 7d\n  kubectl cmp report --by cluster --owner john --from 2026-10 --to 2026-10 -o csv\n  kubectl cmp report --price cpu=0.03 --price memory=0.004 --currency EUR -o html",
    after_help = "An instance uses its size while it is on, pending, failed or paused, and its disk as long as it exists.\nGaps in observation count only if the state was unchanged across the gap."
)]
pub(crate) struct ReportArgs {
    /// Report on this user only
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    /// Report on this cluster only
    #[arg(long = "in", value_name = "CLUSTER", value_parser = name::<ClusterName>)]
    pub(crate) of: Option<ClusterName>,
    /// Start of the period: 7d, 36h, a day or a month such as 2026-10, or a time with its zone; by default 30 days back
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) from: Option<range::Moment>,
    /// End of the period, including the whole of a day or a month; by default now
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) to: Option<range::Moment>,
    /// One row for each user (the default), cluster or day
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) by: ReportBy,
    /// The time zone of days and times, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    pub(crate) time_zone: TimeZone,
    /// The price of one hour of a core, a GiB or a piece, such as cpu=0.03 (repeatable)
    #[arg(long, value_name = "NAME=PRICE", value_parser = priced)]
    pub(crate) price: Vec<Priced>,
    /// The currency of the prices, such as EUR
    #[arg(long, value_name = "CURRENCY", requires = "price", value_parser = currency)]
    pub(crate) currency: Option<String>,
    /// Output format: table (the default), csv, json or html
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub(crate) output: ReportForm,
    /// The file of `mirror`; by default the mirror in the cluster
    #[arg(long, value_name = "FILE")]
    pub(crate) db: Option<PathBuf>,
}

/// Grouping of the rows of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportBy {
    #[default]
    User,
    Cluster,
    Day,
}

impl From<ReportBy> for By {
    fn from(by: ReportBy) -> Self {
        match by {
            ReportBy::User => Self::User,
            ReportBy::Cluster => Self::Cluster,
            ReportBy::Day => Self::Day,
        }
    }
}

/// Output formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ReportForm {
    #[default]
    Table,
    Csv,
    Json,
    Html,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp set quota john --cpu 32")]
pub(crate) struct SetQuota {
    /// The name of the user
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: UserName,
    /// The CPU quota of the user, for all instances together
    #[arg(long, value_name = "CPU", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Option<Quantity>,
    /// The memory quota of the user, for all instances together
    #[arg(long, value_name = "MEMORY", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Option<Quantity>,
    /// The quota of another resource (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Whether suspended clusters keep their quota, or release it until they are resumed
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) suspended: Option<Keeping>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Handling of the quota of suspended clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Keeping {
    #[default]
    Keep,
    Release,
}

impl From<Keeping> for Suspended {
    fn from(keeping: Keeping) -> Self {
        match keeping {
            Keeping::Keep => Self::Keep,
            Keeping::Release => Self::Release,
        }
    }
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp quota\n  kubectl cmp quota john -o json")]
pub(crate) struct QuotaArgs {
    /// The name of the user (administrators); you by default
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: Option<UserName>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp mirror --db mirror.db\n  kubectl cmp mirror --db mirror.db --watch",
    after_help = "Without --watch the file is brought up to date once. Changes between two runs are not observed.\n--watch goes on until Ctrl-C. `kubectl cmp install --mirror` does it in the cluster."
)]
pub(crate) struct MirrorArgs {
    /// The SQLite file; created if it does not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) db: PathBuf,
    /// Keep running and record every change
    #[arg(short, long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp install --image cmp-webhook:0.1.0 --wait\n  kubectl cmp install --cert-manager --prometheus\n  kubectl cmp install --dry-run=client -o yaml",
    after_help = "install remembers its flags: those of the last time apply until they are given anew.\n--mirror=false and --webhook-url '' remove one, --reset-flags removes all. --dry-run=client prints\nthe objects of the given flags alone."
)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    pub(crate) flags: InstallFlags,
    /// Forget the flags of the last install: flags that are not given get their defaults
    #[arg(long)]
    pub(crate) reset_flags: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Ranges of `--deny-egress-to` without a value: the metadata services of clouds, and the nodes.
const DENIED: [&str; 3] = ["169.254.0.0/16", "fd00:ec2::254/128", NODES];

/// The value of `--deny-egress-to` that stands for the addresses of all nodes.
pub(crate) const NODES: &str = "nodes";

/// Flags of `install` that define the installation. The cluster remembers them under their names. A remembered flag
/// also holds for the next `install`, unless that one gives it anew.
///
/// This struct is the only place that a new flag needs. A flag is an `Option`, or a list with a delimiter, so that a
/// flag that was not given differs from a default. An empty text or `false` removes a remembered flag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct InstallFlags {
    /// The image of cmp-webhook
    #[arg(long, value_name = "IMAGE", value_parser = image_or_none)]
    pub(crate) image: Option<String>,
    /// The number of replicas of cmp-webhook [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100), allow_negative_numbers = true)]
    pub(crate) replicas: Option<u16>,
    /// URL of a process outside the cluster to call instead of the Deployment (development): https://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = webhook_url, conflicts_with_all = ["image", "replicas"])]
    pub(crate) webhook_url: Option<String>,
    /// Use a certificate from cert-manager
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) cert_manager: Option<bool>,
    /// Add metrics and alerts for the Prometheus operator
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) prometheus: Option<bool>,
    /// Record the states of instances and their durations in a volume
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) mirror: Option<bool>,
    /// Space on a node's disk that a container can use if the size does not name it [default: 10Gi]
    #[arg(long, value_name = "QUANTITY", value_parser = ephemeral_storage)]
    pub(crate) ephemeral_storage: Option<String>,
    /// Address ranges that instances cannot connect to, and `nodes` for the addresses of all nodes; without a value
    /// `169.254.0.0/16,fd00:ec2::254/128,nodes`
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', num_args = 0.., default_missing_values = DENIED, value_parser = denied)]
    pub(crate) deny_egress_to: Vec<String>,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp check --pre\n  kubectl cmp check\n  kubectl cmp check -o json")]
pub(crate) struct CheckArgs {
    /// Check only the requirements for installing cmp
    #[arg(long)]
    pub(crate) pre: bool,
    #[command(flatten)]
    pub(crate) output: ObjectArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp uninstall\n  kubectl cmp uninstall --purge")]
pub(crate) struct UninstallArgs {
    /// Delete all clusters, accounts, rights and policies, too, in this order
    #[arg(long)]
    pub(crate) purge: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Time to wait until the clusters are gone
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp completion install\n  kubectl cmp completion install --dir ~/.local/bin"
)]
pub(crate) struct CompletionInstall {
    /// The folder for the completion; by default the folder of kubectl-cmp
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) dry: DryRunArgs,
}

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp version --client")]
pub(crate) struct VersionArgs {
    /// Print only the version of the plugin
    #[arg(long)]
    pub(crate) client: bool,
    #[command(flatten)]
    pub(crate) output: ObjectArgs,
}

impl Global {
    /// Parses global flags on their own. Returns `None` if one of them is invalid.
    pub(crate) fn read(flags: impl Iterator<Item = String>) -> Option<Self> {
        let command = Self::augment_args(clap::Command::new("kubectl-cmp")).no_binary_name(true);
        Self::from_arg_matches(&command.try_get_matches_from(flags).ok()?).ok()
    }

    /// Returns these flags for kubectl. virtctl takes the same flags.
    pub(crate) fn as_kubectl(&self) -> Vec<OsString> {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: Option<&std::ffi::OsStr>| {
            if let Some(value) = value {
                let mut flag = OsString::from(format!("--{name}="));
                flag.push(value);
                flags.push(flag);
            }
        };
        let text = |value: &Option<String>| value.clone().map(OsString::from);
        flag("kubeconfig", self.kubeconfig.as_ref().map(|path| path.as_os_str()));
        flag("certificate-authority", self.certificate_authority.as_ref().map(|path| path.as_os_str()));
        for (name, value) in [
            ("context", &self.context),
            ("cluster", &self.kube_cluster),
            ("user", &self.kube_user),
            ("server", &self.server),
            ("token", &self.bearer),
            ("as", &self.act_as),
            ("as-uid", &self.as_uid),
        ] {
            flag(name, text(value).as_deref());
        }
        for group in &self.as_group {
            flag("as-group", Some(group.as_ref()));
        }
        if self.insecure_skip_tls_verify {
            flag("insecure-skip-tls-verify", Some("true".as_ref()));
        }
        if self.v > 0 {
            flag("v", Some(self.v.to_string().as_ref()));
        }
        flags
    }
}

/// Template of every help: description, examples and usage first, then all flags.
const HELP: &str = "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}\n";

/// Returns the clap command of the plugin, with the help template in every subcommand.
pub(crate) fn command() -> clap::Command {
    fn ordered(command: clap::Command) -> clap::Command {
        command.help_template(HELP).mut_subcommands(ordered)
    }
    ordered(Arguments::command())
}

/// Returns the help of the flags that every command takes, as `kubectl options` prints those of kubectl.
pub(crate) fn global_flags() -> String {
    let shown = |command: clap::Command| command.mut_args(|argument| argument.hide(false));
    let flags = shown(Global::augment_args(clap::Command::new("kubectl cmp")));
    let flags = flags.disable_help_flag(true).help_template("{options}");
    let mut text = "The following flags can be passed to any command, after `cmp`:\n\n".to_owned();
    text.push_str(&flags.clone().render_help().to_string());
    text.push('\n');
    text
}

/// Parses a command line, with the name of the program first.
pub(crate) fn parse(typed: &[OsString]) -> Result<Arguments, clap::Error> {
    Arguments::from_arg_matches(&command().try_get_matches_from(typed)?)
}

/// Verbs that a type follows.
const VERBS: [&str; 12] = [
    "create", "get", "describe", "delete", "start", "stop", "suspend", "resume", "schedule", "scale", "resize",
    "export",
];

/// Rewrites `help get` to `get --help`, as kubectl accepts both.
pub(crate) fn help_of(mut typed: Vec<OsString>) -> Vec<OsString> {
    if typed.get(1).is_some_and(|word| word == "help") {
        typed.remove(1);
        typed.push("--help".into());
    }
    typed
}

/// Rewrites `get cluster/web` to `get cluster web`, as kubectl accepts both.
pub(crate) fn split_titles(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut split = Vec::new();
    let mut after_verb = false;
    for argument in arguments {
        let title = argument.to_str().filter(|_| after_verb).and_then(|text| text.split_once('/'));
        let title = title.filter(|(word, _)| values::noun(word).is_some());
        after_verb = argument.to_str().is_some_and(|text| VERBS.contains(&text));
        match title {
            Some((kind, name)) => split.extend([OsString::from(kind), OsString::from(name)]),
            None => split.push(argument),
        }
    }
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    /// Visits a command and all of its subcommands.
    fn each(command: &clap::Command, look: &mut impl FnMut(&clap::Command)) {
        look(command);
        command.get_subcommands().for_each(|below| each(below, look));
    }

    #[test]
    fn no_help_is_longer_than_a_screen_and_examples_come_before_flags() {
        let mut root = command();
        root.build();
        each(&root, &mut |command| {
            let name = command.get_bin_name().unwrap_or_default().to_owned();
            let asked = |flag: &str| {
                let words = name.split(' ').skip(1).chain([flag]);
                super::command().try_get_matches_from(words).map_or_else(|help| help.to_string(), |_| String::new())
            };
            let help = asked("--help");
            assert_eq!(asked("-h"), help, "{name}: -h and --help are the same");
            assert!(help.lines().count() <= 40, "{name} needs {} lines:\n{help}", help.lines().count());
            assert!(help.lines().all(|line| line.chars().count() <= 100), "{name}: a line is too long:\n{help}");
            let first = help.lines().next().unwrap_or_default();
            assert!(
                first.starts_with(char::is_uppercase) && !first.ends_with('.'),
                "{name}: {first:?} says what it does"
            );
            if let (Some(examples), Some(flags)) = (help.find("Examples:"), help.find("Options:")) {
                assert!(examples < flags, "{name}:\n{help}");
            }
        });
    }

    /// Parses every example of the help, because an example that fails is worse than none.
    #[test]
    fn every_example_can_be_typed() {
        let mut seen = 0;
        each(&command(), &mut |command| {
            let examples = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            let each = examples.lines().flat_map(|line| line.split(" | "));
            for line in each.filter_map(|line| line.trim().strip_prefix("kubectl cmp ")) {
                let words = std::iter::once("kubectl-cmp".to_owned()).chain(documents::words(line)).map(OsString::from);
                let parsed = super::parse(&split_titles(words));
                assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
                seen += 1;
            }
        });
        assert!(seen > 20, "only {seen} examples were found");
    }

    #[test]
    fn a_title_is_a_type_and_a_name() {
        let check = |typed: &str, expected: &str| {
            let split = split_titles(typed.split(' ').map(OsString::from));
            let split: Vec<&str> = split.iter().filter_map(|argument| argument.to_str()).collect();
            assert_eq!(split.join(" "), expected);
        };
        check("kubectl-cmp get cluster/web", "kubectl-cmp get cluster web");
        check("kubectl-cmp -v 1 stop instance/web-0 web/1", "kubectl-cmp -v 1 stop instance web-0 web/1");
        check("kubectl-cmp create cluster cluster/web", "kubectl-cmp create cluster cluster/web");
        check("kubectl-cmp create cluster/web --cpu 1", "kubectl-cmp create cluster web --cpu 1");
        check("kubectl-cmp stop web/0", "kubectl-cmp stop web/0");
        check("kubectl-cmp quota --kubeconfig a/b", "kubectl-cmp quota --kubeconfig a/b");
    }
}
