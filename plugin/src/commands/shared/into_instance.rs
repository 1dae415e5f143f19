//! The way into an instance. For a container it is kubectl, with the namespace and the Pod filled in.

use std::process::Command;

use cmp_client::instances;
use cmp_core::instance::Instance;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;

use crate::args::{ContainerArg, Global, InstanceNameArg, TerminalArgs};
use crate::context::Context;
use crate::error::CliError;
use crate::platform::become_it;

/// Checks that there is an instance of this type to enter. The errors of kubectl and KubeVirt would name other objects
/// than the instance.
pub(crate) async fn runs(context: &Context<'_>, name: &InstanceName, kind: InstanceType) -> Result<Instance, CliError> {
    let instance = found(context, name).await?;
    match (instance.kind, kind) {
        (InstanceType::Vm, InstanceType::Container) => {
            return Err(CliError::user(format!("{name} is a VM, not a container"))
                .hint(format!("kubectl cmp ssh {name}"))
                .hint(format!("kubectl cmp console {name}")));
        }
        (InstanceType::Container, InstanceType::Vm) => {
            return Err(CliError::user(format!("{name} is a container, not a VM"))
                .hint(format!("kubectl cmp exec -it {name} -- sh"))
                .hint(format!("kubectl cmp logs {name}")));
        }
        (InstanceType::Container, InstanceType::Container) | (InstanceType::Vm, InstanceType::Vm) => {}
    }
    is_on(&instance)?;
    Ok(instance)
}

/// Checks that there is an instance to enter, and returns it.
pub(crate) async fn running(context: &Context<'_>, name: &InstanceName) -> Result<Instance, CliError> {
    let instance = found(context, name).await?;
    is_on(&instance)?;
    Ok(instance)
}

async fn found(context: &Context<'_>, name: &InstanceName) -> Result<Instance, CliError> {
    context.check_namespace(&name.cluster)?;
    let found = match context.kind(&name.cluster).await? {
        Some(kind) => instances::get(&context.client().await?, name, kind).await?,
        None => None,
    };
    found.ok_or_else(|| CliError::not_found("instance", &name.to_string()))
}

/// Checks that nobody has switched the instance off.
fn is_on(instance: &Instance) -> Result<(), CliError> {
    let name = &instance.name;
    let wake = match instance.state {
        State::Stopped => "start",
        State::Suspended => "resume",
        State::Running | State::Pending | State::Failed => return Ok(()),
    };
    let frozen = if instance.paused { ": a paused VM does not respond" } else { "" };
    Err(CliError::user(format!("{name} is {}{frozen}", instance.state))
        .hint(format!("kubectl cmp {wake} instance {name}")))
}

/// Returns a kubectl command for the Pod of an instance, with the same connection flags.
pub(crate) fn kubectl(verb: &str, global: &Global, name: &InstanceName) -> Command {
    let mut kubectl = kubectl_in(verb, global, &name.cluster);
    kubectl.arg(format!("{name}-0"));
    kubectl
}

/// Returns a kubectl command in the Namespace of a cluster, with the same connection flags.
pub(crate) fn kubectl_in(verb: &str, global: &Global, cluster: &ClusterName) -> Command {
    let mut kubectl = Command::new("kubectl");
    kubectl.arg(verb).arg(format!("--namespace={}", cluster.namespace()));
    kubectl.args(global.as_kubectl());
    kubectl
}

/// Returns a kubectl command that connects the caller's terminal with a running container.
pub(crate) async fn with_terminal(context: &Context<'_>, verb: &str, args: TerminalArgs) -> Result<Command, CliError> {
    let TerminalArgs { instance: InstanceNameArg { name }, stdin, tty, container: ContainerArg { container } } = args;
    runs(context, &name, InstanceType::Container).await?;
    let mut kubectl = kubectl(verb, &context.global, &name);
    kubectl.args(given([("--stdin", stdin), ("--tty", tty)]));
    kubectl.args(container.map(|container| format!("--container={container}")));
    Ok(kubectl)
}

/// Replaces this process with kubectl.
pub(crate) fn become_kubectl(kubectl: Command) -> Result<(), CliError> {
    let error = become_it(kubectl);
    Err(CliError::user(format!("kubectl: {error}")).hint("this command needs kubectl on the PATH"))
}

/// Returns the flags that were given.
pub(crate) fn given<const N: usize>(flags: [(&'static str, bool); N]) -> impl Iterator<Item = &'static str> {
    flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag)
}
