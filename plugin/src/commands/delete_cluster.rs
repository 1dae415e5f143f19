//! `delete cluster`: writes the wish, and cmp-webhook deletes the cluster.

use std::cell::RefCell;
use std::time::Duration;

use futures::stream::{self, FuturesUnordered, StreamExt};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::accounts::{Accounts, Stored};
use cmp_core::account::{Change, Entry};
use cmp_core::deletion::{Going, wish};
use cmp_core::name::{ClusterName, InstanceName, UserName};
use cmp_core::progress::{Goal, tally};

use crate::cli::{DeleteCluster, DryRun};
use crate::context::{Context, MANAGER, complete, suffix};
use crate::error::CliError;
use crate::ui::Progress;
use crate::view;

/// Number of clusters that are read in parallel.
const AT_ONCE: usize = 16;
/// Interval between two looks at the progress.
const LOOK: Duration = Duration::from_millis(500);
/// The hint for clusters that are not gone in time.
pub(super) const NOTED: &str = "hint: the deletion is noted in the account, and cmp-webhook goes on with it; `kubectl cmp get clusters -o wide` shows \
                     how far it is";

pub(crate) async fn run(context: &Context<'_>, args: DeleteCluster) -> Result<(), CliError> {
    let DeleteCluster { names, all, owner, yes, wait, dry } = args;
    let dry_run = dry.dry_run;
    let mut complete_so_far = true;
    let mut found: Vec<(Stored, Vec<ClusterName>)> = Vec::new();
    if all {
        let stored = context.account(&context.account_of(owner.as_ref()).await?).await?;
        let names = shown(&stored);
        found.push((stored, names));
    } else {
        for name in context.clusters(names, false, owner.as_ref()).await? {
            match holders(context, &name).await {
                Ok(accounts) => accounts.into_iter().for_each(|stored| add(&mut found, stored, &name)),
                Err(error) => {
                    error.print(context.ui);
                    complete_so_far = false;
                }
            }
        }
    }
    if found.iter().all(|(_, names)| names.is_empty()) {
        if all {
            context.ui.note("No resources found.");
        }
        return complete(complete_so_far);
    }
    let mut goes = Vec::new();
    let mut going = Vec::new();
    for (stored, names) in found {
        let clusters = look(context, &stored, names).await?;
        goes.extend(clusters.iter().filter_map(|cluster| cluster.warning(&stored.account.user)));
        going.push((stored, clusters));
    }
    if dry_run == DryRun::None {
        context.ui.confirm(yes, &goes, "You are about to delete")?;
    }
    let accounts = context.accounts().await?;
    // Request all deletions before waiting for one: they run in parallel, and a slow cluster does not keep another one
    // from being deleted.
    let mut asked = Vec::new();
    for (stored, clusters) in going {
        let user = stored.account.user.clone();
        match ask(&accounts, stored, clusters, dry_run).await {
            Ok((going, failed)) => {
                complete_so_far &= failed.is_empty();
                for error in &failed {
                    error.print(context.ui);
                }
                asked.push((user, going));
            }
            Err(error) => {
                error.about(&format!("user/{user}")).print(context.ui);
                complete_so_far = false;
            }
        }
    }
    if !wait.wait || dry_run != DryRun::None {
        for name in asked.iter().flat_map(|(_, clusters)| clusters).map(|cluster| &cluster.name) {
            context.ui.line(&format!("cluster/{name} deleted{}", suffix(dry_run)))?;
        }
        let any_held = asked.iter().flat_map(|(_, clusters)| clusters).any(|cluster| cluster.entry.exists());
        if dry_run == DryRun::None && any_held {
            context.ui.note("the quota comes back when everything is gone (shown as deleting)");
        }
        return complete(complete_so_far);
    }
    let late = all_gone(context, &accounts, asked, Deadline::after(wait.timeout)).await?;
    for error in &late {
        error.print(context.ui);
    }
    if !late.is_empty() {
        context.ui.note(NOTED);
    }
    complete(complete_so_far && late.is_empty())
}

/// Returns all clusters that an account shows, refusals included.
fn shown(stored: &Stored) -> Vec<ClusterName> {
    let shown = stored.account.clusters.iter().filter(|(_, entry)| entry.exists() || entry.refused.is_some());
    shown.map(|(name, _)| name.clone()).collect()
}

/// Returns the account that has this cluster. If there is no such cluster, returns the accounts in which the name was
/// refused.
async fn holders(context: &Context<'_>, name: &ClusterName) -> Result<Vec<Stored>, CliError> {
    match context.holder(name).await {
        Ok(stored) if stored.account.cluster(name).exists() => return Ok(vec![stored]),
        Err(error) if !error.is_not_found() => return Err(error),
        _ => {}
    }
    let mut known = match &context.who().await?.user {
        Some(user) => vec![context.account(user).await?],
        None => context.accounts().await?.list().await?.into_iter().flatten().collect(),
    };
    known.retain(|stored| stored.account.cluster(name).refused.is_some());
    if known.is_empty() { Err(CliError::not_found("cluster", name.as_str())) } else { Ok(known) }
}

/// Adds a cluster to the list of its account.
fn add(found: &mut Vec<(Stored, Vec<ClusterName>)>, stored: Stored, name: &ClusterName) {
    match found.iter_mut().find(|(known, _)| known.account.user == stored.account.user) {
        // The later version of the account knows all of them.
        Some((known, names)) => {
            *known = stored;
            names.push(name.clone());
        }
        None => found.push((stored, vec![name.clone()])),
    }
}

/// The end of the wait for clusters.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    pub(super) at: Instant,
    /// Time from the start of the wait to its end.
    after: Duration,
}

impl Deadline {
    pub(super) fn after(timeout: Duration) -> Self {
        Self { at: Instant::now() + timeout, after: timeout }
    }
}

/// A cluster to delete.
pub(super) struct Cluster {
    pub(super) name: ClusterName,
    /// The instances of the cluster, as far as the caller can see them.
    had: Vec<InstanceName>,
    /// The account's entry of the cluster, as last read.
    entry: Entry,
    going: Going,
}

/// Reads clusters of an account. A cluster whose instances cannot be listed is deleted like the others.
pub(super) async fn look(
    context: &Context<'_>,
    stored: &Stored,
    names: Vec<ClusterName>,
) -> Result<Vec<Cluster>, CliError> {
    let client = context.client().await?;
    let look = |name: ClusterName| {
        let (client, entry) = (client.clone(), stored.account.cluster(&name));
        async move {
            let held = entry.held.is_some();
            let left = if held { view::what_is_left(&client, &name).await } else { Ok(Vec::new()) };
            let left = left.unwrap_or_else(|error| {
                context.ui.note(&format!("Warning: instances of cluster/{name}: {}", error.message()));
                Vec::new()
            });
            let had = left.into_iter().map(|instance| instance.name).collect();
            Cluster { going: Going::of(&entry), name, had, entry }
        }
    };
    Ok(stream::iter(names).map(look).buffered(AT_ONCE).collect().await)
}

impl Cluster {
    /// Returns the line about what the deletion destroys, or `None` for a mere refusal.
    fn warning(&self, user: &UserName) -> Option<String> {
        let (name, had) = (&self.name, self.had.len());
        let what = format!("namespace {} with {had} instances and everything else in it", name.namespace());
        self.entry.exists().then(|| format!("cluster/{name} of {user}: {what}"))
    }

    /// Returns the known reason why the cluster is not gone.
    fn why(&self) -> Option<&str> {
        let blocked = self.entry.blocked.as_ref().map(|blocked| blocked.reason.as_str());
        blocked.or_else(|| self.entry.refused.as_ref().map(|refused| refused.reason.as_str()))
    }

    /// Returns the error for a cluster that is not gone, with its reason.
    fn late(&self, deadline: Deadline) -> CliError {
        let why = self.why().map_or_else(String::new, |why| format!(": {why}"));
        let (name, seconds) = (&self.name, deadline.after.as_secs());
        CliError::user(format!("timed out after {seconds} s waiting for cluster {name} to be gone{why}"))
    }
}

/// Requests the deletion of clusters of one account in one write. If that is refused, it requests them one by one, so
/// that one cluster does not block the others. Returns the accepted clusters, and the errors of the others.
pub(super) async fn ask(
    accounts: &Accounts,
    mut stored: Stored,
    mut clusters: Vec<Cluster>,
    dry_run: DryRun,
) -> Result<(Vec<Cluster>, Vec<CliError>), CliError> {
    if dry_run == DryRun::Client {
        return Ok((clusters, Vec::new()));
    }
    let refused = match write(accounts, &mut stored, &mut clusters, dry_run).await {
        Ok(()) => return Ok((clusters, Vec::new())),
        Err(error @ (ApiError::Refused { .. } | ApiError::WebhookDown { .. })) => error,
        Err(error) => return Err(error.into()),
    };
    if let [only] = clusters.as_slice() {
        return Ok((Vec::new(), vec![CliError::from(refused).about(&format!("cluster/{}", only.name))]));
    }
    let (mut going, mut failed) = (Vec::new(), Vec::new());
    for mut cluster in clusters {
        match write(accounts, &mut stored, std::slice::from_mut(&mut cluster), dry_run).await {
            Ok(()) => going.push(cluster),
            Err(error) => failed.push(CliError::from(error).about(&format!("cluster/{}", cluster.name))),
        }
    }
    Ok((going, failed))
}

/// Writes the wishes. On a conflict it reads the account again and retries: cmp-webhook writes it while it prepares
/// clusters.
async fn write(
    accounts: &Accounts,
    stored: &mut Stored,
    clusters: &mut [Cluster],
    dry_run: DryRun,
) -> Result<(), ApiError> {
    let user = stored.account.user.clone();
    loop {
        let wishes = clusters.iter();
        let change = wishes
            .fold(Change::new(), |change, Cluster { name, .. }| wish(change, name, &stored.account.cluster(name)));
        if !change.is_empty() {
            match accounts.change(stored, &change, MANAGER, dry_run == DryRun::Server).await {
                Ok(written) => *stored = written,
                Err(error) if error.is_conflict() => {
                    *stored = accounts.get(&user).await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
        }
        for cluster in clusters {
            cluster.entry = stored.account.cluster(&cluster.name);
            cluster.going = Going::of(&cluster.entry);
        }
        return Ok(());
    }
}

/// Waits until all clusters are gone, and prints each one that is. Meanwhile it shows the progress of the others. The
/// progress can be invisible, because the rights of the owner are removed first. Returns the errors of the clusters
/// that are left.
pub(super) async fn all_gone(
    context: &Context<'_>,
    accounts: &Accounts,
    going: Vec<(UserName, Vec<Cluster>)>,
    deadline: Deadline,
) -> Result<Vec<CliError>, CliError> {
    let client = context.client().await?;
    let left: Vec<(UserName, RefCell<Vec<Cluster>>)> =
        going.into_iter().map(|(user, clusters)| (user, RefCell::new(clusters))).collect();
    let mut waits = left
        .iter()
        .map(|(user, left)| async move {
            while !left.borrow().is_empty() {
                let gone = match some_gone(accounts, user, left, deadline.at).await {
                    Err(ApiError::TimedOut { .. }) => break,
                    gone => gone.inspect_err(|_| left.borrow_mut().clear())?,
                };
                for name in gone {
                    context.ui.line(&format!("cluster/{name} deleted"))?;
                }
            }
            Ok::<_, CliError>(())
        })
        .collect::<FuturesUnordered<_>>();
    let mut progress = Progress::new(context.ui);
    let mut looks = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
    let mut failed = Vec::new();
    loop {
        let look = async {
            looks.tick().await;
            let each = |cluster: &Cluster| (cluster.name.clone(), cluster.had.clone());
            let all: Vec<_> =
                left.iter().flat_map(|(_, left)| left.borrow().iter().map(each).collect::<Vec<_>>()).collect();
            let mut counts = Vec::new();
            for (name, had) in &all {
                let shown = view::what_is_left(&client, name).await?;
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
            counts = look => counts.iter().for_each(|counts| progress.show(counts, None, false)),
        }
    }
    drop(progress);
    drop(waits);
    let late = left.into_iter().flat_map(|(_, left)| left.into_inner());
    failed.extend(late.map(|cluster| cluster.late(deadline)));
    Ok(failed)
}

/// Waits until some clusters of an account are gone, and removes them from `left`. At the deadline the list is empty.
async fn some_gone(
    accounts: &Accounts,
    user: &UserName,
    left: &RefCell<Vec<Cluster>>,
    deadline: Instant,
) -> Result<Vec<ClusterName>, ApiError> {
    let take = |entry: &dyn Fn(&ClusterName) -> Entry| {
        let mut gone = Vec::new();
        left.borrow_mut().retain_mut(|cluster| {
            cluster.entry = entry(&cluster.name);
            let is_gone = cluster.going.is_gone(&cluster.entry);
            if is_gone {
                gone.push(cluster.name.clone());
            }
            !is_gone
        });
        gone
    };
    let timeout = deadline.saturating_duration_since(Instant::now());
    let waited = accounts.wait(user, "clusters to be gone", timeout, |stored| {
        Some(take(&|name| stored.account.cluster(name))).filter(|gone| !gone.is_empty())
    });
    match waited.await {
        // Without the account nothing is held any more.
        Err(error) if error.is_not_found() => Ok(take(&|_| Entry::default())),
        waited => waited,
    }
}
