//! `ssh`: runs the ssh of this machine, through a stream to a port of the VM.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use cmp_core::vocabulary::InstanceType;

use crate::args::InstanceNameArg;
use crate::args::values::{login, port};
use crate::commands::shared::into_instance::runs;
use crate::commands::shared::ssh::{Login, become_ssh, command, host};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp ssh dev-0 -l fedora -i ~/.ssh/id_ed25519\n  kubectl cmp ssh dev-0 -l fedora -c uptime\n  kubectl cmp ssh dev-0 -l fedora -- -L 8080:localhost:80"
)]
pub(crate) struct SshArgs {
    #[command(flatten)]
    pub(crate) instance: InstanceNameArg,
    /// The user to log in as; by default as ssh is configured, or your local user name
    #[arg(short = 'l', long, value_name = "USER", value_parser = login)]
    pub(crate) username: Option<String>,
    /// File with the private key; by default as ssh is configured
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity_file: Option<PathBuf>,
    /// The port in the VM; by default 22
    #[arg(short, long, value_name = "PORT", value_parser = port, allow_negative_numbers = true)]
    pub(crate) port: Option<u16>,
    /// The command to run instead of a shell
    #[arg(short, long, value_name = "COMMAND")]
    pub(crate) command: Option<OsString>,
    /// Further flags for ssh, after --
    #[arg(value_name = "FLAG", last = true)]
    pub(crate) more: Vec<OsString>,
}

pub(crate) async fn run(context: &Context<'_>, args: SshArgs) -> Result<(), CliError> {
    let SshArgs { instance: InstanceNameArg { name }, username, identity_file, port, command: remote, more } = args;
    if let Some(word) = more.first().filter(|word| !word.as_encoded_bytes().starts_with(b"-")) {
        let error = CliError::user(format!("{} is not a flag: all arguments after -- are for ssh", word.display()));
        return Err(error.hint(format!("to run a command in the VM: kubectl cmp ssh {name} -c COMMAND")));
    }
    let instance = runs(context, &name, InstanceType::Vm).await?;
    let mut ssh = command(context, "ssh", &instance, Login { username, identity_file }, more).await?;
    ssh.args(port.into_iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
    ssh.arg(host(&name));
    // ssh looks for flags after the host, too.
    ssh.args(remote.into_iter().flat_map(|remote| ["--".into(), remote]));
    become_ssh(ssh)
}
