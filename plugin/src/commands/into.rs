//! `exec` and `logs`: kubectl's own, with the namespace and the Pod of an instance filled in.

use std::os::unix::process::CommandExt;
use std::process::Command;

use cmp_core::account::InstanceType;
use cmp_core::instance::State;
use cmp_core::name::InstanceName;

use crate::cli::{ExecArgs, Global, LogsArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::view;

pub(crate) async fn exec(context: &Context<'_>, args: ExecArgs) -> Result<(), CliError> {
    let ExecArgs { name, stdin, tty, container, command } = args;
    runs(context, &name).await?;
    let mut kubectl = kubectl("exec", &context.global, &name);
    let flags = [("--stdin", stdin), ("--tty", tty)];
    kubectl.args(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
    kubectl.args(container.map(|container| format!("--container={container}")));
    kubectl.arg("--").args(command);
    become_it(kubectl)
}

pub(crate) async fn logs(context: &Context<'_>, args: LogsArgs) -> Result<(), CliError> {
    let LogsArgs { name, follow, previous, timestamps, tail, since, container } = args;
    runs(context, &name).await?;
    let mut kubectl = kubectl("logs", &context.global, &name);
    let flags = [("--follow", follow), ("--previous", previous), ("--timestamps", timestamps)];
    kubectl.args(flags.iter().filter(|(_, given)| *given).map(|(flag, _)| flag));
    kubectl.args(tail.map(|lines| format!("--tail={lines}")));
    kubectl.args(since.map(|since| format!("--since={since}")));
    kubectl.args(container.map(|container| format!("--container={container}")));
    become_it(kubectl)
}

/// That there is a Pod to enter: what kubectl would say of it speaks of Pods, and not of what was asked for.
async fn runs(context: &Context<'_>, name: &InstanceName) -> Result<(), CliError> {
    context.check_namespace(&name.cluster)?;
    let all = view::instances(&context.client().await?, &name.cluster).await?;
    let found = all.into_iter().find(|instance| instance.name == *name);
    let instance = found.ok_or_else(|| CliError::not_found("instance", &name.to_string()))?;
    if instance.kind == InstanceType::Vm {
        return Err(CliError::user(format!("{name} is a VM, and no container"))
            .hint(format!("virtctl console {name} -n {}", name.cluster.namespace())));
    }
    let wake = match instance.state {
        State::Stopped => "start",
        State::Suspended => "resume",
        State::Running | State::Pending | State::Failed => return Ok(()),
    };
    Err(CliError::user(format!("{name} is {}", instance.state)).hint(format!("kubectl cmp {wake} instance {name}")))
}

/// kubectl, talking to whom we talk to.
fn kubectl(verb: &str, global: &Global, name: &InstanceName) -> Command {
    let mut kubectl = Command::new("kubectl");
    kubectl.arg(verb).arg(format!("--namespace={}", name.cluster.namespace()));
    kubectl.args(global.as_kubectl()).arg(format!("{name}-0"));
    kubectl
}

/// Its terminal, its signals and its exit code are kubectl's from here on.
fn become_it(mut kubectl: Command) -> Result<(), CliError> {
    let error = kubectl.exec();
    Err(CliError::user(format!("kubectl: {error}")).hint("this needs kubectl itself on the PATH"))
}
