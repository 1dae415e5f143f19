//! `vnc`: runs KubeVirt's virtctl.

use clap::Args;

use crate::args::VmArgs;
use crate::commands::shared::into_instance::virtctl;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp vnc dev-0\n  kubectl cmp vnc dev-0 -- --proxy-only --port=5900")]
pub(crate) struct VncArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: VncArgs) -> Result<(), CliError> {
    let VncArgs { vm } = args;
    let target = vm.instance.name.to_string();
    virtctl(context, vm, "vnc", target, Vec::new()).await
}
