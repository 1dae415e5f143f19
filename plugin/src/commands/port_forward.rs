//! `port-forward`: forwards local ports to a VM. For a container it runs kubectl, with the namespace and the Pod filled
//! in.

use std::ffi::OsString;

use clap::Args;

use cmp_client::streams::End;
use cmp_core::instance::Instance;
use cmp_core::vocabulary::InstanceType;

use crate::args::InstanceNameArg;
use crate::args::values::port;
use crate::commands::shared::forward::{Address, address, listen, serve};
use crate::commands::shared::guest::Guest;
use crate::commands::shared::into_instance::{become_kubectl, kubectl, running};
use crate::context::Context;
use crate::error::CliError;
use crate::platform::interrupted;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp port-forward web-0 8080:80\n  kubectl cmp port-forward dev-0 2222:22 8080:80 --address 0.0.0.0"
)]
pub(crate) struct PortForwardArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
    /// The ports: that of the instance, or a local one and that of the instance
    #[arg(value_name = "[LOCAL:]REMOTE", required = true, value_parser = ports)]
    pub(crate) ports: Vec<Ports>,
    /// The local addresses to listen on, separated by commas; by default localhost
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_parser = listened)]
    pub(crate) address: Vec<(String, Address)>,
}

/// A local port, and the port of the instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports {
    text: String,
    /// The local port, or 0 for any free one.
    local: u16,
    remote: u16,
}

/// Parses a pair of ports. Without a local port, as in `:80`, the system chooses one.
fn ports(text: &str) -> Result<Ports, String> {
    let (local, remote) = match text.split_once(':') {
        Some(("", remote)) => (0, port(remote)?),
        Some((local, remote)) => (port(local)?, port(remote)?),
        None => (port(text)?, port(text)?),
    };
    Ok(Ports { text: text.to_owned(), local, remote })
}

/// Parses an address, and keeps its text for kubectl.
fn listened(text: &str) -> Result<(String, Address), String> {
    Ok((text.to_owned(), address(text)?))
}

pub(crate) async fn run(context: &Context<'_>, args: PortForwardArgs) -> Result<(), CliError> {
    let PortForwardArgs { instance: InstanceNameArg { name }, ports, address } = args;
    let instance = running(context, &name).await?;
    let (texts, addresses): (Vec<String>, Vec<Address>) = address.into_iter().unzip();
    match instance.kind {
        InstanceType::Container => {
            let mut kubectl = kubectl("port-forward", &context.global, &name);
            kubectl.args((!texts.is_empty()).then(|| OsString::from(format!("--address={}", texts.join(",")))));
            kubectl.args(ports.into_iter().map(|ports| ports.text));
            become_kubectl(kubectl)
        }
        InstanceType::Vm => forward(context, &instance, &ports, &addresses).await,
    }
}

/// Forwards the ports to a VM, until its guest is gone or the user ends it.
async fn forward(
    context: &Context<'_>,
    instance: &Instance,
    ports: &[Ports],
    addresses: &[Address],
) -> Result<(), CliError> {
    let guest = Guest::of(&context.client().await?, instance).await?;
    let addresses = if addresses.is_empty() { &[Address::Localhost][..] } else { addresses };
    let (mut doors, interrupted) = (Vec::new(), interrupted());
    for ports in ports {
        let opened = listen(addresses, ports.local, End::Port(ports.remote)).await?;
        for door in &opened {
            context.ui.line(&format!("Forwarding from {} -> {}", door.local, ports.remote))?;
        }
        doors.extend(opened);
    }
    // The lines are for the user. A closed reader does not end the connections.
    let handling = |local: std::net::SocketAddr| {
        context.ui.line(&format!("Handling connection for {}", local.port())).ok();
    };
    tokio::select! {
        ended = serve(context, &guest, doors, handling) => ended,
        () = interrupted => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_or_pairs_of_them() {
        for (good, local, remote) in [("80", 80, 80), ("8080:80", 8080, 80), (":80", 0, 80)] {
            assert_eq!(ports(good), Ok(Ports { text: good.to_owned(), local, remote }));
        }
        for wrong in ["", ":", "8080:", "0", "65536", "8080:0", "0:80", "http", "-1", "1:2:3"] {
            assert!(ports(wrong).is_err(), "{wrong:?}");
        }
    }
}
