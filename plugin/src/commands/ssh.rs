//! `ssh`: runs KubeVirt's virtctl.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::args::VmArgs;
use crate::args::values::login;
use crate::commands::shared::into_instance::{flag, virtctl};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp ssh dev-0 -l fedora -i ~/.ssh/id_ed25519\n  kubectl cmp ssh dev-0 -l fedora -c uptime"
)]
pub(crate) struct SshArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
    /// The user to log in as; by default your local user name
    #[arg(short = 'l', long, value_name = "USER", value_parser = login)]
    pub(crate) username: Option<String>,
    /// File with the private key; by default as ssh is configured
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity_file: Option<PathBuf>,
    /// The port in the VM
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    /// The command to run instead of a shell
    #[arg(short, long, value_name = "COMMAND")]
    pub(crate) command: Option<OsString>,
}

pub(crate) async fn run(context: &Context<'_>, args: SshArgs) -> Result<(), CliError> {
    let SshArgs { vm, username, identity_file, port, command } = args;
    let mut flags: Vec<OsString> = Vec::new();
    flags.extend(username.map(|user| format!("--username={user}").into()));
    flags.extend(identity_file.map(|file| flag("--identity-file", file.as_os_str())));
    flags.extend(port.map(|port| format!("--port={port}").into()));
    flags.extend(command.map(|command| flag("--command", &command)));
    let target = format!("vmi/{}", vm.instance.name);
    virtctl(context, vm, "ssh", target, flags).await
}
