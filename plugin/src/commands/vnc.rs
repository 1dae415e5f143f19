//! `vnc`: opens the screen of a VM at a local port, and a viewer for it.

use std::io;
use std::net::SocketAddr;
use std::process::Stdio;

use clap::Args;
use tokio::process::{Child, Command};

use cmp_client::streams::End;
use cmp_core::vocabulary::InstanceType;

use crate::args::InstanceNameArg;
use crate::args::values::port;
use crate::commands::shared::forward::{Address, listen, serve};
use crate::commands::shared::guest::Guest;
use crate::commands::shared::into_instance::runs;
use crate::context::Context;
use crate::error::CliError;
use crate::platform::interrupted;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp vnc dev-0\n  kubectl cmp vnc dev-0 --proxy-only --port 5900")]
pub(crate) struct VncArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
    /// Start no viewer: print the address to open, and serve it
    #[arg(long)]
    pub(crate) proxy_only: bool,
    /// The local port; by default any free one
    #[arg(long, value_name = "PORT", value_parser = port)]
    pub(crate) port: Option<u16>,
}

/// A program that shows a screen.
struct Viewer {
    program: &'static str,
    arguments: fn(SocketAddr) -> Vec<String>,
    /// Whether the program runs as long as the screen is shown.
    stays: bool,
}

fn url(address: SocketAddr) -> String {
    format!("vnc://{address}")
}

/// The viewers that are looked for, in this order.
fn viewers() -> Vec<Viewer> {
    let by_url: fn(SocketAddr) -> Vec<String> = |address| vec![url(address)];
    // Two colons separate a port, and one colon the number of a display.
    let by_port: fn(SocketAddr) -> Vec<String> = |address| vec![format!("{}::{}", address.ip(), address.port())];
    let mut viewers = vec![
        Viewer { program: "remote-viewer", arguments: by_url, stays: true },
        Viewer { program: "vncviewer", arguments: by_port, stays: true },
    ];
    if cfg!(target_os = "macos") {
        // It opens Screen Sharing, and ends at once.
        viewers.push(Viewer { program: "open", arguments: by_url, stays: false });
    }
    viewers
}

pub(crate) async fn run(context: &Context<'_>, args: VncArgs) -> Result<(), CliError> {
    let VncArgs { instance: InstanceNameArg { name }, proxy_only, port } = args;
    let instance = runs(context, &name, InstanceType::Vm).await?;
    let guest = Guest::of(&context.client().await?, &instance).await?;
    // A screen has no password: only this machine may connect.
    let loopback = Address::Ip(std::net::Ipv4Addr::LOCALHOST.into());
    let doors = listen(&[loopback], port.unwrap_or(0), End::Screen).await?;
    let Some(local) = doors.first().map(|door| door.local) else { return Ok(()) };
    let interrupted = interrupted();
    let viewers = if proxy_only { Vec::new() } else { viewers() };
    let viewer = start(&viewers, local)?;
    if viewer.is_none() {
        context.ui.line(&url(local))?;
        if !proxy_only {
            context
                .ui
                .note("No viewer was found (remote-viewer, vncviewer): open this address in one. Ctrl+C ends it.");
        }
    }
    tokio::select! {
        ended = serve(context, &guest, doors, |_| {}) => ended,
        ended = viewed(viewer) => ended,
        () = interrupted => Ok(()),
    }
}

/// Starts the first viewer that is on the PATH.
fn start(viewers: &[Viewer], address: SocketAddr) -> Result<Option<(&Viewer, Child)>, CliError> {
    for viewer in viewers {
        let mut command = Command::new(viewer.program);
        command.args((viewer.arguments)(address)).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => return Ok(Some((viewer, child))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(CliError::from(error).about(viewer.program)),
        }
    }
    Ok(None)
}

/// Waits until the user closes the viewer. Without one, only a signal ends the command.
async fn viewed(viewer: Option<(&Viewer, Child)>) -> Result<(), CliError> {
    let Some((viewer, mut child)) = viewer else { return std::future::pending().await };
    let ended = child.wait().await?;
    if !ended.success() {
        return Err(CliError::user(format!("{} ended with {ended}", viewer.program))
            .hint("--proxy-only prints the address for a viewer that you start yourself"));
    }
    if viewer.stays { Ok(()) } else { std::future::pending().await }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_viewer_that_exists_gets_the_address() {
        let address: SocketAddr = "127.0.0.1:5901".parse().unwrap();
        let said: Vec<_> = viewers().iter().map(|viewer| (viewer.arguments)(address)).take(2).collect();
        assert_eq!(said, [["vnc://127.0.0.1:5901"], ["127.0.0.1::5901"]]);
        let viewer = |program, stays| Viewer { program, arguments: |address| vec![address.to_string()], stays };
        assert!(start(&[viewer("cmp-no-such-viewer", true)], address).unwrap().is_none());
        let all = [viewer("cmp-no-such-viewer", true), viewer("true", true), viewer("false", true)];
        assert!(viewed(start(&all, address).unwrap()).await.is_ok());
        let failed = viewed(start(&all[2..], address).unwrap()).await.unwrap_err().text();
        assert!(failed.starts_with("error: false ended with exit status: 1\nhint: --proxy-only "), "{failed}");
    }
}
