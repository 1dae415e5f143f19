//! Comparison of every account with the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::Client;

use cmp_client::accounts::Accounts;
use cmp_client::{ApiError, fences, namespaces};
use cmp_core::account::Unreadable;
use cmp_core::audit::{self, Finding};
use cmp_core::fences::ObservedNamespace;
use cmp_core::keys;

use crate::commands::check::report::Check;
use crate::error::CliError;
use crate::output::counted;

const NAME: &str = "accounts";

/// Time in which cmp-webhook corrects a difference that it is about to correct.
const AGAIN: Duration = Duration::from_secs(2);

const HINT: &str = "a running cmp-webhook repairs this within seconds; if it does not: kubectl logs -n cmp-system -l \
                    app.kubernetes.io/name=cmp-webhook";

/// Contents and findings of all accounts.
struct AccountsAudit {
    accounts: usize,
    clusters: usize,
    /// Findings of the audit, by account.
    found: BTreeMap<String, Vec<AccountFinding>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum AccountFinding {
    Finding(Finding),
    Damaged(Unreadable),
    NoAccount(String),
}

pub(super) async fn run_checks(client: &Client) -> Vec<Check> {
    checks(client).await.unwrap_or_else(|error| vec![Check::of(NAME, Err(error))])
}

async fn checks(client: &Client) -> Result<Vec<Check>, CliError> {
    let mut seen = read(client).await?;
    if seen.found.values().flatten().any(AccountFinding::is_failure) {
        // Accounts and Namespaces are read one after the other, and change meanwhile. Only findings of both reads
        // count.
        tokio::time::sleep(AGAIN).await;
        let before = std::mem::replace(&mut seen, read(client).await?).found;
        for (user, found) in &mut seen.found {
            found.retain(|one| before.get(user).is_some_and(|before| before.contains(one)));
        }
        seen.found.retain(|_, found| !found.is_empty());
    }
    let mut checks: Vec<Check> = seen.found.iter().map(|(user, found)| check(user, found)).collect();
    if checks.is_empty() {
        let (accounts, clusters) = (counted(seen.accounts, "account"), counted(seen.clusters, "cluster"));
        checks.push(Check::ok(NAME, format!("{accounts} with {clusters}, all sound")));
    }
    Ok(checks)
}

impl AccountFinding {
    fn is_failure(&self) -> bool {
        match self {
            Self::Finding(finding) => finding.is_failure(),
            Self::Damaged(_) | Self::NoAccount(_) => true,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Finding(finding) => finding.to_string(),
            Self::Damaged(why) => format!("the account is damaged: {why}"),
            Self::NoAccount(namespace) => {
                format!("namespace {namespace} belongs to this user, but the account does not exist")
            }
        }
    }
}

fn check(user: &str, found: &[AccountFinding]) -> Check {
    let (name, texts) =
        (format!("account/{user}"), found.iter().map(AccountFinding::text).collect::<Vec<_>>().join("; "));
    let has =
        |which: fn(&Finding) -> bool| found.iter().any(|one| matches!(one, AccountFinding::Finding(one) if which(one)));
    if !found.iter().any(AccountFinding::is_failure) {
        if has(|one| matches!(one, Finding::Newer(_))) {
            return Check::warning(&name, texts)
                .hint("a newer version wrote this: upgrade kubectl-cmp and cmp-webhook");
        }
        let hint = "the quota was lowered below the usage: no cluster can grow until enough is released";
        return Check::warning(&name, texts).hint(hint);
    }
    let check = Check::failed(&name, texts);
    if found.iter().any(|one| matches!(one, AccountFinding::NoAccount(_))) {
        check.hint(format!("to restore the account: kubectl cmp create user {user}, with the quota of the user"))
    } else if found.iter().any(
        |one| matches!(one, AccountFinding::Damaged(why) if [keys::data::QUOTA, keys::data::POLICY].contains(&why.key.as_str())),
    ) {
        check.hint(format!("kubectl edit configmap {user} -n {}", keys::USERS_NAMESPACE))
    } else if has(|one| matches!(one, Finding::Blocked { .. })) {
        check
            .hint("cmp-webhook tries again at least once a minute; docs/OPERATIONS.md lists the reasons and what to do")
    } else if has(|one| matches!(one, Finding::Unreadable(_))) {
        check.hint(format!(
            "delete the namespace, or restore its label {} and its annotations {}, {} and {}",
            keys::TYPE,
            keys::COUNT,
            keys::SIZE,
            keys::RESERVED
        ))
    } else {
        check.hint(HINT)
    }
}

async fn read(client: &Client) -> Result<AccountsAudit, CliError> {
    let accounts = Accounts::new(client.clone());
    let (accounts, namespaces, quotas, limits, (settings, _)) = futures::try_join!(
        accounts.list(),
        namespaces::owned(client, namespaces::Of::Everyone),
        fences::quotas(client),
        fences::limits(client),
        cmp_client::settings::read(client),
    )?;
    let mut theirs: BTreeMap<String, Vec<ObservedNamespace>> = BTreeMap::new();
    let mut seen = AccountsAudit { accounts: accounts.len(), clusters: namespaces.len(), found: BTreeMap::new() };
    for (owner, namespace) in namespaces {
        theirs.entry(owner).or_default().push(namespace);
    }
    for account in accounts {
        let (user, found) = match account {
            Ok(stored) => {
                let user = stored.account.user.to_string();
                let namespaces = theirs.remove(&user).unwrap_or_default();
                let mut findings = audit::account(&stored.account, &namespaces);
                findings.extend(audit::fences(
                    &stored.account,
                    |name| quotas.get(name),
                    |name| limits.get(name),
                    &settings,
                ));
                (user, findings.into_iter().map(AccountFinding::Finding).collect())
            }
            Err(ApiError::Damaged { user, source }) => {
                theirs.remove(&user);
                (user, vec![AccountFinding::Damaged(source)])
            }
            Err(error) => return Err(error.into()),
        };
        if !found.is_empty() {
            seen.found.insert(user, found);
        }
    }
    // The remaining Namespaces belong to users without an account.
    for (user, namespaces) in theirs {
        let there = namespaces.iter().filter(|seen| !seen.deleting).filter_map(|seen| seen.cluster.as_ref());
        let found: Vec<AccountFinding> = there.map(|cluster| AccountFinding::NoAccount(cluster.namespace())).collect();
        if !found.is_empty() {
            seen.found.insert(user, found);
        }
    }
    Ok(seen)
}
