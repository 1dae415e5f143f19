//! The one loop that changes an account: decide, write under the version that was read, and begin again if it
//! has changed.

use std::time::Duration;

use tokio::time::Instant;

use cmp_core::account::change::Change;
use cmp_core::account::{Account, Unreadable};
use cmp_core::name::UserName;
pub use cmp_core::vocabulary::DryRun;

use crate::accounts::{Accounts, Stored};
use crate::error::ApiError;
use crate::patience::Deadline;

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
    /// A conflict with another writer is retried as long as the patience of this view lasts. A change that is refused
    /// because the account is not settled yet is retried for 15 s of it. No try begins later, but a write that was sent
    /// is not cut off: its answer says whether the change is stored.
    pub async fn update<E: From<ApiError>>(
        &self,
        read: Stored,
        update: Update<'_>,
        decide: impl FnMut(&Stored) -> Result<Change, E>,
    ) -> Result<Updated, E> {
        let (manager, server) = (self.manager(update.manager), update.dry_run == DryRun::Server);
        let write = async |read: &Stored, change: &Change| self.change(read, change, manager, server).await;
        until_written(read, update, decide, self.patience().start(), write, async |user| self.get(user).await).await
    }
}

/// Repeats a change until it is written, or until the deadline.
async fn until_written<E: From<ApiError>>(
    mut read: Stored,
    update: Update<'_>,
    mut decide: impl FnMut(&Stored) -> Result<Change, E>,
    deadline: Deadline,
    write: impl AsyncFn(&Stored, &Change) -> Result<Stored, ApiError>,
    get: impl AsyncFn(&UserName) -> Result<Stored, ApiError>,
) -> Result<Updated, E> {
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
        let error = match write(&read, &change).await {
            Ok(stored) => return Ok(Updated { stored, changed: true }),
            Err(error) => error,
        };
        let Some(pause) = retry(&error, deadline.elapsed()) else { return Err(error.into()) };
        let what = format!("the account of {}", read.account.user);
        if deadline.is_over(Instant::now() + pause) {
            return Err(if error.is_conflict() { deadline.late(&what) } else { error }.into());
        }
        tokio::time::sleep(pause).await;
        read = deadline.within(&what, get(&read.account.user)).await?;
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
    if error.is_conflict() {
        return Some(Duration::ZERO);
    }
    (error.is_not_settled() && elapsed < SETTLING).then_some(PAUSE)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::collections::BTreeMap;

    use cmp_core::account::Want;
    use cmp_core::resources::Resources;
    use cmp_core::verdict::judge;
    use cmp_core::vocabulary::InstanceType;

    use super::*;
    use crate::patience::Patience;

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
    fn only_a_conflict_and_an_account_that_is_not_settled_are_tried_again() {
        let conflict = ApiError::refused(409, "Conflict", "the object has been modified");
        let denial = judge(Some(&account(false)), &wants("1").apply(&account(false)).unwrap()).unwrap_err();
        let unsettled = ApiError::denied(&denial);
        assert!(unsettled.is_not_settled());
        let s = Duration::from_secs;
        assert_eq!(retry(&conflict, s(299)), Some(Duration::ZERO));
        assert_eq!(retry(&unsettled, s(14)), Some(PAUSE));
        assert_eq!(retry(&unsettled, s(15)), None);
        assert_eq!(retry(&ApiError::refused(403, "Forbidden", "no"), s(0)), None);
        assert_eq!(retry(&ApiError::refused(409, "AlreadyExists", "there"), s(0)), None);
    }

    fn stored(settled: bool) -> Stored {
        Stored {
            account: account(settled),
            version: "1".to_owned(),
            created: None,
            labels: BTreeMap::new(),
            authors: BTreeMap::new(),
        }
    }

    /// Changes an account whose every write is answered with `answer`. Returns the number of writes, and the result.
    async fn tries(
        patience: Patience,
        answer: impl Fn(usize) -> Result<(), ApiError>,
    ) -> (usize, Result<(), ApiError>) {
        let writes = Cell::new(0);
        let written = until_written(
            stored(true),
            update(DryRun::None),
            |_| Ok::<_, ApiError>(wants("1")),
            patience.start(),
            async |read, _| {
                writes.set(writes.get() + 1);
                answer(writes.get()).map(|()| read.clone())
            },
            async |_| Ok(stored(true)),
        );
        let written = tokio::time::timeout(Duration::from_mins(1), written).await.expect("the loop ends");
        (writes.get(), written.map(drop))
    }

    #[tokio::test]
    async fn a_contended_change_ends_at_the_deadline_of_its_command() {
        let conflict = || Err(ApiError::refused(409, "Conflict", "the object has been modified"));
        let now = Instant::now();
        let (writes, ended) = tries(Patience::default().until(now), |_| conflict()).await;
        assert_eq!(writes, 1, "the first try is made");
        let error = ended.unwrap_err();
        assert_eq!(
            error.to_string(),
            "timed out after 0 s waiting for the account of john, which others keep changing"
        );
        let (writes, ended) = tries(Patience::of(Some(Duration::from_millis(20))), |_| conflict()).await;
        assert!(writes > 1 && matches!(ended, Err(ApiError::TimedOut { seconds: 1, .. })), "{writes} {ended:?}");
        let (writes, ended) = tries(Patience::default(), |write| if write < 3 { conflict() } else { Ok(()) }).await;
        assert!(writes == 3 && ended.is_ok(), "{writes} {ended:?}");
    }

    #[tokio::test]
    async fn an_account_that_is_not_settled_at_the_deadline_says_so() {
        let denial = judge(Some(&account(false)), &wants("1").apply(&account(false)).unwrap()).unwrap_err();
        let (writes, ended) =
            tries(Patience::default().until(Instant::now()), |_| Err(ApiError::denied(&denial))).await;
        assert!(writes == 1 && ended.is_err_and(|error| error.is_not_settled()));
    }

    #[tokio::test]
    async fn a_read_that_hangs_ends_at_the_deadline() {
        let hangs = until_written(
            stored(true),
            update(DryRun::None),
            |_| Ok::<_, ApiError>(wants("1")),
            Patience::of(Some(Duration::from_millis(20))).start(),
            async |_, _| Err(ApiError::refused(409, "Conflict", "the object has been modified")),
            async |_| std::future::pending().await,
        );
        let ended = tokio::time::timeout(Duration::from_mins(1), hangs).await.expect("the read ends");
        assert!(matches!(ended, Err(ApiError::TimedOut { .. })), "{ended:?}");
    }
}
