//! Lookup of existing names in the API server and in the kubeconfig. The lookup has a short deadline, and errors stay
//! silent.

use std::sync::mpsc;
use std::time::Duration;

use cmp_client::snapshots::Snapshots;
use cmp_core::account::{Account, Entry};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::snapshot;

use super::candidate::Candidate;
use crate::args::Global;
use crate::commands::shared::{templates, tokens};
use crate::context::Context;
use crate::error::CliError;
use crate::runtime::runtime;
use crate::ui::Ui;

/// Time for which the shell waits for candidates.
const PATIENCE: Duration = Duration::from_secs(2);

/// Objects to look up.
#[derive(Debug, Clone)]
pub(super) enum LookupKind {
    Clusters,
    Instances,
    Users,
    Templates,
    Snapshots,
    /// Tokens of this user.
    Tokens(UserName),
    /// Namespaces of the clusters in the accounts.
    Namespaces,
    Contexts,
    /// Clusters of the kubeconfig.
    KubeClusters,
    /// Users of the kubeconfig.
    KubeUsers,
}

/// The objects to look up, and where.
#[derive(Debug, Clone)]
pub(super) struct Lookup {
    pub(super) what: LookupKind,
    /// The owner of the objects, if the command line names one.
    pub(super) owner: Option<UserName>,
    pub(super) global: Global,
}

/// Looks up names. Names that are not found in time are missing. The lookup runs on its own thread, because a
/// credential plugin may wait for input and must not block the shell.
pub(super) fn look_up(question: &Lookup) -> Vec<Candidate> {
    let (found, finds) = mpsc::channel();
    let asked = question.clone();
    std::thread::spawn(move || found.send(find(asked)));
    finds.recv_timeout(PATIENCE).ok().and_then(Result::ok).unwrap_or_default()
}

fn find(question: Lookup) -> Result<Vec<Candidate>, CliError> {
    let ui = Ui::standard();
    let global = Global { request_timeout: PATIENCE, v: 0, ..question.global };
    let context = Context::new(&ui, global, None);
    let runtime = runtime()?;
    let found = runtime.block_on(async {
        let owner = question.owner.as_ref();
        let candidates = match &question.what {
            LookupKind::Clusters => clusters(&accounts(&context, owner).await?),
            LookupKind::Instances => instances(&accounts(&context, owner).await?),
            LookupKind::Namespaces => namespaces(&accounts(&context, owner).await?),
            LookupKind::Users => {
                let users = accounts(&context, None).await?.into_iter();
                users.map(|account| Candidate::about(account.user.as_str(), account.quota.to_string())).collect()
            }
            LookupKind::Templates => templates::names(&context).await?.into_iter().map(Candidate::plain).collect(),
            LookupKind::Snapshots => snapshots(&context, &accounts(&context, owner).await?).await?,
            LookupKind::Tokens(user) => tokens::ids(&context, user).await?.into_iter().map(Candidate::plain).collect(),
            LookupKind::Contexts | LookupKind::KubeClusters | LookupKind::KubeUsers => {
                of_kubeconfig(&context, &question.what)?
            }
        };
        Ok::<_, CliError>(candidates)
    });
    // Do not wait for a name resolution that is still running.
    runtime.shutdown_background();
    found
}

/// Returns the caller's own account, or all accounts for an administrator.
async fn accounts(context: &Context<'_>, owner: Option<&UserName>) -> Result<Vec<Account>, CliError> {
    let one = match (&context.who().await?.user, owner) {
        (Some(user), _) => user,
        (None, Some(owner)) => owner,
        (None, None) => {
            let all = context.accounts().await?.list().await?;
            return Ok(all.into_iter().flatten().map(|stored| stored.account).collect());
        }
    };
    Ok(vec![context.account(one).await?.account])
}

fn existing(accounts: &[Account]) -> impl Iterator<Item = (&ClusterName, &Entry, u32)> {
    accounts.iter().flat_map(Account::existing).map(|(name, entry)| {
        let wanted = entry.want.as_ref().map(|want| want.count);
        (name, entry, wanted.or_else(|| entry.held.as_ref().map(|held| held.count)).unwrap_or(0))
    })
}

fn clusters(accounts: &[Account]) -> Vec<Candidate> {
    let described = |(name, entry, count): (&ClusterName, &Entry, u32)| {
        let want = entry.want.as_ref();
        match want.map(|want| &want.size).or(entry.held.as_ref().map(|held| &held.size)) {
            Some(size) => Candidate::about(name.as_str(), format!("{count} of {size}")),
            None => Candidate::plain(name.as_str()),
        }
    };
    existing(accounts).map(described).collect()
}

/// Lists the snapshots of all clusters that have room for some.
async fn snapshots(context: &Context<'_>, accounts: &[Account]) -> Result<Vec<Candidate>, CliError> {
    let client = context.client().await?;
    let mut candidates = Vec::new();
    for (cluster, entry, _) in existing(accounts) {
        if entry.charged().size.snapshots() > 0 {
            let parts = Snapshots::of(&client, cluster).parts().await?;
            let of_cluster = snapshot::snapshots(cluster, parts).into_iter();
            candidates.extend(of_cluster.map(|one| Candidate::about(one.name, format!("in {cluster}"))));
        }
    }
    Ok(candidates)
}

fn namespaces(accounts: &[Account]) -> Vec<Candidate> {
    existing(accounts).map(|(name, ..)| Candidate::plain(name.namespace())).collect()
}

/// Derives the names from the counts of the clusters, which takes one request for all of them.
fn instances(accounts: &[Account]) -> Vec<Candidate> {
    let of = |(name, _, count): (&ClusterName, &Entry, u32)| {
        let name = name.clone();
        (0..count).map(move |index| Candidate::plain(name.instance(index).to_string()))
    };
    existing(accounts).flat_map(of).collect()
}

fn of_kubeconfig(context: &Context<'_>, what: &LookupKind) -> Result<Vec<Candidate>, CliError> {
    let kubeconfig = context.kubeconfig()?;
    let names = match what {
        LookupKind::Contexts => kubeconfig.contexts,
        LookupKind::KubeClusters => kubeconfig.clusters,
        _ => kubeconfig.users,
    };
    Ok(names.into_iter().map(Candidate::plain).collect())
}
