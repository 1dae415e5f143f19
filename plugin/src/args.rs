//! Arguments that several commands take, and the parsers of values.

mod change;
mod clusters;
mod container;
mod dry_run;
mod global;
mod instances;
mod list;
mod names;
pub(crate) mod nouns;
mod output;
pub(crate) mod pairs;
mod suspend;
mod terminal;
mod top;
mod users;
pub(crate) mod values;
mod wait;
mod yes;

pub(crate) use change::ChangeArgs;
pub(crate) use clusters::{ClusterNameArg, ClustersArgs, WhichClusters};
pub(crate) use container::ContainerArg;
pub(crate) use dry_run::{COSTS, DryRun, DryRunArgs, suffix};
pub(crate) use global::{Global, global_flags};
pub(crate) use instances::{InstanceArgs, InstanceNameArg};
pub(crate) use list::{ListArgs, WatchArgs, without_owner};
pub(crate) use names::Names;
pub(crate) use output::{LineArgs, LineFormat, ObjectArgs, OutputArgs, TextFormat};
pub(crate) use pairs::PairArgs;
pub(crate) use suspend::{ModeArg, SuspendArgs};
pub(crate) use terminal::TerminalArgs;
pub(crate) use top::TopArgs;
pub(crate) use users::{SuspendedQuota, UserNameArg};
pub(crate) use wait::{LoginWaitArgs, WaitArgs};
pub(crate) use yes::YesArg;
