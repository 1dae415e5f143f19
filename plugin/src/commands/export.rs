//! `export cluster`: prints the input for `create -f` that creates a cluster again.

use serde_json::{Value, json};

use cmp_core::keys;
use cmp_core::name::ClusterName;
use cmp_core::resources::STORAGE;

use super::get;
use crate::cli::{ExportCluster, Written};
use crate::context::{Context, complete, each_said, once};
use crate::error::CliError;
use crate::output::{Format, print_object};
use crate::view::{self, Cluster};

pub(crate) async fn run(context: &Context<'_>, args: ExportCluster) -> Result<(), CliError> {
    let ExportCluster { names, all, all_namespaces, owner, selector, output } = args;
    let client = context.client().await?;
    let named = match context.cluster_of_namespace()? {
        Some(cluster) if names.is_empty() && !all && !all_namespaces && selector.is_none() => vec![cluster],
        _ => once(names),
    };
    let mut selected = Vec::new();
    let all_found = each_said(context, &named, &mut selected, |name: &ClusterName| {
        let name = name.clone();
        async move { Ok((context.holder(&name).await?, vec![name])) }
    })
    .await?;
    if named.is_empty() {
        if !all && !all_namespaces && selector.is_none() {
            return Err(CliError::user("no cluster is named").hint("name one or more, or use --all"));
        }
        selected = get::select(context, all_namespaces, owner.as_ref()).await?;
    }
    let mut clusters = Vec::new();
    for (stored, names) in &selected {
        clusters.extend(view::clusters(&client, &stored.account, names).await?);
    }
    if let Some(selector) = &selector {
        clusters.retain(|cluster| selector.matches(&json!(cluster.labels)));
    }
    let (there, gone): (Vec<Cluster>, Vec<Cluster>) = clusters.into_iter().partition(is_wanted);
    for cluster in &gone {
        context.ui.note(&format!("cluster/{} left out: it is {}", cluster.name, cluster.status()));
    }
    if there.is_empty() {
        if all_found && gone.is_empty() {
            context.ui.note("No resources found.");
        }
        return complete(all_found && (gone.is_empty() || named.is_empty()));
    }
    print(context, &there, output)?;
    said_of(context, &there);
    complete(all_found && (gone.is_empty() || named.is_empty()))
}

/// Reports whether the user still wants the cluster, so that it can be created again.
fn is_wanted(cluster: &Cluster) -> bool {
    cluster.entry.want.is_some() && cluster.entry.delete.is_none()
}

/// Prints several clusters as one YAML document each, or as a JSON list.
fn print(context: &Context<'_>, clusters: &[Cluster], output: Written) -> Result<(), CliError> {
    let mut objects: Vec<Value> = clusters.iter().map(Cluster::export).collect();
    match output {
        Written::Json if objects.len() == 1 => print_object(context.ui, &Format::Json, &objects.swap_remove(0)),
        Written::Json => {
            let list = json!({ "apiVersion": keys::API_VERSION, "kind": "List", "items": objects });
            print_object(context.ui, &Format::Json, &list)
        }
        Written::Yaml => {
            for (at, object) in objects.iter().enumerate() {
                if at > 0 {
                    context.ui.line("---")?;
                }
                print_object(context.ui, &Format::Yaml, object)?;
            }
            Ok(())
        }
    }
}

/// Prints the parts of the clusters that the export does not contain.
fn said_of(context: &Context<'_>, clusters: &[Cluster]) {
    let names = |of: &dyn Fn(&&Cluster) -> bool| {
        let names: Vec<&str> = clusters.iter().filter(|cluster| of(cluster)).map(|one| one.name.as_str()).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    let has_disk = |cluster: &&Cluster| {
        let size = cluster.entry.want.as_ref().map(|want| &want.size);
        size.and_then(|size| size.named(STORAGE)).is_some_and(|storage| !storage.is_zero())
    };
    if let Some(names) = names(&has_disk) {
        context.ui.note(&format!("what is on disks is not in it: {names}"));
    }
    if let Some(names) = names(&|cluster| cluster.instances.iter().any(|instance| instance.paused)) {
        context.ui.note(&format!("the memory of what is paused is not in it; it is created switched off: {names}"));
    }
}
