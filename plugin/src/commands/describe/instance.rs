//! `describe instance`: details of instances and their events.

use jiff::Timestamp;

use cmp_client::events::guest_ends;
use cmp_client::guest::guest;
use cmp_client::kubevirt::Machines;
use cmp_core::disk;
use cmp_core::instance::columns;
use cmp_core::name::InstanceName;
use cmp_core::plan::killed;
use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;
use kube::Client;

use crate::commands::shared::describe_lines::{Lines, print};
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::age;
use crate::view;

pub(crate) async fn run(context: &Context<'_>, names: Vec<InstanceName>) -> Result<(), CliError> {
    let client = context.client().await?;
    let now = Timestamp::now();
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &InstanceName| {
        let (client, name) = (client.clone(), name.clone());
        async move {
            context.check_namespace(&name.cluster)?;
            let all = view::instances(&client, &name.cluster, context.kind(&name.cluster).await?).await?;
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
        lines.add("Disk", &instance.disk.to_string());
        lines.several("Suspension", &disk::modes(instance.kind, instance.disk, None));
        lines.add("Node", instance.node.as_deref().unwrap_or_default());
        if let Some(drain) = &instance.drain {
            lines.add("On drain", &drain.sentence(instance.disk));
        }
        lines.add("IP", instance.ip.as_deref().unwrap_or_default());
        lines.add("Restarts", &instance.restarts.to_string());
        if let Some(suspension) = &instance.suspension {
            lines.add("Suspended by", &suspension.by);
            lines.add("Suspended", &format!("{} ago", age(Some(suspension.at), now)));
            lines.add("Because", suspension.reason.as_deref().unwrap_or_default());
        }
        if instance.kind == InstanceType::Vm && instance.state == State::Running {
            add_guest(&client, name, &mut lines).await?;
        }
        if instance.kind == InstanceType::Vm {
            // The rest is shown to a caller who may not read Events.
            let ends = guest_ends(&client, &name.cluster).await.unwrap_or_default();
            if let Some(end) = killed::last(name, &ends) {
                lines.add("Last stop", &format!("{} ago: {}", age(end.at, now), end.word()));
            }
        }
        let (set, pod) = (name.to_string(), format!("{name}-0"));
        lines.events(view::events(&client, &name.cluster, |of| of == set || of == pod, now).await);
        print(context, at, &lines)?;
    }
    complete(all_found)
}

/// Adds the addresses of a guest, and the answers of its agent if there is one.
async fn add_guest(client: &Client, name: &InstanceName, lines: &mut Lines) -> Result<(), CliError> {
    let Some(machine) = Machines::of(client, &name.cluster).instance(name).await? else { return Ok(()) };
    lines.add("Addresses", &machine.addresses().join(", "));
    let agent = if machine.has_agent() { guest(client, name).await } else { Ok(None) };
    let guest = match agent {
        Ok(Some(guest)) => guest,
        Ok(None) => {
            lines.add("Guest agent", "not connected");
            return Ok(());
        }
        // An agent that cannot be asked hides nothing else of the instance.
        Err(error) => {
            lines.add("Guest agent", &format!("cannot be asked: {error}"));
            return Ok(());
        }
    };
    lines.add("Guest agent", "connected");
    lines.add("Hostname", &guest.hostname);
    lines.add("System", &guest.system());
    lines.add("Time zone", &guest.timezone);
    lines.add("Users", &guest.users());
    lines.block("Filesystems", &guest.filesystems());
    Ok(())
}
