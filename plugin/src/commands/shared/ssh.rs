//! ssh and scp of this machine, connected with a port of a VM by another process of this program.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_core::instance::Instance;
use cmp_core::name::InstanceName;

use crate::commands::shared::guest::Guest;
use crate::commands::shared::host_keys;
use crate::context::Context;
use crate::error::CliError;
use crate::platform::{become_it, escaped, quoted};

/// The login in a VM.
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) identity_file: Option<PathBuf>,
}

/// Returns the host of a VM for ssh. No host on the network has this name.
pub(crate) fn host(name: &InstanceName) -> String {
    format!("{name}.{}", name.cluster.namespace())
}

/// Returns a command of ssh or scp for a VM that runs. Flags that were given go first, because ssh takes the first value
/// of each option.
pub(crate) async fn command(
    context: &Context<'_>,
    program: &str,
    instance: &Instance,
    login: Login,
    given: Vec<OsString>,
) -> Result<Command, CliError> {
    let connection = context.connection().await?;
    let guest = Guest::of(&connection.client, instance).await?;
    let name = &instance.name;
    let uid = if guest.starts_from_image { guest.uid() } else { &instance.uid };
    let keys = host_keys::of(&connection.server, name, uid)?;
    if keys.replaced {
        context.ui.note(&format!("{name} is a new machine since the last connection: ssh accepts its new host key"));
    }
    let this = std::env::current_exe().map_err(|error| CliError::from(error).about("this program"))?;
    let mut ssh = Command::new(program);
    ssh.args(given).args(options(&this, &context.global.as_own(), name, &keys.path));
    ssh.args(login.username.into_iter().flat_map(|user| [OsString::from("-o"), format!("User={user}").into()]));
    ssh.args(login.identity_file.into_iter().flat_map(|file| [OsString::from("-i"), file.into()]));
    Ok(ssh)
}

/// Replaces this process with ssh or scp.
pub(crate) fn become_ssh(ssh: Command) -> Result<(), CliError> {
    let program = ssh.get_program().display().to_string();
    let error = become_it(ssh);
    Err(CliError::user(format!("{program}: {error}"))
        .hint(format!("this command needs {program} of OpenSSH on the PATH")))
}

/// Returns the options that lead ssh to a VM.
fn options(this: &Path, global: &[OsString], name: &InstanceName, keys: &Path) -> Vec<OsString> {
    let words = [this.as_os_str()].into_iter().chain(global.iter().map(OsString::as_os_str));
    let stream = ["internal", "stream"].map(OsStr::new);
    let mut proxy = words.chain(stream).fold(OsString::from("ProxyCommand="), with_word);
    proxy.push(format!(" {name} %p"));
    let mut file = OsString::from("UserKnownHostsFile=\"");
    file.push(escaped(keys.as_os_str(), |byte| match byte {
        b'%' => Some("%%"),
        b'"' => Some("\\\""),
        b'\\' => Some(r"\\"),
        _ => None,
    }));
    file.push("\"");
    let others = [
        // The file has the keys of one machine. The tunnel to it is encrypted and authenticated up to the API server.
        "StrictHostKeyChecking=accept-new".to_owned(),
        format!("HostKeyAlias={}", host(name)),
        // A connection that is shared could lead to a machine of this name in another Kubernetes cluster.
        "ControlPath=none".to_owned(),
    ];
    let all = [proxy, file].into_iter().chain(others.map(OsString::from));
    all.flat_map(|option| [OsString::from("-o"), option]).collect()
}

/// Adds a word to a command that ssh runs. The word is quoted, and `%` is escaped for ssh.
fn with_word(mut command: OsString, word: &OsStr) -> OsString {
    if !command.as_encoded_bytes().ends_with(b"=") {
        command.push(" ");
    }
    command.push(escaped(&quoted(word), |byte| (byte == b'%').then_some("%%")));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_led_to_the_vm_with_all_flags_of_the_connection() {
        let check = |this: &str, global: &[&str], keys: &str, proxy: &str, file: &str| {
            let global: Vec<OsString> = global.iter().map(OsString::from).collect();
            let options = options(Path::new(this), &global, &"dev-0".parse().unwrap(), Path::new(keys));
            assert_eq!(
                options[..4],
                ["-o", &format!("ProxyCommand={proxy}"), "-o", &format!("UserKnownHostsFile={file}")]
            );
            assert!(options.contains(&"HostKeyAlias=dev-0.dev-ns".into()), "{options:?}");
        };
        check("/cmp", &[], "/k/dev-0._a", "'/cmp' 'internal' 'stream' dev-0 %p", "\"/k/dev-0._a\"");
        check(
            "/it's 100%/cmp",
            &["--context=a b", "--token=$(x)", "--server=https://[::1%eth0]"],
            "/a b/100%/\"k\\",
            r"'/it'\''s 100%%/cmp' '--context=a b' '--token=$(x)' '--server=https://[::1%%eth0]' 'internal' 'stream' dev-0 %p",
            r#""/a b/100%%/\"k\\""#,
        );
    }
}
