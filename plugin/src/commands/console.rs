//! `console`: runs KubeVirt's virtctl.

use clap::Args;

use crate::args::VmArgs;
use crate::commands::shared::into_instance::virtctl;
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp console dev-0\n  kubectl cmp console dev-0 -- --timeout=1")]
pub(crate) struct ConsoleArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: ConsoleArgs) -> Result<(), CliError> {
    let ConsoleArgs { vm } = args;
    let target = vm.instance.name.to_string();
    virtctl(context, vm, "console", target, Vec::new()).await
}
