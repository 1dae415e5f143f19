//! `cp`: runs kubectl with the namespace and the Pod filled in, or scp through a stream to the VM.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use cmp_core::name::InstanceName;
use cmp_core::vocabulary::InstanceType;

use crate::args::ContainerArg;
use crate::args::values::{login, name};
use crate::commands::shared::into_instance::{become_kubectl, given, kubectl_in, running};
use crate::commands::shared::ssh::{Login, become_ssh, command, host};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp cp web-0:/etc/hostname hostname\n  kubectl cmp cp site web-0:/srv/site\n  kubectl cmp cp -l fedora -r dev-0:results ."
)]
pub(crate) struct CpArgs {
    /// The file or folder to copy: PATH here, or INSTANCE:PATH
    #[arg(value_name = "FROM", value_parser = place)]
    pub(crate) from: Place,
    /// The place to copy to: PATH here, or INSTANCE:PATH
    #[arg(value_name = "TO", value_parser = place)]
    pub(crate) to: Place,
    #[command(flatten)]
    pub(crate) container: ContainerArg,
    /// Do not keep ownership and permissions (containers)
    #[arg(long)]
    pub(crate) no_preserve: bool,
    /// The user to log in as; by default your local user name (VMs)
    #[arg(short = 'l', long, value_name = "USER", value_parser = login)]
    pub(crate) username: Option<String>,
    /// File with the private key; by default as ssh is configured (VMs)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) identity_file: Option<PathBuf>,
    /// Copy folders with their content (VMs; always on for containers)
    #[arg(short, long)]
    pub(crate) recursive: bool,
}

/// One end of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A path on this machine.
    Here(String),
    /// A path in an instance.
    In(InstanceName, String),
}

/// Parses `PATH` or `INSTANCE:PATH`. kubectl and scp take every text with a colon for the second form.
fn place(text: &str) -> Result<Place, String> {
    let Some((instance, path)) = text.split_once(':') else {
        return if text.is_empty() { Err("it is no path".to_owned()) } else { Ok(Place::Here(text.to_owned())) };
    };
    if instance.starts_with(['.', '/', '~']) {
        return Err("a path here cannot contain a colon: give the file another name, or copy its folder".to_owned());
    }
    if path.is_empty() {
        return Err(format!("it names no path in the instance: use a form such as {text}/tmp/file"));
    }
    Ok(Place::In(name(instance)?, path.to_owned()))
}

pub(crate) async fn run(context: &Context<'_>, args: CpArgs) -> Result<(), CliError> {
    let CpArgs { from, to, container: ContainerArg { container }, no_preserve, username, identity_file, recursive } =
        args;
    let name = match (&from, &to) {
        (Place::In(instance, _), Place::Here(_)) | (Place::Here(_), Place::In(instance, _)) => instance.clone(),
        _ => {
            return Err(CliError::user(
                "one of FROM and TO has to be in an instance, and the other one on this machine",
            )
            .hint("kubectl cmp cp INSTANCE:PATH PATH, or kubectl cmp cp PATH INSTANCE:PATH"));
        }
    };
    let instance = running(context, &name).await?;
    match instance.kind {
        InstanceType::Container => {
            if username.is_some() || identity_file.is_some() {
                return Err(other(&name, "--username and --identity-file are for VMs", "a container"));
            }
            let pod = |path: &str| format!("{name}-0:{path}");
            let mut kubectl = kubectl_in("cp", &context.global, &name.cluster);
            kubectl.args(given([("--no-preserve", no_preserve)]));
            kubectl.args(container.map(|container| format!("--container={container}")));
            kubectl.arg("--").args([&from, &to].map(|place| written(place, pod)));
            become_kubectl(kubectl)
        }
        InstanceType::Vm => {
            if container.is_some() || no_preserve {
                return Err(other(&name, "--container and --no-preserve are for containers", "a VM"));
            }
            // ssh would connect first, and scp complains only then.
            if let Place::Here(path) = &from
                && !Path::new(path).exists()
            {
                return Err(CliError::user(format!("{path} doesn't exist in local filesystem")));
            }
            let mut scp = command(context, "scp", &instance, Login { username, identity_file }, Vec::new()).await?;
            scp.args(given([("-r", recursive)]));
            let vm = |path: &str| format!("{}:{path}", host(&name));
            scp.arg("--").args([&from, &to].map(|place| written(place, vm)));
            become_ssh(scp)
        }
    }
}

/// Writes a place for another program.
fn written(place: &Place, remote: impl Fn(&str) -> String) -> OsString {
    match place {
        Place::Here(path) => path.into(),
        Place::In(_, path) => remote(path).into(),
    }
}

/// Builds the error about flags of the other type.
fn other(instance: &InstanceName, flags: &str, is: &str) -> CliError {
    CliError::user(format!("{flags}, and {instance} is {is}")).hint("leave them out")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_here_or_in_an_instance() {
        let within = |instance: &str, path: &str| Place::In(instance.parse().unwrap(), path.to_owned());
        for (text, expected) in [
            ("web-0:/etc/hosts", within("web-0", "/etc/hosts")),
            ("instance/web-0:a:b", within("web-0", "a:b")),
            ("web/0:x", within("web-0", "x")),
            ("./a", Place::Here("./a".to_owned())),
            ("web-0", Place::Here("web-0".to_owned())),
        ] {
            assert_eq!(place(text).as_ref(), Ok(&expected), "{text:?}");
        }
        for (wrong, why) in [
            ("", "it is no path"),
            ("./a:b", "a path here cannot contain a colon"),
            ("/a:b", "a path here cannot contain a colon"),
            ("web-0:", "it names no path in the instance: use a form such as web-0:/tmp/file"),
            ("web:/x", "\"web\" is not"),
            (":x", "\"\" is not"),
            ("cluster/web-0:x", "expected an instance, got a cluster"),
        ] {
            let error = place(wrong).unwrap_err();
            assert!(error.starts_with(why), "{wrong:?}: {error}");
        }
    }
}
