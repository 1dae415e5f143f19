//! `port-forward`: runs kubectl or KubeVirt's virtctl with the namespace and the instance filled in.

use std::ffi::OsString;

use clap::Args;

use cmp_core::vocabulary::InstanceType;

use crate::args::InstanceNameArg;
use crate::args::values::port;
use crate::commands::shared::into_instance::{become_kubectl, become_virtctl, kubectl, running};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp port-forward web-0 8080:80\n  kubectl cmp port-forward dev-0 2222:22 --address 0.0.0.0"
)]
pub(crate) struct PortForwardArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
    /// The ports: that of the instance, or a local one and that of the instance
    #[arg(value_name = "[LOCAL:]REMOTE", required = true, value_parser = ports)]
    pub(crate) ports: Vec<String>,
    /// The local address to listen on; by default localhost
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
}

/// Checks a pair of ports, and returns it unchanged. Without a local port, as in `:80`, kubectl chooses one.
fn ports(text: &str) -> Result<String, String> {
    let (local, remote) = text.split_once(':').unwrap_or(("", text));
    if !local.is_empty() {
        port(local)?;
    }
    port(remote)?;
    Ok(text.to_owned())
}

pub(crate) async fn run(context: &Context<'_>, args: PortForwardArgs) -> Result<(), CliError> {
    let PortForwardArgs { instance: InstanceNameArg { name }, ports, address } = args;
    let address = address.map(|address| OsString::from(format!("--address={address}")));
    match running(context, &name).await? {
        InstanceType::Container => {
            let mut kubectl = kubectl("port-forward", &context.global, &name);
            kubectl.args(address).args(ports);
            become_kubectl(kubectl)
        }
        InstanceType::Vm => {
            if let Some(port) = ports.iter().find_map(|ports| ports.strip_prefix(':')) {
                return Err(CliError::user(format!("\":{port}\" names no local port, which virtctl needs"))
                    .hint(format!("kubectl cmp port-forward {name} {port}:{port}")));
            }
            let operands = [format!("vmi/{name}")].into_iter().chain(ports).map(OsString::from);
            let operands: Vec<OsString> = operands.collect();
            become_virtctl(context, &name, "port-forward", address.as_slice(), &operands)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_numbers_or_pairs_of_them() {
        for good in ["80", "8080:80", ":80"] {
            assert_eq!(ports(good).as_deref(), Ok(good));
        }
        for wrong in ["", ":", "8080:", "0", "65536", "8080:0", "http", "-1", "1:2:3"] {
            assert!(ports(wrong).is_err(), "{wrong:?}");
        }
    }
}
