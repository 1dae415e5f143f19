//! The change of one instance: its outcome, and the wait for its restart.

use std::time::Duration;

use tokio::time::Instant;

use cmp_core::name::InstanceName;

use crate::error::CliError;

const PAUSE: Duration = Duration::from_millis(200);

/// The outcome for one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResizeOutcome {
    /// The instance has that size already.
    Unchanged,
    /// The instance takes the new size when it is switched on.
    Changed,
    /// The instance runs with the new size.
    Restarted,
}

/// Waits until an instance has the wanted state after its restart.
pub(crate) async fn restarted(
    name: &InstanceName,
    timeout: Duration,
    is: impl AsyncFn() -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let deadline = Instant::now() + timeout;
    while !is().await? {
        if Instant::now() > deadline {
            return Err(late(name, timeout));
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Builds the error for an instance that does not run again in time.
fn late(name: &InstanceName, timeout: Duration) -> CliError {
    CliError::user(format!("{name} does not run after {} s", timeout.as_secs()))
        .hint(format!("kubectl cmp describe instance {name} says why"))
        .hint("the others were not touched; the same command goes on where this one ended")
}
