//! `logs`: runs kubectl with the namespace and the Pod filled in.

use clap::Args;

use cmp_core::vocabulary::InstanceType;

use crate::args::values::{for_kubectl, whole};
use crate::args::{ContainerArg, InstanceNameArg};
use crate::commands::shared::into_instance::{become_kubectl, given, kubectl, runs};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp logs web-0\n  kubectl cmp logs web-0 -f --tail 20")]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
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
    #[arg(long, value_name = "LINES", value_parser = whole::<i64>(-1..=1_000_000_000), allow_negative_numbers = true)]
    pub(crate) tail: Option<i64>,
    /// Print only logs newer than a duration, such as 10m
    #[arg(long, value_name = "DURATION", value_parser = for_kubectl)]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) container: ContainerArg,
}

pub(crate) async fn run(context: &Context<'_>, args: LogsArgs) -> Result<(), CliError> {
    let LogsArgs {
        instance: InstanceNameArg { name },
        follow,
        previous,
        timestamps,
        tail,
        since,
        container: ContainerArg { container },
    } = args;
    runs(context, &name, InstanceType::Container).await?;
    let mut kubectl = kubectl("logs", &context.global, &name);
    kubectl.args(given([("--follow", follow), ("--previous", previous), ("--timestamps", timestamps)]));
    kubectl.args(tail.map(|lines| format!("--tail={lines}")));
    kubectl.args(since.map(|since| format!("--since={since}")));
    kubectl.args(container.map(|container| format!("--container={container}")));
    become_kubectl(kubectl)
}
