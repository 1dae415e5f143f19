//! Arguments that select instances.

use clap::Args;

use cmp_core::name::InstanceName;

use crate::args::change::ChangeArgs;
use crate::args::values::name;
use crate::args::wait::WaitArgs;

/// The name of one instance.
#[derive(Debug, Args)]
pub(crate) struct InstanceNameArg {
    /// The name of the instance
    #[arg(value_name = "INSTANCE", value_parser = name::<InstanceName>)]
    pub(crate) name: InstanceName,
}

#[derive(Debug, Args)]
pub(crate) struct InstanceArgs<W: Args = WaitArgs> {
    /// The names of the instances, such as web-0
    #[arg(value_name = "NAME", required = true, value_parser = name::<InstanceName>)]
    pub(crate) names: Vec<InstanceName>,
    #[command(flatten)]
    pub(crate) wait: W,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}
