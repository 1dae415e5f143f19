//! `--wait=ssh`: waits until ssh answers in VMs.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use kube::Client;
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::streams::{self, End};
use cmp_core::name::InstanceName;
use cmp_core::progress::clock::Limit;
use cmp_core::vocabulary::InstanceType;

use crate::args::WaitArgs;
use crate::commands::shared::wait_clock::WaitClock;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::Progress;

/// Number of VMs that are tried in parallel.
const AT_ONCE: usize = 32;
/// The most time for one try: a network may drop a connection without an answer.
const TRY: Duration = Duration::from_secs(5);
/// The pause between two rounds of tries.
const PAUSE: Duration = Duration::from_secs(1);
/// The most bytes that are read from a port before it counts as another protocol.
const MOST: usize = 8 << 10;
/// The reason for a VM that has not answered in time.
const NO_ANSWER: &str = "no answer";
/// The most VMs that an error names.
const NAMED: usize = 3;

/// A VM in which ssh does not answer.
#[derive(Debug)]
pub(crate) struct Silent {
    pub(crate) name: InstanceName,
    /// The reason of the last try.
    why: String,
}

/// Refuses `--wait=ssh` for containers. A cluster that is not found is reported by its command.
pub(crate) fn only_vms(kind: Option<InstanceType>, wait: &WaitArgs) -> Result<(), CliError> {
    if wait.ssh.is_some() && kind == Some(InstanceType::Container) {
        return Err(CliError::user("--wait=ssh is for VMs"));
    }
    Ok(())
}

/// Waits until ssh answers on this port of all VMs.
pub(crate) async fn answers(
    context: &Context<'_>,
    names: Vec<InstanceName>,
    port: u16,
    limit: Limit,
) -> Result<(), CliError> {
    let clock = WaitClock::start(limit);
    let silent = until(context, names, port, &clock).await?;
    if silent.is_empty() {
        return Ok(());
    }
    Err(late(&silent, port, &clock))
}

/// Waits until ssh answers on this port of all VMs, or the clock has run out. Returns those in which it does not.
pub(crate) async fn until(
    context: &Context<'_>,
    names: Vec<InstanceName>,
    port: u16,
    clock: &WaitClock,
) -> Result<Vec<Silent>, CliError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let client = context.client().await?;
    context.ui.goes_on("only the wait has ended, and the VMs go on starting", "the same command continues to wait");
    let total = names.len();
    let mut silent: Vec<Silent> = names.into_iter().map(|name| Silent { name, why: NO_ANSWER.to_owned() }).collect();
    let mut progress = Progress::new(context.ui);
    loop {
        let tries = stream::iter(std::mem::take(&mut silent)).map(|one| tried(&client, one, port, clock));
        let mut tries = tries.buffer_unordered(AT_ONCE);
        while let Some(tried) = tries.next().await {
            silent.extend(tried?);
        }
        silent.sort_by(|one, other| one.name.cmp(&other.name));
        let counts = format!("ssh answers in {}/{total} VMs", total - silent.len());
        clock.observe(&counts);
        let ends = silent.is_empty() || clock.is_over();
        let why = silent.first().map(|one| format!("{}: {}", one.name, one.why));
        progress.show(&counts, why.as_deref(), ends);
        if ends {
            return Ok(silent);
        }
        tokio::time::sleep_until(clock.end().min(Instant::now() + PAUSE)).await;
    }
}

/// Tries one VM. Returns it with the reason if ssh does not answer in it.
async fn tried(client: &Client, one: Silent, port: u16, clock: &WaitClock) -> Result<Option<Silent>, CliError> {
    let why =
        match tokio::time::timeout_at(clock.end().min(Instant::now() + TRY), greeted(client, &one.name, port)).await {
            Ok(Ok(Greeting::Ssh)) => return Ok(None),
            Ok(Ok(Greeting::Other)) => "another protocol answers".to_owned(),
            Ok(Ok(Greeting::Nothing)) => "the connection ended before ssh answered".to_owned(),
            // No later try has other credentials.
            Ok(Err(error @ (ApiError::Unauthorized(_) | ApiError::NoConnection(_)))) => return Err(error.into()),
            Ok(Err(error)) => error.to_string(),
            // The try was cut off by the end of the wait: the reason of the try before says more.
            Err(_) if clock.is_over() => one.why,
            Err(_) => NO_ANSWER.to_owned(),
        };
    Ok(Some(Silent { why, ..one }))
}

/// The first words of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Greeting {
    Ssh,
    Other,
    /// The server closed the connection.
    Nothing,
}

/// Connects with a port of a VM, and reads what the server says first.
async fn greeted(client: &Client, name: &InstanceName, port: u16) -> Result<Greeting, ApiError> {
    let (mut sender, mut receiver) = streams::open(client, name, End::Port(port)).await?;
    let mut said = Vec::new();
    let greeting = loop {
        if is_ssh(&said) {
            break Greeting::Ssh;
        }
        if said.len() > MOST {
            break Greeting::Other;
        }
        match receiver.next().await? {
            Some(bytes) => said.extend_from_slice(&bytes),
            None => break Greeting::Nothing,
        }
    };
    sender.close().await;
    Ok(greeting)
}

/// Reports whether a server of ssh has introduced itself. It may say other lines before (RFC 4253, section 4.2).
fn is_ssh(said: &[u8]) -> bool {
    said.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"SSH-"))
}

/// Builds the error for VMs in which ssh does not answer. It names the first ones, and the command to look at one.
pub(crate) fn late(silent: &[Silent], port: u16, clock: &WaitClock) -> CliError {
    let mut names: Vec<String> = silent.iter().take(NAMED).map(|one| one.name.to_string()).collect();
    if silent.len() > NAMED {
        names.push(format!("{} more", silent.len() - NAMED));
    }
    let why = silent.first().map_or("", |one| &one.why);
    let what = format!("ssh to answer on port {port} of {}: {why}", names.join(", "));
    let error = CliError::from(ApiError::TimedOut { what, seconds: clock.seconds() });
    silent.iter().take(1).fold(error, |error, one| error.hint(format!("kubectl cmp console {}", one.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_of_ssh_introduces_itself_in_one_of_its_first_lines() {
        for (said, expected) in [
            ("", false),
            ("SSH", false),
            ("SSH-2.0-OpenSSH_9.9\r\n", true),
            ("welcome\r\nSSH-2.0-x", true),
            ("HTTP/1.1 400 no SSH-2.0 here\r\n", false),
        ] {
            assert_eq!(is_ssh(said.as_bytes()), expected, "{said:?}");
        }
    }

    #[test]
    fn only_a_cluster_of_vms_can_be_waited_for() {
        let mut ssh = WaitArgs::default();
        assert!(only_vms(Some(InstanceType::Container), &ssh).is_ok());
        ssh.ssh = Some(22);
        let refused = only_vms(Some(InstanceType::Container), &ssh).unwrap_err();
        assert_eq!(refused.text(), "error: --wait=ssh is for VMs\n");
        assert!(only_vms(Some(InstanceType::Vm), &ssh).is_ok());
    }

    #[tokio::test]
    async fn the_error_names_the_silent_vms_and_the_command_to_look() {
        let clock = WaitClock::start(Limit::Exact(Duration::from_secs(9)));
        let silent = |count: u32| -> Vec<Silent> {
            let one = |index| Silent { name: format!("dev-{index}").parse().unwrap(), why: "refused".to_owned() };
            (0..count).map(one).collect()
        };
        for (count, names) in [(1, "dev-0"), (3, "dev-0, dev-1, dev-2"), (5, "dev-0, dev-1, dev-2, 2 more")] {
            let expected = format!(
                "error: timed out after 9 s waiting for ssh to answer on port 22 of {names}: refused\nhint: the same command goes on where this one ended\nhint: kubectl cmp console dev-0\n"
            );
            assert_eq!(late(&silent(count), 22, &clock).text(), expected);
        }
    }
}
