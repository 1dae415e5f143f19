//! `export cluster`: prints the input for `create -f` that creates a cluster again.

use clap::Args;
use serde_json::json;

use cmp_core::account::Want;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::resources::STORAGE;

use crate::args::values::name;
use crate::commands::export::print::{ExportOutput, Exported};
use crate::commands::shared::select_clusters::select;
use crate::context::{Context, complete, each_said, once};
use crate::error::CliError;
use crate::output::Selector;
use crate::view::{self, Cluster};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp export cluster web > web.yaml\n  kubectl cmp export cluster --all > mine.yaml"
)]
pub(crate) struct ExportCluster {
    /// The names of the clusters; the contents of their disks are not printed
    #[arg(value_name = "NAME", value_parser = name::<ClusterName>)]
    pub(crate) names: Vec<ClusterName>,
    /// Select all of your clusters
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Select the clusters of all users (administrators)
    #[arg(short = 'A', long, conflicts_with_all = ["names", "owner"])]
    pub(crate) all_namespaces: bool,
    /// With --all or -l: the owner of the clusters (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>, conflicts_with = "names")]
    pub(crate) owner: Option<UserName>,
    /// Selector (label query) to filter on, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR", value_parser = Selector::read, conflicts_with = "names")]
    pub(crate) selector: Option<Selector>,
    #[command(flatten)]
    pub(crate) output: ExportOutput,
}

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
            return Err(CliError::user("no cluster is named").hint("name one or more clusters, or use --all"));
        }
        selected = select(context, all_namespaces, owner.as_ref()).await?;
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
    let objects: Vec<Exported> = there.iter().map(exported).collect();
    output.print(context, &objects)?;
    print_what_is_left_out(context, &there);
    complete(all_found && (gone.is_empty() || named.is_empty()))
}

/// Returns a cluster as an exported object.
pub(super) fn exported(cluster: &Cluster) -> Exported {
    Exported { title: format!("cluster/{}", cluster.name), object: cluster.export() }
}

/// Reports whether the user still wants the cluster, so that it can be created again.
pub(super) fn is_wanted(cluster: &Cluster) -> bool {
    cluster.entry.want.is_some() && cluster.entry.delete.is_none()
}

/// Prints the parts of the clusters that the export does not contain.
pub(super) fn print_what_is_left_out(context: &Context<'_>, clusters: &[Cluster]) {
    let names = |of: &dyn Fn(&&Cluster) -> bool| {
        let names: Vec<&str> = clusters.iter().filter(|cluster| of(cluster)).map(|one| one.name.as_str()).collect();
        Some(names.join(", ")).filter(|names| !names.is_empty())
    };
    let has_disk = |cluster: &&Cluster| {
        let size = cluster.entry.want.as_ref().map(|want| &want.size);
        size.and_then(|size| size.named(STORAGE)).is_some_and(|storage| !storage.is_zero())
    };
    if let Some(names) = names(&has_disk) {
        context.ui.note(&format!("the contents of disks are not exported: {names}"));
    }
    for (flag, of) in [
        ("--cloud-init", (|want| want.cloud_init.is_some()) as fn(&Want) -> bool),
        ("--sysprep", |want| want.sysprep.is_some()),
    ] {
        if let Some(names) = names(&|cluster| cluster.entry.want.as_ref().is_some_and(of)) {
            context
                .ui
                .note(&format!("files of {flag} are not exported; give them again to create cluster -f: {names}"));
        }
    }
    if let Some(names) = names(&|cluster| cluster.instances.iter().any(|instance| instance.paused)) {
        context
            .ui
            .note(&format!("the memory of paused instances is not exported; they are created switched off: {names}"));
    }
}
