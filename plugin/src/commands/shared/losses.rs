//! Warnings before a verb discards ephemeral root disks: one question for the whole command.

use std::collections::BTreeMap;

use kube::Client;

use cmp_client::instances;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::lifecycle::switches_off;
use cmp_core::plan::loss;
use cmp_core::vocabulary::{InstanceType, Mode, Verb};

use crate::args::DryRun;
use crate::context::Context;
use crate::error::CliError;
use crate::view;

/// The types of clusters, as far as they are known.
pub(crate) type Kinds = BTreeMap<ClusterName, Option<InstanceType>>;

/// Warns about the root disks of clusters that a verb discards, and asks. Returns the types of the clusters that it
/// looked up.
pub(crate) async fn of_clusters(
    context: &Context<'_>,
    client: &Client,
    (verb, mode): (Verb, Option<Mode>),
    names: &[ClusterName],
    (yes, dry_run): (bool, DryRun),
) -> Result<Kinds, CliError> {
    let (mut kinds, mut warnings) = (Kinds::new(), Vec::new());
    for name in names.iter().filter(|_| switches_off(verb)) {
        // The verb itself reports a cluster that cannot be looked up.
        let Ok(kind) = context.kind(name).await else { continue };
        kinds.insert(name.clone(), kind);
        if kind == Some(InstanceType::Vm) {
            warnings.extend(loss::of_verb(verb, mode, &view::instances(client, name, kind).await?));
        }
    }
    confirm(context, &warnings, yes, dry_run)?;
    Ok(kinds)
}

/// Warns about the root disks of named instances that a verb discards, and asks.
pub(crate) async fn of_instances(
    context: &Context<'_>,
    client: &Client,
    (verb, mode): (Verb, Option<Mode>),
    named: &[(InstanceName, Option<InstanceType>)],
    (yes, dry_run): (bool, DryRun),
) -> Result<(), CliError> {
    let mut found = BTreeMap::<&ClusterName, Vec<_>>::new();
    for (name, kind) in named.iter().filter(|(_, kind)| switches_off(verb) && *kind == Some(InstanceType::Vm)) {
        if let (Some(kind), entry) = (*kind, found.entry(&name.cluster).or_default()) {
            entry.extend(instances::get(client, name, kind).await?);
        }
    }
    let warnings: Vec<String> = found.values().filter_map(|found| loss::of_verb(verb, mode, found)).collect();
    confirm(context, &warnings, yes, dry_run)
}

/// Prints the warnings, and asks unless nothing is changed.
pub(crate) fn confirm(context: &Context<'_>, warnings: &[String], yes: bool, dry_run: DryRun) -> Result<(), CliError> {
    context.ui.warn_and_confirm(yes || dry_run != DryRun::None, warnings)
}
