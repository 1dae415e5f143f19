//! The wait until a cluster is prepared: its want is held, and its Namespace is ready.

use std::time::Duration;

use cmp_client::ApiError;
use cmp_client::accounts::Accounts;
use cmp_core::account::{Entry, Held, HeldState, Want};
use cmp_core::name::{ClusterName, UserName};

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
            match &entry.blocked {
                Some(blocked) => progress.show(&format!("{name}: {}", blocked.reason), None, false),
                None => progress.passing(&format!("{name}: preparing, {}", missing(entry.held.as_ref()))),
            }
            let wanted = entry.want.as_ref().is_some_and(|wanted| want.shape().fits(&wanted.shape()));
            match (&entry.held, &entry.refused) {
                // The webhook took the want back. An older refusal can stand beside a want that still exists.
                (_, Some(refused)) if !wanted => Some(Err(refused.reason.clone())),
                (None, None) if !wanted => Some(Err("it was deleted in the meantime".to_owned())),
                (Some(held), _) if held.state == HeldState::Ready && want.shape().fits(&held.shape()) => Some(Ok(())),
                _ => None,
            }
        })
        .await;
    drop(progress);
    match waited {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(CliError::user(format!("cluster {name} was refused: {reason}"))),
        Err(ApiError::TimedOut { seconds, .. }) => {
            let late = |why: &str| CliError::user(format!("cluster {name} is not ready after {seconds} s: {why}"));
            let goes_on = "nothing is lost: the same command goes on where this one ended";
            let error = match &last {
                Some(Entry { blocked: Some(blocked), .. }) => late(&blocked.reason).hint(format!(
                    "cmp-webhook tries again; to give its quota back: kubectl cmp delete cluster {name}"
                )),
                last => late(&missing(last.as_ref().and_then(|entry| entry.held.as_ref())))
                    .hint("is cmp-webhook running? it prepares clusters (deployment cmp-webhook in cmp-system)"),
            };
            Err(error.hint(goes_on))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the reason why a cluster is not ready yet.
fn missing(held: Option<&Held>) -> String {
    match held {
        None => "nothing is held for it yet".to_owned(),
        Some(held) if held.uid.is_empty() => "its namespace does not exist yet".to_owned(),
        Some(held) => format!("it is {}", held.state.as_str()),
    }
}
