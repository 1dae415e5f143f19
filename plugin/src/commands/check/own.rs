//! Checks that a user can run: their account and their clusters.

use kube::Client;

use cmp_client::namespaces;
use cmp_core::account::HeldState;
use cmp_core::audit::{self, Finding};
use cmp_core::name::UserName;

use crate::commands::check::first_boot;
use crate::commands::check::report::Check;
use crate::context::Context;
use crate::error::CliError;
use crate::output::counted;

const ASK: &str = "ask an administrator to run `kubectl cmp check`";

pub(super) async fn run_checks(context: &Context<'_>, client: &Client, user: &UserName) -> Vec<Check> {
    let account = match context.account(user).await {
        Ok(stored) => stored.account,
        Err(error) => return vec![Check::of("account", Err(error)).hint(ASK)],
    };
    let held: Vec<_> = account.clusters.iter().filter_map(|(name, entry)| Some((name, entry.held.as_ref()?))).collect();
    let (mut seen, mut unreadable) = (Vec::new(), Vec::new());
    // The owner has no access to the Namespace before the cluster is ready, or while it is deleted.
    let theirs = |state: HeldState| matches!(state, HeldState::Ready | HeldState::Releasing);
    for (cluster, _) in held.iter().filter(|(_, held)| theirs(held.state)) {
        match namespaces::seen(client, cluster).await.map_err(CliError::from) {
            Ok(namespace) => seen.push(namespace),
            Err(error) if error.is_unreachable() => return vec![Check::of("account", Err(error))],
            Err(error) => {
                let check = Check::failed(&format!("cluster/{cluster}"), error.message());
                unreadable.push(check.hint(ASK));
            }
        }
    }
    // An unread Namespace is not proof that it is gone.
    let mut findings = audit::account(&account, &seen);
    findings.retain(|finding| !matches!(finding, Finding::Gone(_)));
    let texts = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let checked = if findings.is_empty() {
        Check::ok("account", format!("it is sound: {}, within the quota", counted(held.len(), "cluster")))
    } else if findings.iter().any(Finding::is_failure) {
        Check::failed("account", texts).hint(ASK)
    } else {
        Check::warning("account", texts).hint("no cluster can grow until enough is released")
    };
    [vec![checked], unreadable, first_boot::of_account(client, &account).await].concat()
}
