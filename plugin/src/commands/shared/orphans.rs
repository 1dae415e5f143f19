//! Pods and VirtualMachineInstances whose StatefulSet or VirtualMachine was deleted with `--cascade=orphan`.

use kube::Client;

use cmp_client::ApiError;
use cmp_client::instances::delete_orphan;
use cmp_core::instance::Orphan;
use cmp_core::vocabulary::InstanceType;

use crate::args::{DryRun, suffix};
use crate::context::Context;
use crate::error::CliError;

/// Deletes one orphan, with a hint on refusal.
pub(crate) async fn delete(client: &Client, orphan: &Orphan) -> Result<(), CliError> {
    delete_orphan(client, orphan).await.map_err(|error| refused(error, orphan))
}

/// Adds a hint to a refusal. Users may delete their own Pods, but no VirtualMachineInstances.
fn refused(error: ApiError, orphan: &Orphan) -> CliError {
    let namespace = orphan.shown.name.cluster.namespace();
    let by_hand = format!("ask an administrator to run: kubectl delete {} -n {namespace}", title(orphan));
    let forbidden = error.is_forbidden() && orphan.shown.kind == InstanceType::Vm;
    let error = CliError::from(error).about(orphan.shown.message.as_deref().unwrap_or_default());
    if forbidden { error.hint(by_hand) } else { error }
}

fn title(orphan: &Orphan) -> String {
    let kind = match orphan.shown.kind {
        InstanceType::Container => "pod",
        InstanceType::Vm => "virtualmachineinstance",
    };
    format!("{kind}/{}", orphan.object)
}

/// Deletes one orphan, and prints that.
pub(crate) async fn delete_and_print(
    context: &Context<'_>,
    client: &Client,
    orphan: &Orphan,
    dry_run: DryRun,
) -> Result<(), CliError> {
    if dry_run == DryRun::None {
        delete(client, orphan).await?;
    }
    let owner = match orphan.shown.kind {
        InstanceType::Container => "StatefulSet",
        InstanceType::Vm => "VirtualMachine",
    };
    let name = &orphan.shown.name;
    context.ui.note(&format!("{} deleted{}: the {owner} {name} is gone", title(orphan), suffix(dry_run)));
    Ok(())
}
