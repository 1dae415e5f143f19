//! `scale cluster`: growing asks the quota first, shrinking gives back last.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams};
use tokio::time::Instant;

use cmp_client::ApiError;
use cmp_client::kubevirt::Machines;
use cmp_core::account::{InstanceType, Want};
use cmp_core::name::InstanceName;

use crate::cli::{DryRun, ScaleCluster};
use crate::commands::{create_cluster, lifecycle, wants};
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
            remove(&client, current.kind, &goes, wait.timeout).await?;
        }
        stored = wants::change(&accounts, stored, &name, dry_run, scaled).await?;
        if dry_run == DryRun::None {
            context.ui.note("the quota comes back when what was given up is known to be gone (shown as releasing)");
        }
    } else {
        let grows = count > current.count;
        stored = wants::change(&accounts, stored, &name, dry_run, scaled).await?;
        if dry_run == DryRun::None {
            let want = wants::current(&stored, &name)?;
            create_cluster::prepared(&accounts, &user, &name, &want, wait.timeout).await?;
            let made = create_cluster::make_instances(context, &name, &want).await?;
            if !grows && made == 0 {
                word = "unchanged";
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
    client: &kube::Client,
    kind: InstanceType,
    names: &[InstanceName],
    timeout: Duration,
) -> Result<(), CliError> {
    let deadline = Instant::now() + timeout;
    let removed: Vec<Result<(), CliError>> = stream::iter(names)
        .map(|name| async move {
            let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &name.cluster.namespace());
            let pods: Api<Pod> = Api::namespaced(client.clone(), &name.cluster.namespace());
            let machines = Machines::of(client, &name.cluster);
            let gone = match kind {
                InstanceType::Container => {
                    let foreground = DeleteParams::foreground();
                    sets.delete(&name.to_string(), &foreground).await.map(|_| ()).map_err(ApiError::from)
                }
                InstanceType::Vm => machines.delete(name).await,
            };
            match gone {
                Err(error) if !error.is_not_found() => return Err(error.into()),
                _ => {}
            }
            loop {
                let gone = match kind {
                    InstanceType::Container => {
                        let (set, pod) = (name.to_string(), format!("{name}-0"));
                        let (set, pod) = futures::try_join!(sets.get_opt(&set), pods.get_opt(&pod))?;
                        set.is_none() && pod.is_none()
                    }
                    InstanceType::Vm => machines.get(name).await?.is_none(),
                };
                if gone {
                    return Ok(());
                }
                if Instant::now() > deadline {
                    let what = format!("instance {name} to be gone");
                    return Err(ApiError::TimedOut { what, seconds: timeout.as_secs() }.into());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        })
        .buffer_unordered(32)
        .collect()
        .await;
    removed.into_iter().collect()
}
