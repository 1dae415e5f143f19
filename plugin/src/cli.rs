//! What can be typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use cmp_core::account::{InstanceType, Suspended};
use cmp_core::instance;
use cmp_core::name::{ClusterName, InstanceName, UserName};
use cmp_core::quantity::Quantity;
use cmp_core::resources::ResourceName;

/// A small cloud inside any Kubernetes cluster
///
/// Clusters of identical instances, each in a namespace of its own; users with a quota over all of theirs.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-cmp",
    bin_name = "kubectl cmp",
    version,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Use \"kubectl cmp <command> --help\" for more about a command."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) global: Global,
}

/// kubectl's global flags, as far as they say whom to talk to and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global flags")]
pub(crate) struct Global {
    /// The kubeconfig to use
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig to use
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) context: Option<String>,
    /// The cluster of the kubeconfig to use
    #[arg(long = "cluster", global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) kube_cluster: Option<String>,
    /// The user of the kubeconfig to use (whose cluster it is, is --owner)
    #[arg(long = "user", global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) kube_user: Option<String>,
    /// A namespace `<cluster>-ns` names the cluster where one is asked for
    #[arg(short, long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) namespace: Option<String>,
    /// The address of the API server
    #[arg(short, long, global = true, value_name = "URL", hide_short_help = true)]
    pub(crate) server: Option<String>,
    /// A bearer token for the API server
    #[arg(long = "token", global = true, value_name = "TOKEN", hide_short_help = true)]
    pub(crate) bearer: Option<String>,
    /// The username to act as
    #[arg(long = "as", global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) act_as: Option<String>,
    /// A group to act in; may be repeated
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    pub(crate) as_group: Vec<String>,
    /// The uid to act as
    #[arg(long, global = true, value_name = "UID", hide_short_help = true)]
    pub(crate) as_uid: Option<String>,
    /// How long one request may take, such as 30s; 0 for as long as it takes
    #[arg(long, global = true, value_name = "DURATION", default_value = "30s", value_parser = request_timeout, hide_short_help = true)]
    pub(crate) request_timeout: Duration,
    /// Trust any certificate of the API server; this makes the connection insecure
    #[arg(long, global = true, hide_short_help = true)]
    pub(crate) insecure_skip_tls_verify: bool,
    /// A file with the certificate authority of the API server
    #[arg(long, global = true, value_name = "FILE", hide_short_help = true)]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// How much to say about what is done
    #[arg(short, long, global = true, value_name = "LEVEL", default_value_t = 0, hide_short_help = true)]
    pub(crate) v: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create a cluster, a user or a token
    #[command(subcommand)]
    Create(Create),
    /// Show clusters, instances, users or tokens
    #[command(subcommand)]
    Get(Get),
    /// Show everything about a cluster, an instance or a user
    #[command(subcommand)]
    Describe(Describe),
    /// Delete clusters, users or a token
    #[command(subcommand)]
    Delete(Delete),
    /// Change the number of instances of a cluster
    #[command(subcommand)]
    Scale(Scale),
    /// Switch instances on
    #[command(subcommand)]
    Start(Instances),
    /// Switch instances off
    #[command(subcommand)]
    Stop(Instances),
    /// Free what clusters or instances use, and remember how they were
    #[command(subcommand)]
    Suspend(Suspend),
    /// Bring suspended clusters or instances back
    #[command(subcommand)]
    Resume(Resume),
    /// Change the quota of a user
    #[command(subcommand)]
    Set(Set),
    /// Show what may be used, what is, and what is left
    Quota(QuotaArgs),
    /// Show who you are, where, and what you may use
    Whoami(OutputArgs),
    /// Install the in-cluster half: namespaces, policies, rights, cmp-webhook
    Install(InstallArgs),
    /// Take cmp-webhook away; clusters, accounts and policies stay
    Uninstall(UninstallArgs),
    /// Show the version of the plugin and of the API server
    Version(VersionArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Create {
    /// Create a cluster of identical instances
    #[command(visible_alias = "clusters")]
    Cluster(CreateCluster),
    /// Create a user with a quota
    #[command(visible_alias = "users")]
    User(CreateUser),
    /// Create a token for a user
    #[command(visible_alias = "tokens")]
    Token(CreateToken),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Get {
    /// Show clusters
    #[command(visible_alias = "cluster")]
    Clusters(GetClusters),
    /// Show instances
    #[command(visible_alias = "instance")]
    Instances(GetInstances),
    /// Show users with their quota and use (administrators)
    #[command(visible_alias = "user")]
    Users(GetUsers),
    /// Show the tokens of a user (administrators)
    #[command(visible_alias = "token")]
    Tokens(GetTokens),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Describe {
    /// Show everything about clusters
    #[command(visible_alias = "clusters")]
    Cluster(Names<ClusterName>),
    /// Show everything about instances
    #[command(visible_alias = "instances")]
    Instance(Names<InstanceName>),
    /// Show everything about users (administrators)
    #[command(visible_alias = "users")]
    User(Names<UserName>),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Delete {
    /// Delete clusters with everything in them
    #[command(visible_alias = "clusters")]
    Cluster(DeleteCluster),
    /// Delete users (administrators)
    #[command(visible_alias = "users")]
    User(DeleteUser),
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
pub(crate) enum Instances {
    /// Instances by their names
    #[command(visible_alias = "instances")]
    Instance(InstanceArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Suspend {
    /// All instances of clusters
    #[command(visible_alias = "clusters")]
    Cluster(SuspendClusters),
    /// Instances by their names
    #[command(visible_alias = "instances")]
    Instance(SuspendInstances),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Resume {
    /// All instances of clusters
    #[command(visible_alias = "clusters")]
    Cluster(ClustersArgs),
    /// Instances by their names
    #[command(visible_alias = "instances")]
    Instance(InstanceArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Set {
    /// Change the quota of a user (administrators)
    Quota(SetQuota),
}

/// How the answer is printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputArgs {
    /// In which form: json, yaml, wide or name
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub(crate) output: Option<Format>,
    /// Leave the head of the table out
    #[arg(long)]
    pub(crate) no_headers: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Json,
    Yaml,
    Wide,
    Name,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum DryRun {
    /// Do it.
    #[default]
    None,
    /// Only say what would be done.
    Client,
    /// Ask the API server whether it would do it.
    Server,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ChangeArgs {
    /// Only say what would be done (client), or ask the API server whether it would (server)
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub(crate) dry_run: DryRun,
    /// In which form the answer is printed: json, yaml or name
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait until it is done, not only accepted
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait, such as 60s or 5m
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) timeout: Duration,
}

/// So much of one resource: `nvidia.com/gpu=1`.
#[derive(Debug, Clone)]
pub(crate) struct Amount {
    pub(crate) name: ResourceName,
    pub(crate) amount: Quantity,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kubectl cmp create cluster web --cpu 2 --memory 4Gi --count 3\n  kubectl cmp create cluster db --cpu 1 --memory 2Gi --image postgres:18 --wait"
)]
pub(crate) struct CreateCluster {
    /// The name of the cluster; its namespace is <NAME>-ns
    #[arg(value_name = "NAME", value_parser = cluster)]
    pub(crate) name: ClusterName,
    /// The processors of each instance, such as 2 or 500m
    #[arg(long, value_name = "CPU", value_parser = quantity)]
    pub(crate) cpu: Quantity,
    /// The memory of each instance, such as 4Gi
    #[arg(long, value_name = "MEMORY", value_parser = memory)]
    pub(crate) memory: Quantity,
    /// How many instances
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    pub(crate) count: u32,
    /// What the instances are: container or vm
    #[arg(long = "type", value_name = "TYPE", default_value = "container", value_parser = kind)]
    pub(crate) kind: InstanceType,
    /// The image of the instances; without one, a small Debian that sleeps
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// Another resource of each instance, such as nvidia.com/gpu=1; may be repeated
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// The file of the public key that may log in to the VMs
    #[arg(long, value_name = "FILE")]
    pub(crate) ssh_key: Option<PathBuf>,
    /// Whose cluster it is to be (administrators)
    #[arg(long, value_name = "USER")]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kubectl cmp create user john --cpu 16 --memory 64Gi --kubeconfig-out john.kubeconfig\n  kubectl cmp create user mary --cpu 8 --memory 32Gi --resource nvidia.com/gpu=2"
)]
pub(crate) struct CreateUser {
    /// The name of the user
    #[arg(value_name = "NAME", value_parser = user)]
    pub(crate) name: UserName,
    /// The processors that all instances of the user may have
    #[arg(long, value_name = "CPU", value_parser = quantity)]
    pub(crate) cpu: Quantity,
    /// The memory that all instances of the user may have
    #[arg(long, value_name = "MEMORY", value_parser = memory)]
    pub(crate) memory: Quantity,
    /// Another resource that they may have, such as nvidia.com/gpu=4; may be repeated
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// What becomes of the quota of a suspended cluster: keep, or release it until the cluster is resumed
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub(crate) suspended: Keeping,
    /// For how long the token of the kubeconfig is good
    #[arg(long, value_name = "DURATION", default_value = "720h", value_parser = duration)]
    pub(crate) token_duration: Duration,
    /// Write the user's kubeconfig to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig_out: Option<PathBuf>,
    /// Only say what would be done (client), or ask the API server whether it would (server)
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub(crate) dry_run: DryRun,
}

#[derive(Debug, Args)]
pub(crate) struct CreateToken {
    /// For whom
    #[arg(value_name = "USER", value_parser = user)]
    pub(crate) user: UserName,
    /// For how long it is good
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    pub(crate) duration: Duration,
    /// In which form: json or yaml; without it, the token alone
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub(crate) output: Option<Format>,
}

#[derive(Debug, Args)]
pub(crate) struct GetClusters {
    /// Which; without a name, all of yours
    #[arg(value_name = "NAME", value_parser = cluster)]
    pub(crate) names: Vec<ClusterName>,
    /// Everyone's (administrators)
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    /// Whose (administrators)
    #[arg(long, value_name = "USER")]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetInstances {
    /// Which; without a name, all of yours
    #[arg(value_name = "NAME", value_parser = instance)]
    pub(crate) names: Vec<InstanceName>,
    /// Of which cluster
    #[arg(long = "in", value_name = "CLUSTER", value_parser = cluster)]
    pub(crate) of: Option<ClusterName>,
    /// Everyone's (administrators)
    #[arg(short = 'A', long)]
    pub(crate) all_namespaces: bool,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetUsers {
    /// Which; without a name, all
    #[arg(value_name = "NAME", value_parser = user)]
    pub(crate) names: Vec<UserName>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct GetTokens {
    /// Whose
    #[arg(value_name = "USER", value_parser = user)]
    pub(crate) user: UserName,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Names<N: std::str::FromStr<Err: std::error::Error + Send + Sync> + Clone + Send + Sync + 'static> {
    /// Which
    #[arg(value_name = "NAME", required = true, value_parser = named::<N>)]
    pub(crate) names: Vec<N>,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kubectl cmp delete cluster web\n  kubectl cmp delete cluster web db --yes --wait")]
pub(crate) struct DeleteCluster {
    /// Which
    #[arg(value_name = "NAME", value_parser = cluster)]
    pub(crate) names: Vec<ClusterName>,
    /// All of yours
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    /// Only say what would be done (client), or ask the API server whether it would (server)
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub(crate) dry_run: DryRun,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteUser {
    /// Which
    #[arg(value_name = "NAME", required = true, value_parser = user)]
    pub(crate) names: Vec<UserName>,
    /// Their clusters, too
    #[arg(long)]
    pub(crate) cascade: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// How long to wait for clusters to be gone
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Only say what would be done (client), or ask the API server whether it would (server)
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub(crate) dry_run: DryRun,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteToken {
    /// Whose
    #[arg(value_name = "USER", value_parser = user)]
    pub(crate) user: UserName,
    /// Which, as `get tokens` shows it
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// Only say what would be done (client), or ask the API server whether it would (server)
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub(crate) dry_run: DryRun,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  kubectl cmp scale cluster web --count 5")]
pub(crate) struct ScaleCluster {
    /// Which
    #[arg(value_name = "NAME", value_parser = cluster)]
    pub(crate) name: ClusterName,
    /// How many instances; what is given up are those with the highest indexes
    #[arg(long, value_name = "N", value_parser = count)]
    pub(crate) count: u32,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct InstanceArgs {
    /// Which, such as web-0
    #[arg(value_name = "NAME", required = true, value_parser = instance)]
    pub(crate) names: Vec<InstanceName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ClustersArgs {
    /// Which
    #[arg(value_name = "NAME", value_parser = cluster)]
    pub(crate) names: Vec<ClusterName>,
    /// All of yours
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct How {
    /// How: halt switches off; pause keeps the memory of a VM
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) mode: Option<Mode>,
    /// Why; it is shown as long as they are suspended
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
    after_help = "Examples:\n  kubectl cmp suspend cluster web --reason night\n  kubectl cmp suspend cluster --all"
)]
pub(crate) struct SuspendClusters {
    #[command(flatten)]
    pub(crate) how: How,
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
#[command(after_help = "Examples:\n  kubectl cmp set quota john --cpu 32")]
pub(crate) struct SetQuota {
    /// Whose
    #[arg(value_name = "USER", value_parser = user)]
    pub(crate) user: UserName,
    /// The processors that all instances of the user may have
    #[arg(long, value_name = "CPU", value_parser = quantity)]
    pub(crate) cpu: Option<Quantity>,
    /// The memory that all instances of the user may have
    #[arg(long, value_name = "MEMORY", value_parser = memory)]
    pub(crate) memory: Option<Quantity>,
    /// Another resource that they may have; may be repeated
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// What becomes of the quota of a suspended cluster: keep, or release it until the cluster is resumed
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) suspended: Option<Keeping>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

/// Whether the quota of suspended clusters is kept.
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
pub(crate) struct QuotaArgs {
    /// Whose (administrators); without a name, yours
    #[arg(value_name = "USER", value_parser = user)]
    pub(crate) user: Option<UserName>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  kubectl cmp install --image cmp-webhook:0.1.0\n  kubectl cmp install --dry-run=client -o yaml"
)]
pub(crate) struct InstallArgs {
    /// The image of cmp-webhook
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// How many replicas of cmp-webhook
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) replicas: u16,
    /// A process outside the cluster to ask instead of the Deployment (development): https://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = webhook_url)]
    pub(crate) webhook_url: Option<String>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UninstallArgs {
    /// All clusters, accounts, rights and policies, too
    #[arg(long)]
    pub(crate) purge: bool,
    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// How long to wait for clusters to be gone
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Only say what would be done (client), or ask the API server whether it would (server)
    #[arg(long, value_name = "WHERE", value_enum, default_value_t)]
    pub(crate) dry_run: DryRun,
}

#[derive(Debug, Args)]
pub(crate) struct VersionArgs {
    /// Of the plugin alone
    #[arg(long)]
    pub(crate) client: bool,
    /// In which form: json or yaml
    #[arg(short, long, value_name = "FORMAT", value_enum)]
    pub(crate) output: Option<Format>,
}

/// The verbs that a type follows.
const VERBS: [&str; 8] = ["get", "describe", "delete", "start", "stop", "suspend", "resume", "scale"];

/// `get cluster/web` is `get cluster web`, as in kubectl.
pub(crate) fn split_titles(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut split = Vec::new();
    let mut after_verb = false;
    for argument in arguments {
        let title = argument.to_str().filter(|_| after_verb).and_then(|text| text.split_once('/'));
        after_verb = argument.to_str().is_some_and(|text| VERBS.contains(&text));
        match title {
            Some((kind, name)) => split.extend([OsString::from(kind), OsString::from(name)]),
            None => split.push(argument),
        }
    }
    split
}

/// `cluster/web` is as good as `web`.
fn plain<'a>(text: &'a str, nouns: &[&str]) -> &'a str {
    text.split_once('/').filter(|(noun, _)| nouns.contains(noun)).map_or(text, |(_, name)| name)
}

fn cluster(text: &str) -> Result<ClusterName, cmp_core::name::InvalidName> {
    plain(text, &["cluster", "clusters"]).parse()
}

fn instance(text: &str) -> Result<InstanceName, cmp_core::name::InvalidName> {
    plain(text, &["instance", "instances"]).parse()
}

fn user(text: &str) -> Result<UserName, cmp_core::name::InvalidName> {
    plain(text, &["user", "users"]).parse()
}

fn named<N: std::str::FromStr>(text: &str) -> Result<N, N::Err> {
    plain(text, &["cluster", "clusters", "instance", "instances", "user", "users"]).parse()
}

fn kind(text: &str) -> Result<InstanceType, String> {
    text.parse()
}

fn quantity(text: &str) -> Result<Quantity, String> {
    let quantity: Quantity = text.parse().map_err(|error: cmp_core::quantity::InvalidQuantity| error.to_string())?;
    if quantity.is_zero() || quantity.is_negative() {
        return Err(format!("{text} must be above 0"));
    }
    Ok(quantity)
}

fn memory(text: &str) -> Result<Quantity, String> {
    let memory = quantity(text)?;
    if memory < Quantity::mebibytes(1) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("{text} is {text} bytes; did you mean {text}Gi?"));
    }
    if memory < Quantity::mebibytes(1) {
        return Err(format!("{text} is below 1Mi, the least an instance can have"));
    }
    Ok(memory)
}

fn count(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(0) => Err("0 is no cluster: use 1 or more, or suspend or delete the cluster".to_owned()),
        Ok(count) if count <= cmp_core::name::MAX_COUNT => Ok(count),
        Ok(_) => {
            Err(format!("{text} is more than the {} instances that a cluster can have", cmp_core::name::MAX_COUNT))
        }
        Err(_) => Err(format!("{text} is not a whole number from 1 to {}", cmp_core::name::MAX_COUNT)),
    }
}

fn amount(text: &str) -> Result<Amount, String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no amount: use a form such as nvidia.com/gpu=1"))?;
    let name = name.parse().map_err(|error: cmp_core::resources::InvalidResourceName| error.to_string())?;
    Ok(Amount { name, amount: quantity(value)? })
}

/// Reads a duration as Go writes it: `90s`, `1m30s`, `720h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: use a form such as 30s, 5m or 24h");
    let read: kube::core::Duration = text.parse().map_err(|_| wrong())?;
    if read.is_negative() { Err(wrong()) } else { Ok(read.into()) }
}

/// kubectl takes a bare number as seconds here.
fn request_timeout(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => duration(text),
    }
}

fn webhook_url(text: &str) -> Result<String, String> {
    let url: Result<http::Uri, _> = text.parse();
    match url {
        Ok(url) if url.scheme_str() == Some("https") && url.host().is_some() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!("{text:?} is not an address: use a form such as https://localhost:8443")),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn names_may_bear_their_type() {
        assert_eq!(cluster("cluster/web").unwrap().as_str(), "web");
        assert_eq!(instance("instance/web-0").unwrap().to_string(), "web-0");
        assert_eq!(instance("web/0").unwrap().to_string(), "web-0");
        assert!(cluster("pod/web").is_err());
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
        check("kubectl-cmp quota --kubeconfig a/b", "kubectl-cmp quota --kubeconfig a/b");
    }

    #[test]
    fn a_memory_of_a_few_bytes_is_refused_with_what_was_meant() {
        assert_eq!(memory("64").unwrap_err(), "64 is 64 bytes; did you mean 64Gi?");
        assert!(memory("100m").unwrap_err().contains("below 1Mi"));
        assert_eq!(memory("4Gi").unwrap().to_string(), "4Gi");
    }
}
