//! The write of an account, planned anew for each version of it.

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::update::{Update, Updated};
use cmp_core::account::Account;
use cmp_core::plan::{Refusal, Write};

use crate::args::DryRun;
use crate::context::MANAGER;
use crate::error::CliError;

/// Writes an account. On a conflict with another writer, the write is planned anew on the newer version.
pub(crate) async fn write(
    accounts: &Accounts,
    stored: Stored,
    dry_run: DryRun,
    mut plan: impl FnMut(&Account) -> Result<Write, Refusal>,
) -> Result<Updated, CliError> {
    // The plan has judged the write.
    let update = Update { manager: MANAGER, dry_run: dry_run.into(), judge: false };
    accounts.update(stored, update, |read| Ok::<_, CliError>(plan(&read.account)?.change)).await
}
