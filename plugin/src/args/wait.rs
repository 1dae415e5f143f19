//! The flags `--wait` and `--timeout`.

use std::time::Duration;

use clap::Args;

use cmp_core::progress::clock::Limit;

use crate::args::values::{duration, port};

/// The port of ssh, if none is named.
const SSH: u16 = 22;

#[derive(Debug, Clone, Default, Args)]
pub(crate) struct WaitArgs {
    /// Wait until the operation is complete, not only accepted
    #[arg(long)]
    pub(crate) wait: bool,
    /// The port on which ssh is to answer in each VM. Only [`LoginWaitArgs`] sets it.
    #[arg(skip)]
    pub(crate) ssh: Option<u16>,
    /// Time to wait, such as 60s or 5m; by default 60s without progress
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
}

impl WaitArgs {
    /// Returns the limit of each wait of the command.
    pub(crate) fn limit(&self) -> Limit {
        Limit::of(self.timeout)
    }
}

/// The flags of a command that can also wait for ssh.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct LoginWaitArgs {
    /// Wait until the operation is complete, or until ssh answers in VMs
    #[arg(
        long,
        value_name = "ssh[:PORT]",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = awaited
    )]
    wait: Option<Awaited>,
    /// Time to wait, such as 60s or 5m; by default 60s without progress
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
}

/// The value of `--wait`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Nothing,
    Completion,
    /// The operation is complete, and ssh answers on this port of each VM.
    Ssh(u16),
}

/// Parses the value of `--wait`. `true` and `false` are those of any flag of kubectl.
fn awaited(text: &str) -> Result<Awaited, String> {
    match (text, text.strip_prefix("ssh:")) {
        ("false", _) => Ok(Awaited::Nothing),
        ("true", _) => Ok(Awaited::Completion),
        ("ssh", _) => Ok(Awaited::Ssh(SSH)),
        (_, Some(after)) => port(after).map(Awaited::Ssh),
        (_, None) => Err("use --wait, --wait=ssh or --wait=ssh:PORT".to_owned()),
    }
}

impl From<LoginWaitArgs> for WaitArgs {
    fn from(args: LoginWaitArgs) -> Self {
        let LoginWaitArgs { wait, timeout } = args;
        let (wait, ssh) = match wait {
            None | Some(Awaited::Nothing) => (false, None),
            Some(Awaited::Completion) => (true, None),
            Some(Awaited::Ssh(port)) => (true, Some(port)),
        };
        Self { wait, ssh, timeout }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        wait: LoginWaitArgs,
        name: Option<String>,
    }

    #[test]
    fn a_wait_is_for_completion_or_for_a_port_of_ssh() {
        for (typed, expected) in [
            (&["web"][..], Ok((false, None))),
            (&["--wait", "web"], Ok((true, None))),
            (&["--wait=true", "web"], Ok((true, None))),
            (&["--wait=false", "web"], Ok((false, None))),
            (&["--wait=ssh", "web"], Ok((true, Some(22)))),
            (&["--wait=ssh:2222", "web"], Ok((true, Some(2222)))),
            (&["--wait=ftp", "web"], Err("use --wait, --wait=ssh or --wait=ssh:PORT")),
            (&["--wait=ssh:0", "web"], Err("\"0\" is not a port")),
            (&["--wait=ssh:", "web"], Err("\"\" is not a port")),
        ] {
            let parsed = Typed::try_parse_from([&["cmp"], typed].concat());
            match (parsed, expected) {
                (Ok(parsed), expected) => {
                    let wait = WaitArgs::from(parsed.wait);
                    assert_eq!(
                        (Ok((wait.wait, wait.ssh)), parsed.name.as_deref()),
                        (expected, Some("web")),
                        "{typed:?}"
                    );
                }
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (Err(error), Ok(_)) => panic!("{typed:?}: {error}"),
            }
        }
    }
}
