//! Check whether the mirror records, if there is one.

use cmp_client::error::if_there;
use cmp_client::installation::{claim_phase, deployment};
use cmp_core::keys;

use crate::commands::check::installation::Installation;
use crate::commands::check::report::Check;
use crate::error::CliError;

pub(super) async fn run_checks(installation: &Installation) -> Option<Check> {
    if !installation.mirror {
        return None;
    }
    Some(looked(installation).await.unwrap_or_else(|error| Check::of("mirror", Err(error))))
}

/// Checks the mirror. No other component depends on it, so that every problem is a warning.
async fn looked(installation: &Installation) -> Result<Check, CliError> {
    let client = &installation.client;
    let warning =
        |what: String| Check::warning("mirror", format!("{what}: reports will lack the changes of this time"));
    match claim_phase(client).await?.as_deref() {
        Some("Bound") => {}
        Some(phase) => {
            return Ok(warning(format!("persistentvolumeclaim/{} is {phase}", keys::MIRROR))
                .hint("kubectl describe persistentvolumeclaim -n cmp-system cmp-mirror"));
        }
        None => {
            return Ok(warning(format!("persistentvolumeclaim/{} is missing", keys::MIRROR))
                .hint("`kubectl cmp install --mirror` creates another one"));
        }
    }
    let deployment = if_there(deployment(client, keys::MIRROR).await)?;
    Ok(if deployment.is_some_and(|deployment| deployment.available > 0) {
        Check::ok("mirror", "it observes and records")
    } else {
        warning("it does not observe".to_owned())
            .hint("kubectl describe pods -n cmp-system -l app.kubernetes.io/name=cmp-mirror")
    })
}
