//! VMs: KubeVirt applies a new size when the guest starts again. The restart is a separate call.

use std::time::Duration;

use cmp_client::kubevirt::Machines;
use cmp_client::resize::{self, Failure};
use cmp_core::account::Want;
use cmp_core::kubevirt::{self, VirtualMachineInstance};
use cmp_core::name::InstanceName;

use super::one_by_one::{ResizeOutcome, paused_ones, restarted};
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
    // Read the guest before the change as well. KubeVirt may begin to change the guest as soon as the VM is changed,
    // but never changes all of it. A guest that was created meanwhile may have the old size.
    let before = machines.instance(name).await?;
    let changed = resize::machine(&machines, name, want, MANAGER).await.map_err(|failure| match failure {
        Failure::Paused => paused_ones(&name.cluster, &[name]),
        Failure::Api(error) => error.into(),
        failure @ Failure::Template { .. } => CliError::user(failure.to_string()),
    })?;
    let guest = machines.instance(name).await?.filter(|guest| !guest.ended());
    let other = |guest: &VirtualMachineInstance| !kubevirt::is_of_size(&guest.spec, want);
    let old = guest.filter(|guest| {
        let same = |before: &&VirtualMachineInstance| before.metadata.uid == guest.metadata.uid;
        other(guest) || before.as_ref().filter(same).is_some_and(other)
    });
    let Some(old) = old else {
        return Ok(if changed { ResizeOutcome::Changed } else { ResizeOutcome::Unchanged });
    };
    machines.restart(name).await?;
    let old = old.metadata.uid.as_deref();
    restarted(name, timeout, async || runs(&machines, name, want, old).await).await?;
    Ok(ResizeOutcome::Restarted)
}

/// Reports whether another guest than the old one runs with the new size. A VM that was switched off meanwhile counts
/// as well: it takes that size when it is switched on.
async fn runs(machines: &Machines, name: &InstanceName, want: &Want, old: Option<&str>) -> Result<bool, CliError> {
    let (vm, guest) = futures::try_join!(machines.get(name), machines.instance(name))?;
    let runs = guest.as_ref().is_some_and(|guest| {
        guest.metadata.uid.as_deref() != old && guest.runs() && kubevirt::is_of_size(&guest.spec, want)
    });
    let off = guest.is_none() && vm.is_none_or(|vm| !vm.is_on());
    Ok(runs || off)
}
