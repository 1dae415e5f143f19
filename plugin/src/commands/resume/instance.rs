//! `resume instance`: resumes instances by name.

use cmp_core::vocabulary::Verb;

use crate::args::{InstanceArgs, LoginWaitArgs};
use crate::commands::shared::lifecycle::{self, How};
use crate::context::Context;
use crate::error::CliError;

pub(crate) async fn run(context: &Context<'_>, args: InstanceArgs<LoginWaitArgs>) -> Result<(), CliError> {
    lifecycle::instances(context, Verb::Resume, args, How::default()).await
}
