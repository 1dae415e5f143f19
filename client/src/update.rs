//! The one loop that changes an account: decide, write under the version that was read, and begin again if it
//! has changed.

use std::time::Duration;

use tokio::time::Instant;

use cmp_core::account::change::Change;
use cmp_core::account::{Account, Unreadable};
pub use cmp_core::vocabulary::DryRun;

use crate::accounts::{Accounts, Stored};
use crate::error::ApiError;

/// How long a change is tried again while other writers change the account. The controllers write it several times for
/// each cluster that they prepare. On a busy machine, 60 clusters take them more than a minute.
const CONTENDED: Duration = Duration::from_mins(5);
/// How long a change waits for its account to be settled.
const SETTLING: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

/// How a change is written.
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// The field manager of a write that nobody signs.
    pub manager: &'a str,
    /// How far the change is carried out.
    pub dry_run: DryRun,
}

/// The account after an update.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The account as it is stored, or as it would be after a dry run.
    pub stored: Stored,
    /// Whether there was anything to change.
    pub changed: bool,
}

impl Accounts {
    /// Changes an account. `decide` returns the change for the version that was read, and is asked again for each newer
    /// version. An empty change writes nothing.
    ///
    /// A conflict with another writer is retried for five minutes. A change that is refused because the account is not
    /// settled yet is retried for 15 s.
    pub async fn update<E: From<ApiError>>(
        &self,
        mut read: Stored,
        update: Update<'_>,
        mut decide: impl FnMut(&Stored) -> Result<Change, E>,
    ) -> Result<Updated, E> {
        let since = Instant::now();
        loop {
            let change = decide(&read)?;
            let next = match next(&read.account, &change, update) {
                Ok(next) => next,
                Err(refused) => return Err(refused.into()),
            };
            match next {
                Next::Unchanged => return Ok(Updated { stored: read, changed: false }),
                Next::Imagine(account) => {
                    return Ok(Updated { stored: Stored { account: *account, ..read }, changed: true });
                }
                Next::Write => {}
            }
            let server = update.dry_run == DryRun::Server;
            match self.change(&read, &change, self.manager(update.manager), server).await {
                Ok(stored) => return Ok(Updated { stored, changed: true }),
                Err(error) => match retry(&error, since.elapsed()) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error.into()),
                },
            }
            read = self.get(&read.account.user).await?;
        }
    }
}

/// The request that a change leads to.
#[derive(Debug, PartialEq)]
enum Next {
    Unchanged,
    /// The account that the change would lead to. Nothing is written.
    Imagine(Box<Account>),
    Write,
}

fn next(account: &Account, change: &Change, update: Update<'_>) -> Result<Next, ApiError> {
    if change.is_empty() {
        return Ok(Next::Unchanged);
    }
    let unreadable = |source: Unreadable| ApiError::Damaged { user: account.user.to_string(), source };
    let changed = change.apply(account).map_err(unreadable)?;
    if changed == *account {
        return Ok(Next::Unchanged);
    }
    Ok(if update.dry_run == DryRun::Client { Next::Imagine(Box::new(changed)) } else { Next::Write })
}

/// Returns the pause before the next try, or `None` if there is none.
fn retry(error: &ApiError, elapsed: Duration) -> Option<Duration> {
    if error.is_conflict() && elapsed < CONTENDED {
        return Some(Duration::ZERO);
    }
    (error.is_not_settled() && elapsed < SETTLING).then_some(PAUSE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use cmp_core::account::Want;
    use cmp_core::resources::Resources;
    use cmp_core::verdict::judge;
    use cmp_core::vocabulary::InstanceType;

    use super::*;

    fn account(settled: bool) -> Account {
        let mut data = BTreeMap::from([("quota".to_owned(), r#"{"cpu":"4","memory":"8Gi"}"#.to_owned())]);
        data.extend(settled.then(|| ("settled".to_owned(), "uid".to_owned())));
        Account::read("john".parse().unwrap(), "uid", &data).unwrap()
    }

    /// A change that asks for a cluster of one instance.
    fn wants(cpu: &str) -> Change {
        let size = Resources::new(cpu.parse().unwrap(), "1Gi".parse().unwrap());
        Change::new().want(&"web".parse().unwrap(), Some(&Want::new(InstanceType::Container, 1, size)))
    }

    fn update(dry_run: DryRun) -> Update<'static> {
        Update { manager: "test", dry_run }
    }

    #[test]
    fn an_empty_change_is_not_written() {
        let there = wants("1").apply(&account(true)).unwrap();
        for (account, change) in [(account(true), Change::new()), (there, wants("1"))] {
            assert_eq!(next(&account, &change, update(DryRun::None)).unwrap(), Next::Unchanged);
        }
    }

    #[test]
    fn a_client_dry_run_sends_nothing() {
        let imagined = wants("1").apply(&account(true)).unwrap();
        let next = |dry_run| next(&account(true), &wants("1"), update(dry_run)).unwrap();
        assert_eq!(next(DryRun::Client), Next::Imagine(Box::new(imagined)));
        assert_eq!(next(DryRun::Server), Next::Write);
        assert_eq!(next(DryRun::None), Next::Write);
    }

    #[test]
    fn cmp_webhook_judges_what_is_written() {
        for settled in [true, false] {
            assert_eq!(next(&account(settled), &wants("5"), update(DryRun::None)).unwrap(), Next::Write, "{settled}");
        }
    }

    #[test]
    fn retries_end() {
        let conflict = ApiError::refused(409, "Conflict", "the object has been modified");
        let denial = judge(Some(&account(false)), &wants("1").apply(&account(false)).unwrap()).unwrap_err();
        let unsettled = ApiError::denied(&denial);
        assert!(unsettled.is_not_settled());
        let s = Duration::from_secs;
        assert_eq!(retry(&conflict, s(299)), Some(Duration::ZERO));
        assert_eq!(retry(&conflict, s(300)), None);
        assert_eq!(retry(&unsettled, s(14)), Some(PAUSE));
        assert_eq!(retry(&unsettled, s(15)), None);
        assert_eq!(retry(&ApiError::refused(403, "Forbidden", "no"), s(0)), None);
        assert_eq!(retry(&ApiError::refused(409, "AlreadyExists", "there"), s(0)), None);
    }
}
