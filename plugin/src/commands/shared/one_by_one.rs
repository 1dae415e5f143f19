//! The wait for one of the instances that are restarted one after another.

use std::time::Duration;

use tokio::time::Instant;

use cmp_core::name::InstanceName;

use crate::error::CliError;

const PAUSE: Duration = Duration::from_millis(200);

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
        .hint(format!("`kubectl cmp describe instance {name}` says why"))
}
