//! The wait until a cluster is prepared: its want is held, and its Namespace is ready.

use std::time::Duration;

use cmp_client::ApiError;
use cmp_client::accounts::Accounts;
use cmp_core::account::Want;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::prepare::{self, Progress as Progressing};

use crate::error::CliError;
use crate::ui::{Progress, Ui};

/// Waits until the whole want is held and the Namespace is ready for it.
pub(crate) async fn prepared(
    ui: &Ui,
    accounts: &Accounts,
    user: &UserName,
    name: &ClusterName,
    want: &Want,
    timeout: Duration,
) -> Result<(), CliError> {
    let mut last = None;
    let mut progress = Progress::new(ui);
    let waited = accounts
        .wait(user, &format!("cluster {name} to be prepared"), timeout, |stored| {
            let entry = stored.account.cluster(name);
            last = Some(entry.clone());
            match prepare::progress(&entry) {
                Progressing::Blocked(reason) => progress.show(&format!("{name}: {reason}"), None, false),
                Progressing::Preparing(missing) => progress.passing(&format!("{name}: preparing, {missing}")),
            }
            prepare::prepared(name, want, &entry)
        })
        .await;
    drop(progress);
    match waited {
        Ok(prepared) => Ok(prepared?),
        Err(ApiError::TimedOut { seconds, .. }) => Err(prepare::late(name, last.as_ref(), seconds).into()),
        Err(error) => Err(error.into()),
    }
}
