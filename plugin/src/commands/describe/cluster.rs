//! `describe cluster`: details of clusters, their instances and their events.

use jiff::Timestamp;

use cmp_core::account::Suspended;
use cmp_core::disk;
use cmp_core::drain;
use cmp_core::first_boot::{CLOUD_INIT, SYSPREP};
use cmp_core::instance::Instance;
use cmp_core::manifest;
use cmp_core::name::{ClusterName, TemplateName};
use cmp_core::ssh_key::title;
use cmp_core::vocabulary::InstanceType;

use crate::commands::shared::describe_lines::{Lines, print};
use crate::commands::shared::schedules;
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::age;
use crate::view;

pub(crate) async fn run(context: &Context<'_>, names: Vec<ClusterName>) -> Result<(), CliError> {
    let client = context.client().await?;
    let now = Timestamp::now();
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &ClusterName| {
        let name = name.clone();
        async move { Ok((context.holder(&name).await?.account, name)) }
    })
    .await?;
    for (at, (account, name)) in found.iter().enumerate() {
        for cluster in view::clusters(&client, account, std::slice::from_ref(name)).await? {
            let mut lines = Lines::new();
            let want = cluster.entry.want.as_ref();
            lines.add("Name", name.as_str());
            lines.add("Namespace", &name.namespace());
            lines.add("Owner", cluster.owner.as_str());
            lines.pairs("Labels", want.map(|want| &want.labels));
            lines.pairs("Annotations", want.map(|want| &want.annotations));
            lines.add("Status", cluster.status());
            lines.add("Reason", &cluster.reason().unwrap_or_default());
            lines.add("Age", &age(cluster.created, now));
            lines.add("Type", &want.map_or_else(String::new, |want| want.kind.to_string()));
            let wanted = want.map_or_else(String::new, |want| format!("{} of {}", want.count, want.size));
            lines.add("Wanted", &wanted);
            let held = cluster.entry.held.as_ref();
            let held = held
                .map_or_else(String::new, |held| format!("{} of {} ({})", held.count, held.size, held.state.as_str()));
            lines.add("Held", &held);
            lines.add("Charge", &cluster.entry.charge().unwrap_or_default().to_string());
            let template =
                want.map(|want| want.template.as_ref().map_or(view::template(want.kind), TemplateName::as_str));
            lines.add("Template", template.unwrap_or_default());
            let image = want.filter(|want| want.image.is_some() || want.template.is_none());
            let image = image.map(|want| want.image.as_deref().unwrap_or(default_image(want.kind)));
            lines.add("Image", image.unwrap_or_default());
            if let (Some(disk), Some(kind)) = (cluster.disk(), cluster.entry.kind()) {
                lines.add("Disk", &disk.to_string());
                if let Some(path) = want.and_then(|want| want.data_disk.as_ref()) {
                    lines.add("Data disk", &format!("mounted at {path}, stays"));
                }
                let releases = account.policy.suspended == Suspended::Release;
                lines.several("Suspension", &disk::modes(kind, disk, Some(releases)));
            }
            if let Some(want) = want.filter(|want| want.kind == InstanceType::Vm) {
                let keys: Vec<String> = want.ssh_keys().map(|key| title(key)).collect();
                lines.add("SSH keys", &keys.join(", "));
                for (name, secret, digest) in
                    [("Cloud-init", CLOUD_INIT, &want.cloud_init), ("Sysprep", SYSPREP, &want.sysprep)]
                {
                    let shown = digest.as_ref().map(|digest| format!("secret/{secret} ({digest})"));
                    lines.add(name, &shown.unwrap_or_default());
                }
            }
            for (name, value) in schedules::lines(&cluster.entry, now) {
                lines.add(name, &value);
            }
            let drained = cluster.instances.iter().filter_map(|one| Some((&one.name, one.disk, one.drain.as_ref()?)));
            lines.several("On drain", &drain::lines(drained));
            let mut rows = vec![["NAME", "STATUS", "NODE", "AGE", "REASON"].map(str::to_owned).to_vec()];
            rows.extend(cluster.instances.iter().map(|instance| row(instance, now)));
            lines.block("Instances", &rows);
            lines.events(view::events(&client, name, |_| true, now).await);
            print(context, at, &lines)?;
        }
    }
    complete(all_found)
}

fn row(instance: &Instance, now: Timestamp) -> Vec<String> {
    let reason = instance.message.as_deref().or(instance.reason.as_deref()).unwrap_or_default();
    vec![
        instance.name.to_string(),
        instance.state.to_string(),
        instance.node.clone().unwrap_or_default(),
        age(instance.created, now),
        reason.to_owned(),
    ]
}

/// Returns the default image of instances that name none.
fn default_image(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::Container => manifest::DEFAULT_IMAGE,
        InstanceType::Vm => cmp_core::kubevirt::DEFAULT_IMAGE,
    }
}
