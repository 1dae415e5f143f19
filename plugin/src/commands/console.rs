//! `console`: connects the terminal with the serial console of a VM.

use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::kubevirt::Machines;
use cmp_client::streams::{self, End, Receiver, Sender};
use cmp_core::name::InstanceName;
use cmp_core::vocabulary::InstanceType;

use crate::args::InstanceNameArg;
use crate::args::values::duration;
use crate::commands::shared::guest::Guest;
use crate::commands::shared::into_instance::runs;
use crate::context::Context;
use crate::error::CliError;
use crate::platform::signalled;
use crate::ui::{Raw, typed};

/// The byte of ctrl-], which leaves the console.
const LEAVE: u8 = 0x1d;
/// How long the close of a stream may take. A network that is gone does not keep the user.
const CLOSE: Duration = Duration::from_secs(1);
/// How long KubeVirt may take to report the end of a guest, after its console has ended.
const REPORT: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp console dev-0\n  kubectl cmp console dev-0 --timeout 30s")]
pub(crate) struct ConsoleArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
    /// Time to wait for a VM that is starting
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = duration)]
    pub(crate) timeout: Duration,
}

pub(crate) async fn run(context: &Context<'_>, args: ConsoleArgs) -> Result<(), CliError> {
    let ConsoleArgs { instance: InstanceNameArg { name }, timeout } = args;
    runs(context, &name, InstanceType::Vm).await?;
    let client = context.client().await?;
    let guest = started(context, &name, timeout).await?;
    let (sender, receiver) = streams::open(&client, &name, End::Console).await?;
    context.ui.note(&format!("Connected to the console of {name}. Press Ctrl+] to leave it."));
    if let Some((columns, rows)) = context.ui.typed_size() {
        // A serial line does not carry the size of the terminal.
        context.ui.note(&format!("The VM does not learn the size of this terminal: stty rows {rows} cols {columns}"));
    }
    let ended = {
        // A signal from now on restores the mode of the terminal.
        let signalled = signalled();
        let _raw = Raw::new();
        connected(context, &guest, sender, receiver, signalled).await
    };
    if context.ui.typed_size().is_some() {
        context.ui.err("\n");
    }
    match ended {
        Ended::Left => Ok(()),
        Ended::Cut(Some(why)) => Err(why),
        Ended::Cut(None) => Err(disconnected(&guest).await),
    }
}

/// Waits until the guest of a VM runs.
async fn started(context: &Context<'_>, name: &InstanceName, timeout: Duration) -> Result<Guest, CliError> {
    let client = context.client().await?;
    let deadline = Instant::now() + timeout;
    let [_, mut changes] = Machines::of(&client, &name.cluster).changes();
    let mut said = false;
    loop {
        if let Some(guest) = Guest::if_runs(&client, name).await? {
            return Ok(guest);
        }
        // Somebody may switch it off meanwhile.
        runs(context, name, InstanceType::Vm).await?;
        if !said {
            context.ui.note(&format!("Waiting for {name} to start"));
            said = true;
        }
        if tokio::time::timeout_at(deadline, changes.next()).await.is_err() {
            let late = ApiError::TimedOut { what: format!("{name} to start"), seconds: timeout.as_secs() };
            return Err(CliError::user(late.to_string()).hint(format!("kubectl cmp describe instance {name}")));
        }
    }
}

/// The end of a connection to a console.
enum Ended {
    /// The user or a signal ended it.
    Left,
    /// The other side or the network ended it, with the reason if it is known.
    Cut(Option<CliError>),
}

/// Connects the terminal with a console until one side ends it.
async fn connected(
    context: &Context<'_>,
    guest: &Guest,
    mut sender: Sender,
    mut receiver: Receiver,
    signalled: impl Future<Output = ()>,
) -> Ended {
    let mut input = typed();
    let mut upward = tokio::spawn(async move {
        while let Some(bytes) = input.recv().await {
            let (bytes, leaves) = until_leave(bytes);
            if !bytes.is_empty() && sender.send(bytes).await.is_err() {
                // The receiver learns the reason.
                return std::future::pending().await;
            }
            if leaves {
                break;
            }
        }
        sender
    });
    let mut signalled = std::pin::pin!(signalled);
    // A node that fails does not end the connection.
    let mut gone = std::pin::pin!(guest.gone());
    loop {
        tokio::select! {
            gone = &mut gone => return Ended::Cut(Some(gone.error())),
            sender = &mut upward => {
                // The stream is closed only now: its end, which the VM answers with, is not taken for a cut.
                if let Ok(mut sender) = sender {
                    tokio::time::timeout(CLOSE, sender.close()).await.ok();
                }
                return Ended::Left;
            }
            () = &mut signalled => return Ended::Left,
            received = receiver.next() => match received {
                Ok(Some(bytes)) => if let Err(error) = context.ui.bytes(&bytes) {
                    return Ended::Cut(Some(error));
                },
                Ok(None) => return Ended::Cut(None),
                Err(error) => return Ended::Cut(Some(error.into())),
            },
        }
    }
}

/// Returns the bytes before the key that leaves the console, and whether it was typed.
fn until_leave(mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
    let leave = bytes.iter().position(|byte| *byte == LEAVE);
    bytes.truncate(leave.unwrap_or(bytes.len()));
    (bytes, leave.is_some())
}

/// Returns the error of a console that the other side ended without a reason.
async fn disconnected(guest: &Guest) -> CliError {
    match tokio::time::timeout(REPORT, guest.gone()).await {
        Ok(gone) => gone.error(),
        Err(_) => CliError::user(format!("lost connection to {}: the VM still runs", guest.name()))
            .hint("somebody may have connected to the same console, which has one connection at a time")
            .hint("repeat the command to connect again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_leaves_the_console_after_the_bytes_before_it() {
        for (typed, sent, leaves) in
            [("ls\r", "ls\r", false), ("\x1d", "", true), ("a\x1db", "a", true), ("", "", false)]
        {
            assert_eq!(until_leave(typed.into()), (sent.into(), leaves), "{typed:?}");
        }
    }
}
