//! Deletion of clusters: the wishes are written, and cmp-webhook deletes the clusters.

use std::cell::RefCell;
use std::time::Duration;

use futures::stream::{self, FuturesUnordered, StreamExt};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::accounts::{Accounts, Stored};
use cmp_client::update::Update;
use cmp_core::account::Entry;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::delete::{self as plan, AfterFailure, Cluster};
use cmp_core::progress::{Goal, tally};

use crate::args::{DryRun, LineFormat};
use crate::commands::shared::wait_clock::WaitClock;
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::output::said;
use crate::ui::Progress;
use crate::view;

/// Number of clusters that are read in parallel.
const AT_ONCE: usize = 16;

/// Interval between two looks at the progress.
const LOOK: Duration = Duration::from_millis(500);

/// Reads clusters of an account. A cluster whose instances cannot be listed is deleted like the others.
pub(crate) async fn read_clusters(
    context: &Context<'_>,
    stored: &Stored,
    names: Vec<ClusterName>,
) -> Result<Vec<Cluster>, CliError> {
    let client = context.client().await?;
    let look = |name: ClusterName| {
        let (client, entry) = (client.clone(), stored.account.cluster(&name));
        async move {
            let held = entry.held.is_some();
            let left = if held { view::what_is_left(&client, &name, entry.kind()).await } else { Ok(Vec::new()) };
            let left = left.unwrap_or_else(|error| {
                context.ui.note(&format!("Warning: instances of cluster/{name}: {}", error.message()));
                Vec::new()
            });
            let had = left.into_iter().map(|instance| instance.name).collect();
            Cluster::new(name, entry, had)
        }
    };
    Ok(stream::iter(names).map(look).buffered(AT_ONCE).collect().await)
}

/// Requests the deletion of clusters of one account in one write. If that is refused, it requests them one by one, so
/// that one cluster does not block the others. Returns the accepted clusters, and the errors of the others.
pub(crate) async fn ask(
    accounts: &Accounts,
    mut stored: Stored,
    mut clusters: Vec<Cluster>,
    dry_run: DryRun,
) -> Result<(Vec<Cluster>, Vec<CliError>), CliError> {
    if dry_run == DryRun::Client {
        return Ok((clusters, Vec::new()));
    }
    let Err(error) = write(accounts, &mut stored, &mut clusters, dry_run).await else {
        return Ok((clusters, Vec::new()));
    };
    let about = |error: ApiError, name: &ClusterName| CliError::from(error).about(&format!("cluster/{name}"));
    let refused = matches!(error, ApiError::Refused { .. } | ApiError::WebhookDown { .. });
    match plan::after_failure(clusters.len(), refused) {
        AfterFailure::GiveUp => Err(error.into()),
        AfterFailure::Report => {
            Ok((Vec::new(), clusters.first().map(|only| about(error, &only.name)).into_iter().collect()))
        }
        AfterFailure::OneByOne => {
            let (mut going, mut failed) = (Vec::new(), Vec::new());
            for mut cluster in clusters {
                match write(accounts, &mut stored, std::slice::from_mut(&mut cluster), dry_run).await {
                    Ok(()) => going.push(cluster),
                    Err(error) => failed.push(about(error, &cluster.name)),
                }
            }
            Ok((going, failed))
        }
    }
}

/// Writes the wishes. On a conflict it reads the account again and retries: cmp-webhook writes it while it prepares
/// clusters.
async fn write(
    accounts: &Accounts,
    stored: &mut Stored,
    clusters: &mut [Cluster],
    dry_run: DryRun,
) -> Result<(), ApiError> {
    let update = Update { manager: MANAGER, dry_run: dry_run.into() };
    let updated = accounts.update(stored.clone(), update, |read| {
        *stored = read.clone();
        Ok::<_, ApiError>(plan::change(&read.account, clusters.iter().map(|cluster| &cluster.name)))
    });
    *stored = updated.await?.stored;
    for cluster in clusters {
        cluster.wished(&stored.account);
    }
    Ok(())
}

/// Waits until all clusters are gone, and prints each one that is. Meanwhile it shows the progress of the others. The
/// progress can be invisible, because the rights of the owner are removed first. Returns the errors of the clusters
/// that are left when the clock has run out.
pub(crate) async fn all_gone(
    context: &Context<'_>,
    accounts: &Accounts,
    going: Vec<(UserName, Vec<Cluster>)>,
    clock: &WaitClock,
    format: Option<LineFormat>,
) -> Result<Vec<CliError>, CliError> {
    let client = context.client().await?;
    let left: Vec<(UserName, RefCell<Vec<Cluster>>)> =
        going.into_iter().map(|(user, clusters)| (user, RefCell::new(clusters))).collect();
    let mut waits = left
        .iter()
        .map(|(user, left)| async move {
            while !left.borrow().is_empty() {
                let gone = match some_gone(accounts, user, left, clock).await {
                    Err(ApiError::TimedOut { .. }) => break,
                    gone => gone.inspect_err(|_| left.borrow_mut().clear())?,
                };
                for name in gone {
                    clock.observe(&format!("{name} gone"));
                    said(context.ui, format, &format!("cluster/{name}"), "deleted")?;
                }
            }
            Ok::<_, CliError>(())
        })
        .collect::<FuturesUnordered<_>>();
    context.ui.goes_on("the deletion goes on", "`kubectl cmp get clusters` shows the clusters that are left");
    let mut progress = Progress::new(context.ui);
    let names = left.iter().flat_map(|(_, left)| left.borrow().iter().map(|one| one.name.clone()).collect::<Vec<_>>());
    progress.passing(&names.map(|name| format!("{name}: deleting")).collect::<Vec<_>>().join("; "));
    let mut looks = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
    let mut failed = Vec::new();
    loop {
        let look = async {
            looks.tick().await;
            let each = |cluster: &Cluster| (cluster.name.clone(), cluster.kind(), cluster.had.clone());
            let all: Vec<_> =
                left.iter().flat_map(|(_, left)| left.borrow().iter().map(each).collect::<Vec<_>>()).collect();
            let mut counts = Vec::new();
            for (name, kind, had) in &all {
                let shown = view::what_is_left(&client, name, *kind).await?;
                let tally = tally(Goal::Gone, had, &shown);
                counts.push(if shown.is_empty() {
                    format!("{name}: deleting")
                } else {
                    format!("{name}: {}", tally.counts())
                });
            }
            Ok::<_, CliError>(counts.join("; "))
        };
        tokio::select! {
            one = waits.next() => match one {
                None => break,
                Some(Ok(())) => {}
                Some(Err(error)) => failed.push(error),
            },
            // Progress that cannot be read is not shown. The clusters go all the same.
            counts = look => if let Ok(counts) = counts {
                clock.observe(&counts);
                progress.show(&counts, None, false);
            },
            () = clock.over() => break,
        }
    }
    drop(progress);
    drop(waits);
    let late = left.into_iter().flat_map(|(_, left)| left.into_inner());
    failed.extend(late.map(|cluster| cluster.late(clock.seconds()).into()));
    Ok(failed)
}

/// Waits until some clusters of an account are gone, and removes them from `left`.
async fn some_gone(
    accounts: &Accounts,
    user: &UserName,
    left: &RefCell<Vec<Cluster>>,
    clock: &WaitClock,
) -> Result<Vec<ClusterName>, ApiError> {
    let take = |entry: &dyn Fn(&ClusterName) -> Entry| {
        let mut gone = Vec::new();
        left.borrow_mut().retain_mut(|cluster| {
            let is_gone = cluster.is_gone(entry(&cluster.name));
            if is_gone {
                gone.push(cluster.name.clone());
            }
            !is_gone
        });
        gone
    };
    let waited = accounts.wait(user, "clusters to be gone", clock.most_left(), |stored| {
        Some(take(&|name| stored.account.cluster(name))).filter(|gone| !gone.is_empty())
    });
    match waited.await {
        // Without the account nothing is held any more.
        Err(error) if error.is_not_found() => Ok(take(&|_| Entry::default())),
        waited => waited,
    }
}
