//! Check of the objects of API Priority and Fairness.

use crate::commands::check::equal::{self, Compared};
use crate::commands::check::installation::{AGAIN, Installation};
use crate::commands::check::report::Check;
use crate::error::CliError;

const CHECK: &str = "flow control";

pub(super) async fn run_check(installation: &Installation) -> Check {
    looked(installation).await.unwrap_or_else(|error| Check::of(CHECK, Err(error)))
}

/// Compares the objects with their manifests. No budget depends on them, so that a difference is a warning.
async fn looked(installation: &Installation) -> Result<Check, CliError> {
    let manifests = &installation.manifests.flow_control;
    let Compared { count, differing } = equal::compare(&installation.client, manifests.iter()).await?;
    Ok(if differing.is_empty() {
        Check::ok(CHECK, format!("{count} flow schemas and priority levels are unchanged"))
    } else {
        Check::warning(CHECK, differing.join("; "))
            .hint("without them, a flood of requests from one user delays the others")
            .hint(AGAIN)
    })
}
