//! `set quota`: changes the quota of a user.

use clap::Args;

use cmp_client::update::Updated;
use cmp_core::plan::amounts::Amount;
use cmp_core::plan::describe;
use cmp_core::plan::quota::{self, Wish};
use cmp_core::quantity::Quantity;

use crate::args::values::{amount, memory, quantity};
use crate::args::{ChangeArgs, SuspendedQuota, UserNameArg};
use crate::commands::shared::quota::object;
use crate::commands::shared::write_account::{print_outcome, print_plan, write};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{done, print_object};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp set quota john --cpu 32")]
pub(crate) struct SetQuota {
    #[command(flatten)]
    pub(crate) user: UserNameArg,
    /// The CPU quota of the user, for all instances together
    #[arg(long, value_name = "CPU", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Option<Quantity>,
    /// The memory quota of the user, for all instances together
    #[arg(long, value_name = "MEMORY", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Option<Quantity>,
    /// The quota of another resource (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Whether suspended clusters keep their quota, or release it until they are resumed
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(crate) suspended: Option<SuspendedQuota>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: SetQuota) -> Result<(), CliError> {
    let SetQuota { user: UserNameArg { user }, cpu, memory, resource, suspended, change } = args;
    let wish = Wish { cpu, memory, more: resource, suspended: suspended.map(Into::into) };
    quota::says_something(&wish)?;
    let (accounts, stored) = (context.accounts().await?, context.account(&user).await?);
    let dry_run = change.dry.dry_run;
    print_plan(context.ui, dry_run, || Ok(describe::write(&quota::write(&wish, &stored.account)?)))?;
    let Updated { stored, changed } = write(&accounts, stored, dry_run, |account| quota::write(&wish, account)).await?;
    context.ui.notes(&quota::warnings(&stored.account));
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(&stored.account)?)?,
        _ => done(context.ui, &change, &format!("quota/{user}"), quota::word(changed))?,
    }
    print_outcome(context.ui, dry_run, &stored.account, []);
    Ok(())
}
