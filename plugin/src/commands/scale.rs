//! `scale cluster`: growing asks the quota first, shrinking gives back last.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, DeleteParams};

use cmp_client::ApiError;
use cmp_client::kubevirt::Machines;
use cmp_core::account::{InstanceType, Want};
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::off::Off;
use cmp_core::progress::Goal;

use super::waiting::{self, Waited};
use crate::cli::{DryRun, ScaleCluster};
use crate::commands::{create_cluster, lifecycle, templates, wants};
use crate::context::Context;
use crate::error::CliError;

pub(crate) async fn run(context: &Context<'_>, args: ScaleCluster) -> Result<(), CliError> {
    let ScaleCluster { name, count, yes, wait, change } = args;
    let accounts = context.accounts().await?;
    let mut stored = context.holder(&name).await?;
    let user = stored.account.user.clone();
    let current = wants::current(&stored, &name)?;
    let scaled = |want: &Want| Want { count, ..want.clone() };
    let dry_run = change.dry.dry_run;
    let client = context.client().await?;
    let mut word = "scaled";
    if count < current.count {
        let goes = lifecycle::above(&client, &name, count).await?;
        let lines: Vec<String> = goes.iter().map(|name| format!("instance/{name}")).collect();
        if dry_run == DryRun::None {
            context.ui.confirm(yes, &lines, "You are about to delete")?;
            // Judged first, so that nothing is deleted for a change that is refused.
            wants::change(&accounts, stored.clone(), &name, DryRun::Server, scaled).await?;
            remove(context, &name, current.kind, goes, wait.timeout).await?;
        }
        stored = wants::change(&accounts, stored, &name, dry_run, scaled).await?;
        if dry_run == DryRun::None {
            context.ui.note("the quota comes back when what was given up is known to be gone (shown as releasing)");
        }
    } else {
        let grows = count > current.count;
        // Before anything is asked for: its template may be gone.
        let template = templates::of(context, &current).await?;
        if grows {
            templates::blueprint(&template, &scaled(&current), None)?;
        }
        stored = wants::change(&accounts, stored, &name, dry_run, scaled).await?;
        if dry_run == DryRun::None {
            let want = wants::current(&stored, &name)?;
            create_cluster::prepared(context.ui, &accounts, &user, &name, &want, wait.timeout).await?;
            let there = create_cluster::indexes(context, &name).await?;
            let blueprint = templates::blueprint(&template, &want, None)?;
            let made =
                create_cluster::make_instances(context, &name, want.count, &blueprint, &there, &Off::default()).await?;
            if !grows && made == 0 {
                word = "unchanged";
            }
            if wait.wait && !want.released {
                create_cluster::running(context, &name, 0..want.count, wait.timeout).await?;
            }
        }
    }
    if dry_run == DryRun::None {
        stored = accounts.get(&user).await?;
    }
    create_cluster::said(context, &stored, &name, word, &change).await
}

/// Deletes instances, and waits until they and their Pods are gone.
async fn remove(
    context: &Context<'_>,
    cluster: &ClusterName,
    kind: InstanceType,
    names: Vec<InstanceName>,
    timeout: Duration,
) -> Result<(), CliError> {
    let client = context.client().await?;
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &cluster.namespace());
    let machines = Machines::of(&client, cluster);
    let removed: Vec<Result<(), ApiError>> = stream::iter(&names)
        .map(|name| {
            let (sets, machines) = (&sets, &machines);
            async move {
                let gone = match kind {
                    // It goes when its Pod has gone.
                    InstanceType::Container => {
                        let foreground = DeleteParams::foreground();
                        sets.delete(&name.to_string(), &foreground).await.map(|_| ()).map_err(ApiError::from)
                    }
                    InstanceType::Vm => machines.delete(name).await,
                };
                gone.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
            }
        })
        .buffer_unordered(32)
        .collect()
        .await;
    removed.into_iter().collect::<Result<(), ApiError>>()?;
    let waited = Waited { cluster: cluster.clone(), names, goal: Goal::Gone };
    let tallies = waiting::until(context, &[waited], timeout).await?;
    let late = tallies.iter().find_map(|tally| tally.late.first());
    late.map_or(Ok(()), |late| Err(waiting::late(late, Goal::Gone, timeout)))
}
