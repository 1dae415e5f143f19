//! Namespaces of clusters, deleted without cmp-webhook by `delete user --cascade` and `uninstall --purge`.

use kube::Client;
use tokio::time::Instant;

use cmp_client::namespaces::{self, Left, Of};

use crate::error::CliError;

/// Deletes Namespaces, including new ones, and waits until they are gone. Returns the errors of those that are left at
/// the deadline.
pub(crate) async fn all_gone(client: &Client, of: Of<'_>, deadline: Instant) -> Result<Vec<CliError>, CliError> {
    let left = namespaces::all_gone(client, of, deadline).await?;
    Ok(left.into_iter().map(error).collect())
}

/// Returns the error for a Namespace that is not gone.
fn error(left: Left) -> CliError {
    match left {
        Left::Refused { name, error } => CliError::from(error).about(&format!("namespace/{name}")),
        Left::Going { name, why } => {
            let why = why.unwrap_or_else(|| "kube-controller-manager has not reported a reason".to_owned());
            CliError::user(format!("namespace/{name} still exists: {why}"))
        }
    }
}
