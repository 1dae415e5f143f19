//! `resize cluster`: what grows is asked for first, running instances are restarted one after another, and what shrinks
//! is given back last.

use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, PostParams};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_core::account::{InstanceType, Want};
use cmp_core::instance::{Rule, footprint};
use cmp_core::manifest;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::resources::{CPU, MEMORY, Resources, STORAGE};

use super::{create_cluster, wants};
use crate::cli::{DryRun, ResizeCluster, with_more};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::ui::Progress;

const PAUSE: Duration = Duration::from_millis(200);
/// For how long a refusal is tried again that comes from an API server which has not seen yet that the cluster grew.
const CATCH_UP: Duration = Duration::from_secs(15);

pub(crate) async fn run(context: &Context<'_>, args: ResizeCluster) -> Result<(), CliError> {
    let ResizeCluster { name, cpu, memory, resource, timeout, change } = args;
    if cpu.is_none() && memory.is_none() && resource.is_empty() {
        return Err(CliError::user("nothing to change").hint("say what with --cpu, --memory or --resource"));
    }
    let accounts = context.accounts().await?;
    let mut stored = context.holder(&name).await?;
    let user = stored.account.user.clone();
    let current = wants::current(&stored, &name)?;
    if current.kind == InstanceType::Vm {
        return Err(CliError::user(format!("cluster {name} is of VMs, whose size is fixed"))
            .hint("make another one of the size you want, and delete this one"));
    }
    let mut size = current.size.clone();
    for (resource, amount) in [(CPU, cpu), (MEMORY, memory)] {
        if let Some(amount) = amount {
            size.set(resource.parse().map_err(|_| CliError::internal(resource))?, amount);
        }
    }
    let size = with_more(size, resource)?;
    if current.disk.is_some() && size.named(STORAGE) != current.size.named(STORAGE) {
        return Err(CliError::user(format!("--resource storage: the disks of cluster {name} keep their size"))
            .hint("make another cluster with the disks you want, and delete this one"));
    }
    let resized = |want: &Want| Want { size: size.clone(), ..want.clone() };
    let dry_run = change.dry.dry_run;
    if dry_run != DryRun::None {
        // What is charged is the larger of both in any case, so that it is judged as it would be.
        let stored = wants::change(&accounts, stored, &name, dry_run, resized).await?;
        return create_cluster::said(context, &stored, &name, "resized", &change).await;
    }
    let both = |want: &Want| Want { size: want.size.max(&size), ..want.clone() };
    stored = wants::change(&accounts, stored, &name, dry_run, both).await?;
    let want = wants::current(&stored, &name)?;
    create_cluster::prepared(context.ui, &accounts, &user, &name, &want, timeout).await?;
    let changed = instances(context, &name, &resized(&want), timeout).await?;
    stored = wants::change(&accounts, accounts.get(&user).await?, &name, dry_run, resized).await?;
    if !current.size.fits(&size) {
        context.ui.note("the quota comes back when what was given up is known to be gone (shown as releasing)");
    }
    let word = if changed || current.size != size { "resized" } else { "unchanged" };
    create_cluster::said(context, &stored, &name, word, &change).await
}

/// Changes all instances that have another size, one after another: of those that run, all but one always do. Says
/// whether there was one.
async fn instances(
    context: &Context<'_>,
    cluster: &ClusterName,
    want: &Want,
    timeout: Duration,
) -> Result<bool, CliError> {
    let sets: Api<StatefulSet> = Api::namespaced(context.client().await?, &cluster.namespace());
    let mut names: Vec<InstanceName> = sets
        .list(&ListParams::default())
        .await?
        .items
        .iter()
        .filter_map(|set| set.name_any().parse::<InstanceName>().ok())
        .filter(|name| name.cluster == *cluster)
        .collect();
    names.sort();
    let mut changed = false;
    let mut progress = Progress::new(context.ui);
    for (at, name) in names.iter().enumerate() {
        progress.passing(&format!("{cluster}: {at}/{} resized, {name} restarts", names.len()));
        if let Some(on) = instance(&sets, name, want).await? {
            changed = true;
            if on {
                restarted(context, name, &want.size, timeout).await?;
                context.ui.note(&format!("instance/{name} resized"));
            }
        }
    }
    Ok(changed)
}

/// Changes one instance; says whether it is on, or nothing if there was nothing to change.
async fn instance(sets: &Api<StatefulSet>, name: &InstanceName, want: &Want) -> Result<Option<bool>, CliError> {
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let Some(set) = sets.get_opt(&name.to_string()).await? else { return Ok(None) };
        let other = manifest::resized(&set, &want.size).map_err(|why| {
            CliError::user(format!("instance {name}: {why}")).hint("set the resources of its containers by kubectl")
        })?;
        let Some(other) = other else { return Ok(None) };
        let on = other.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) > 0;
        match sets.replace(&name.to_string(), &params, &other).await.map_err(ApiError::from) {
            Ok(_) => return Ok(Some(on)),
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_forbidden() && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until an instance runs with its new size.
async fn restarted(
    context: &Context<'_>,
    name: &InstanceName,
    size: &Resources,
    timeout: Duration,
) -> Result<(), CliError> {
    let pods: Api<Pod> = Api::namespaced(context.client().await?, &name.cluster.namespace());
    let deadline = Instant::now() + timeout;
    loop {
        let pod = pods.get_opt(&format!("{name}-0")).await?;
        let runs = pod.is_some_and(|pod| {
            let resized = pod.spec.as_ref().is_some_and(|spec| footprint(spec, Rule::Limits).as_ref() == Some(size));
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            resized && phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
        });
        if runs {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(CliError::user(format!("{name} does not run after {} s", timeout.as_secs()))
                .hint(format!("kubectl cmp describe instance {name} says why"))
                .hint("the others were not touched; the same command goes on where this one ended"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
