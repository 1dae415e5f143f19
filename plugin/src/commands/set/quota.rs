//! `set quota`: changes the quota of a user.

use clap::Args;

use cmp_client::update::{Update, Updated};
use cmp_core::account::change::Change;
use cmp_core::quantity::Quantity;
use cmp_core::verdict::available;

use crate::args::values::{Amount, amount, memory, quantity, with_changes};
use crate::args::{ChangeArgs, SuspendedQuota, UserNameArg};
use crate::commands::shared::quota::object;
use crate::context::{Context, MANAGER};
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
    if cpu.is_none() && memory.is_none() && resource.is_empty() && suspended.is_none() {
        return Err(CliError::user("nothing to set").hint("say what with --cpu, --memory, --resource or --suspended"));
    }
    let accounts = context.accounts().await?;
    let update = Update { manager: MANAGER, dry_run: change.dry.dry_run.into(), judge: false };
    let updated = accounts.update(context.account(&user).await?, update, |stored| {
        let quota = with_changes(stored.account.quota.clone(), cpu, memory, resource.clone())?;
        let mut policy = stored.account.policy.clone();
        if let Some(suspended) = suspended {
            policy.suspended = suspended.into();
        }
        let mut wish = Change::new();
        if quota != stored.account.quota {
            wish = wish.quota(&quota);
        }
        if policy != stored.account.policy {
            wish = wish.policy(&policy);
        }
        Ok::<_, CliError>(wish)
    });
    let Updated { stored, changed } = updated.await?;
    let word = if changed { "configured" } else { "unchanged" };
    let over = available(&stored.account).unwrap_or_default();
    for (name, left) in over.iter().filter(|(_, left)| left.is_negative()) {
        let used = stored.account.charge().unwrap_or_default().get(name);
        context.ui.note(&format!(
            "Warning: {user} uses {name}={used}, {name}={} is the quota now: what runs goes on, nothing grows ({left} left)",
            stored.account.quota.get(name)
        ));
    }
    match &change.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(&stored.account)?),
        _ => done(context.ui, &change, &format!("quota/{user}"), word),
    }
}
