//! `quota`: the total, used and available amounts.

use clap::Args;

use cmp_core::account::Account;
use cmp_core::name::UserName;

use crate::args::OutputArgs;
use crate::args::values::name;
use crate::commands::shared::quota::{object, quota_rows};
use crate::context::Context;
use crate::error::CliError;
use crate::output::{Format, print_object, table};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp quota\n  kubectl cmp quota john -o json")]
pub(crate) struct QuotaArgs {
    /// The name of the user (administrators); you by default
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: Option<UserName>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Characters of a full bar.
const BAR: usize = 20;

pub(crate) async fn run(context: &Context<'_>, args: QuotaArgs) -> Result<(), CliError> {
    let QuotaArgs { user, output } = args;
    if user.is_none() && context.who().await?.user.is_none() {
        return Err(CliError::user("whose quota?").hint("name the user: kubectl cmp quota USER"));
    }
    let user = context.account_of(user.as_ref()).await?;
    let account = context.account(&user).await?.account;
    match &output.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(&account)?),
        Some(Format::Name) => context.ui.line(&format!("quota/{user}")),
        _ => {
            let mut rows = quota_rows(&account);
            if context.ui.on_terminal() {
                for (row, bar) in rows.iter_mut().skip(1).zip(bars(&account)) {
                    row.push(bar);
                }
            }
            let from = usize::from(output.no_headers);
            context.ui.out(&table(&rows[from.min(rows.len())..]))
        }
    }
}

/// Returns a bar for each resource that shows its use: `[######--------------]`.
fn bars(account: &Account) -> Vec<String> {
    let used = account.charge().unwrap_or_default();
    account
        .quota
        .iter()
        .map(|(name, total)| {
            let parts = i128::try_from(BAR).unwrap_or(0);
            let filled = used.get(name).nanos().saturating_mul(parts).checked_div(total.nanos()).unwrap_or(parts);
            let filled = usize::try_from(filled).unwrap_or(0).min(BAR);
            format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR - filled))
        })
        .collect()
}
