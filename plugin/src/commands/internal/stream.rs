//! `internal stream`: connects standard input and output with a port of a VM. ssh runs it as its `ProxyCommand`.

use clap::Args;

use cmp_client::streams::{self, End};

use crate::args::InstanceNameArg;
use crate::args::values::port;
use crate::commands::shared::forward::refused;
use crate::context::Context;
use crate::error::CliError;
use crate::ui::typed;

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
    /// The port in the VM
    #[arg(value_name = "PORT", value_parser = port)]
    pub(crate) port: u16,
}

pub(crate) async fn run(context: &Context<'_>, args: StreamArgs) -> Result<(), CliError> {
    let StreamArgs { instance: InstanceNameArg { name }, port } = args;
    let end = End::Port(port);
    let opened = streams::open(&context.client().await?, &name, end).await;
    let (mut sender, mut receiver) = opened.map_err(|error| refused(error, &name, end))?;
    let mut input = typed();
    // A task of its own: a write to standard output may block.
    let mut upward = tokio::spawn(async move {
        while let Some(bytes) = input.recv().await {
            if sender.send(bytes).await.is_err() {
                // The receiver learns the reason.
                return std::future::pending().await;
            }
        }
        sender
    });
    loop {
        tokio::select! {
            sender = &mut upward => {
                // The stream is closed only now, so that its end is no error.
                if let Ok(mut sender) = sender {
                    sender.close().await;
                }
                return Ok(());
            }
            received = receiver.next() => match received? {
                Some(bytes) => context.ui.bytes(&bytes)?,
                None => return Ok(()),
            },
        }
    }
}
