//! `describe`: details of an object, with its events.

use std::borrow::Cow;

use jiff::Timestamp;

use cmp_core::account::Account;
use cmp_core::instance::{Instance, columns};
use cmp_core::name::{ClusterName, InstanceName, TemplateName, UserName};
use cmp_core::resources::Resources;
use cmp_core::verdict::available;

use crate::commands::create_cluster::default_image;
use crate::commands::schedules;
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::{age, table};
use crate::ui::escape;
use crate::view;

/// Lines of `Name: value`, aligned.
pub(super) struct Lines(String);

impl Lines {
    pub(super) fn new() -> Self {
        Self(String::new())
    }

    pub(super) fn add(&mut self, name: &str, value: &str) {
        let value = if value.is_empty() { Cow::Borrowed("<none>") } else { escape::line(value) };
        self.0.push_str(&format!("{:<14} {value}\n", format!("{name}:")));
    }

    /// Adds a text of several lines.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.0.push_str(&format!("{name}:\n"));
        text.lines().for_each(|line| self.0.push_str(&format!("  {}\n", escape::line(line))));
    }

    fn block(&mut self, name: &str, rows: &[Vec<String>]) {
        if rows.len() < 2 {
            return self.add(name, "");
        }
        self.0.push_str(&format!("{name}:\n"));
        for line in table(rows).lines() {
            self.0.push_str(&format!("  {line}\n"));
        }
    }

    fn events(&mut self, mut rows: Vec<Vec<String>>) {
        rows.insert(0, ["TYPE", "REASON", "AGE", "FROM", "MESSAGE"].map(str::to_owned).to_vec());
        self.block("Events", &rows);
    }
}

pub(crate) async fn clusters(context: &Context<'_>, names: Vec<ClusterName>) -> Result<(), CliError> {
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
            for (name, value) in schedules::lines(&cluster.entry, now) {
                lines.add(name, &value);
            }
            let mut rows = vec![["NAME", "STATUS", "NODE", "AGE", "REASON"].map(str::to_owned).to_vec()];
            rows.extend(cluster.instances.iter().map(|instance| row(instance, now)));
            lines.block("Instances", &rows);
            lines.events(view::events(&client, &name.namespace(), |_| true, now).await);
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

pub(super) fn print(context: &Context<'_>, at: usize, lines: &Lines) -> Result<(), CliError> {
    if at > 0 {
        context.ui.line("")?;
    }
    context.ui.out(&lines.0)
}

pub(crate) async fn instances(context: &Context<'_>, names: Vec<InstanceName>) -> Result<(), CliError> {
    let client = context.client().await?;
    let now = Timestamp::now();
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &InstanceName| {
        let (client, name) = (client.clone(), name.clone());
        async move {
            context.check_namespace(&name.cluster)?;
            let all = view::instances(&client, &name.cluster).await?;
            let found = all.into_iter().find(|instance| instance.name == name);
            found.ok_or_else(|| CliError::not_found("instance", &name.to_string()))
        }
    })
    .await?;
    for (at, instance) in found.iter().enumerate() {
        let name = &instance.name;
        let mut lines = Lines::new();
        let [cpu, memory] = columns(&instance.size);
        lines.add("Name", &name.to_string());
        lines.add("Cluster", name.cluster.as_str());
        lines.add("Type", instance.kind.as_str());
        lines.add("Status", instance.state.as_str());
        lines.add("Reason", instance.reason.as_deref().unwrap_or_default());
        lines.add("Message", instance.message.as_deref().unwrap_or_default());
        lines.add("Age", &age(instance.created, now));
        lines.add("CPU", &cpu);
        lines.add("Memory", &memory);
        lines.add("Image", instance.image.as_deref().unwrap_or_default());
        lines.add("Node", instance.node.as_deref().unwrap_or_default());
        lines.add("IP", instance.ip.as_deref().unwrap_or_default());
        lines.add("Restarts", &instance.restarts.to_string());
        if let Some(suspension) = &instance.suspension {
            lines.add("Suspended by", &suspension.by);
            lines.add("Suspended", &format!("{} ago", age(Some(suspension.at), now)));
            lines.add("Because", suspension.reason.as_deref().unwrap_or_default());
        }
        let (set, pod) = (name.to_string(), format!("{name}-0"));
        lines.events(view::events(&client, &name.cluster.namespace(), |of| of == set || of == pod, now).await);
        print(context, at, &lines)?;
    }
    complete(all_found)
}

pub(crate) async fn users(context: &Context<'_>, names: Vec<UserName>) -> Result<(), CliError> {
    let now = Timestamp::now();
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &UserName| {
        let name = name.clone();
        async move { context.account(&name).await }
    })
    .await?;
    for (at, stored) in found.iter().enumerate() {
        let name = &stored.account.user;
        let account = &stored.account;
        let mut lines = Lines::new();
        lines.add("Name", name.as_str());
        lines.add("Username", &name.username());
        lines.add("Age", &age(stored.created, now));
        lines.add("Settled", if account.is_settled() { "yes" } else { "no: nothing can be created or grown yet" });
        if super::users::allows_nothing(&account.policy) {
            lines.add("Deletion", &format!("begun: `kubectl cmp delete user {name} --cascade` ends it"));
        }
        let (clusters, instances) = account.counts();
        lines.add("Clusters", &format!("{clusters} of {}", account.policy.clusters));
        lines.add("Instances", &format!("{instances} of {}", account.policy.instances));
        lines.block("Quota", &quota_rows(account));
        let mut rows = vec![["NAME", "WANTED", "HELD", "CHARGE"].map(str::to_owned).to_vec()];
        for (cluster, entry) in account.existing() {
            let wanted =
                entry.want.as_ref().map_or_else(String::new, |want| format!("{} of {}", want.count, want.size));
            let held = entry
                .held
                .as_ref()
                .map_or_else(String::new, |held| format!("{} of {} ({})", held.count, held.size, held.state.as_str()));
            rows.push(vec![cluster.to_string(), wanted, held, entry.charge().unwrap_or_default().to_string()]);
        }
        lines.block("Holds", &rows);
        print(context, at, &lines)?;
    }
    complete(all_found)
}

/// Returns one row for each resource: name, used, available, total.
pub(super) fn quota_rows(account: &Account) -> Vec<Vec<String>> {
    let mut rows = vec![["RESOURCE", "USED", "AVAILABLE", "TOTAL"].map(str::to_owned).to_vec()];
    let (used, left): (Resources, Resources) =
        (account.charge().unwrap_or_default(), available(account).unwrap_or_default());
    for (name, total) in account.quota.iter() {
        rows.push(vec![name.to_string(), used.get(name).to_string(), left.get(name).to_string(), total.to_string()]);
    }
    rows
}
