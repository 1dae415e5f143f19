//! The wait until a cluster is prepared: its want is held, and its Namespace is ready.

use cmp_client::ApiError;
use cmp_client::accounts::Accounts;
use cmp_core::account::Want;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::prepare::{self, Progress as Progressing};
use cmp_core::progress::clock::Limit;

use crate::commands::shared::wait_clock::WaitClock;
use crate::error::CliError;
use crate::ui::{Progress, Ui};

/// Waits until the whole want is held and the Namespace is ready for it.
pub(crate) async fn prepared(
    ui: &Ui,
    accounts: &Accounts,
    user: &UserName,
    name: &ClusterName,
    want: &Want,
    limit: Limit,
) -> Result<(), CliError> {
    let clock = WaitClock::start(limit);
    let mut last = None;
    let mut progress = Progress::new(ui);
    progress.passing(&format!("{name}: preparing"));
    let what = format!("cluster {name} to be prepared");
    let waited = accounts.wait(user, &what, limit.most(), |stored| {
        let entry = stored.account.cluster(name);
        last = Some(entry.clone());
        let prepared = prepare::prepared(name, want, &entry);
        if prepared.is_some() {
            return prepared;
        }
        match prepare::progress(&entry) {
            Progressing::Blocked(reason) => {
                clock.observe(reason);
                progress.show(&format!("{name}: {reason}"), None, false);
            }
            Progressing::Preparing(missing) => {
                clock.observe(&missing);
                progress.passing(&format!("{name}: preparing, {missing}"));
            }
        }
        None
    });
    let waited = tokio::select! {
        waited = waited => Some(waited),
        () = clock.over() => None,
    };
    drop(progress);
    match waited {
        Some(Ok(prepared)) => Ok(prepared?),
        Some(Err(ApiError::TimedOut { .. })) | None => {
            if last.is_none() {
                // The time was over before the first look, as with `--timeout 0s`.
                let entry = accounts.get(user).await?.account.cluster(name);
                if let Some(prepared) = prepare::prepared(name, want, &entry) {
                    return Ok(prepared?);
                }
                last = Some(entry);
            }
            Err(prepare::late(name, last.as_ref(), clock.seconds()).into())
        }
        Some(Err(error)) => Err(error.into()),
    }
}
