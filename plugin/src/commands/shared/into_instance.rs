//! The way into an instance: kubectl with the namespace and the Pod filled in, or KubeVirt's virtctl.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::process::Command;

use cmp_client::instances;
use cmp_core::instance::Instance;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;

use crate::args::{ContainerArg, Global, InstanceNameArg, TerminalArgs, VmArgs};
use crate::context::Context;
use crate::error::CliError;

/// The names of virtctl: its own, and the one that krew gives it.
const VIRTCTL: [&str; 2] = ["virtctl", "kubectl-virt"];

/// Checks that there is an instance of this type to enter. The errors of kubectl and virtctl would name Pods instead of
/// the instance.
pub(crate) async fn runs(context: &Context<'_>, name: &InstanceName, kind: InstanceType) -> Result<(), CliError> {
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
    is_on(&instance)
}

/// Checks that there is an instance to enter, and returns its type.
pub(crate) async fn running(context: &Context<'_>, name: &InstanceName) -> Result<InstanceType, CliError> {
    let instance = found(context, name).await?;
    is_on(&instance)?;
    Ok(instance.kind)
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

/// Replaces this process with virtctl for a VM that runs.
pub(crate) async fn virtctl(
    context: &Context<'_>,
    vm: VmArgs,
    verb: &str,
    target: String,
    flags: Vec<OsString>,
) -> Result<(), CliError> {
    let VmArgs { instance: InstanceNameArg { name }, more } = vm;
    if let Some(word) = more.first().filter(|word| !word.as_bytes().starts_with(b"-")) {
        return Err(CliError::user(format!(
            "{} is not a flag: all arguments after -- are for virtctl",
            word.display()
        ))
        .hint(format!("to run a command in the VM: kubectl cmp ssh {name} -c COMMAND")));
    }
    runs(context, &name, InstanceType::Vm).await?;
    let flags: Vec<OsString> = flags.into_iter().chain(more).collect();
    become_virtctl(context, &name, verb, &flags, &[target.into()])
}

/// Replaces this process with virtctl, with the same connection flags.
pub(crate) fn become_virtctl(
    context: &Context<'_>,
    name: &InstanceName,
    verb: &str,
    flags: &[OsString],
    operands: &[OsString],
) -> Result<(), CliError> {
    let global = context.global.as_kubectl();
    for program in VIRTCTL {
        let mut virtctl = Command::new(program);
        // `virtctl ssh` makes ssh start a second virtctl, under the name of the first and without its flags. The second
        // one would use another cluster or another identity. The flags are therefore a part of the name.
        virtctl.arg0(global.iter().fold(program.into(), with_word));
        virtctl.arg(verb).arg(format!("--namespace={}", name.cluster.namespace()));
        virtctl.args(&global).args(flags).args(operands);
        let error = become_it(virtctl);
        if error.kind() != io::ErrorKind::NotFound {
            return Err(CliError::user(format!("{program}: {error}")));
        }
    }
    Err(CliError::user("KubeVirt's virtctl was not found on the PATH")
        .hint("to install it with krew: kubectl krew install virt")
        .hint("or download it from the releases of KubeVirt: https://github.com/kubevirt/kubevirt/releases"))
}

/// Replaces this process with another program, which gets the terminal, the signals and the exit code. Returns the
/// error if that fails.
fn become_it(mut program: Command) -> io::Error {
    program.exec()
}

/// Returns the flags that were given.
pub(crate) fn given<const N: usize>(flags: [(&'static str, bool); N]) -> impl Iterator<Item = &'static str> {
    flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag)
}

/// Formats `--name=value` for a value of any bytes.
pub(crate) fn flag(name: &str, value: &OsStr) -> OsString {
    let mut flag = OsString::from(format!("{name}="));
    flag.push(value);
    flag
}

/// Adds a word to a command that ssh passes to a shell. The word is quoted for the shell, and `%` is escaped for ssh.
fn with_word(command: OsString, word: &OsString) -> OsString {
    let mut command = command.into_vec();
    command.extend(b" '");
    for byte in word.as_bytes() {
        match byte {
            b'\'' => command.extend(br"'\''"),
            b'%' => command.extend(b"%%"),
            byte => command.push(*byte),
        }
    }
    command.push(b'\'');
    OsString::from_vec(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_for_ssh_and_its_shell() {
        let check = |words: &[&str], expected: &str| {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(words.iter().fold("virtctl".into(), with_word), expected);
        };
        check(&[], "virtctl");
        check(&["--context=a b", "--token=$(x)"], "virtctl '--context=a b' '--token=$(x)'");
        check(&["--as=it's", "--server=https://[::1%eth0]"], r"virtctl '--as=it'\''s' '--server=https://[::1%%eth0]'");
    }
}
