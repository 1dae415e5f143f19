//! VMs: KubeVirt applies a new size when the guest starts again. The restart is a separate call.

use std::time::Duration;

use cmp_client::kubevirt::Machines;
use cmp_client::resize::{self, Failure};
use cmp_core::account::Want;
use cmp_core::name::InstanceName;
use cmp_core::plan::resize as plan;

use super::one_by_one::{OTHERS, ResizeOutcome};
use crate::commands::shared::one_by_one::restarted;
use crate::context::{Context, MANAGER};
use crate::error::CliError;

/// Changes one VM. If its guest runs, waits until a guest with the new size runs.
pub(super) async fn resize(
    context: &Context<'_>,
    name: &InstanceName,
    want: &Want,
    timeout: Duration,
) -> Result<ResizeOutcome, CliError> {
    let machines = Machines::of(&context.client().await?, &name.cluster);
    // The plan needs the guest before the change as well.
    let before = machines.instance(name).await?;
    let changed = resize::machine(&machines, name, want, MANAGER, context.patience()).await;
    let changed = changed.map_err(|failure| match failure {
        Failure::Paused => plan::are_paused(&name.cluster, &[name]).into(),
        Failure::Api(error) => error.into(),
        failure @ Failure::Template { .. } => CliError::user(failure.to_string()),
    })?;
    let guest = machines.instance(name).await?;
    let old = plan::old_guest(before.as_ref(), guest.as_ref(), want);
    let Some(old) = old else {
        return Ok(if changed { ResizeOutcome::Changed } else { ResizeOutcome::Unchanged });
    };
    machines.restart(name).await?;
    let old = old.metadata.uid.as_deref();
    restarted(name, timeout, async || runs(&machines, name, want, old).await)
        .await
        .map_err(|late| late.hint(OTHERS))?;
    Ok(ResizeOutcome::Restarted)
}

/// Reports whether the VM has its new size.
async fn runs(machines: &Machines, name: &InstanceName, want: &Want, old: Option<&str>) -> Result<bool, CliError> {
    let (vm, guest) = futures::try_join!(machines.get(name), machines.instance(name))?;
    Ok(plan::guest_runs(vm.as_ref(), guest.as_ref(), old, want))
}
