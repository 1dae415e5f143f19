//! The lines by which `--dry-run=client` prints a plan: one for each step that changes something or waits.

use crate::account::Account;
use crate::first_boot;
use crate::keys::{PRICES, TEMPLATES_NAMESPACE, USERS_NAMESPACE};
use crate::name::{ClusterName, InstanceName, SnapshotName, TemplateName, UserName, ranges};
use crate::plan::create_user;
use crate::plan::refusal::Refusal;
use crate::plan::write::Write;
use crate::plan::{create, resize, scale, snapshot as snapshots, token, user};
use crate::prices::change::Change;
use crate::snapshot::part_name;
use crate::vocabulary::{DryRun, InstanceType, Verb};

/// Returns the lines about the write of an account: one for each key.
pub fn write(write: &Write) -> Vec<String> {
    let configmap = format!("configmap/{} in namespace {USERS_NAMESPACE}", write.account.user);
    let line = |(key, value): (&str, Option<&str>)| match value {
        Some(value) => format!("set {key} of {configmap} to {value}"),
        None => format!("remove {key} from {configmap}"),
    };
    write.change.entries().map(line).collect()
}

/// Returns the lines about `create cluster`.
pub fn create(plan: &create::Plan) -> Vec<String> {
    let steps = plan.steps.iter().cloned().chain(plan.later(&plan.write.account));
    let line = |step| match step {
        create::Step::TellExpiredTimer(_) | create::Step::Try { .. } | create::Step::TellOff(_) => Vec::new(),
        create::Step::Write => write(&plan.write),
        create::Step::Prepare => vec![prepare(&plan.name)],
        create::Step::Make { look } => {
            let all: Vec<InstanceName> = (0..plan.want.count).map(|index| plan.name.instance(index)).collect();
            let needed = first_boot::secrets(&plan.name, &plan.want, &plan.files).into_iter();
            let secrets = needed.filter_map(|needed| match needed {
                first_boot::Needed::Written(secret) => secret.metadata.name,
                first_boot::Needed::Earlier { .. } => None,
            });
            let namespace = plan.name.namespace();
            let secrets = secrets.map(|name| format!("write secret/{name} in namespace {namespace}"));
            secrets.chain([make(&all, look)]).collect()
        }
        create::Step::Run(names) => vec![run(&names)],
    };
    steps.flat_map(line).collect()
}

/// Returns the lines about `scale cluster`.
pub fn scale(plan: &scale::Plan) -> Vec<String> {
    let line = |step: &scale::Step| match step {
        scale::Step::Confirm(_) | scale::Step::TellReleasing => Vec::new(),
        scale::Step::Judge => vec!["let cmp-webhook judge the change".to_owned()],
        scale::Step::Delete(names) => delete(names),
        scale::Step::DeleteOrphans(orphans) => orphans
            .iter()
            .map(|orphan| format!("delete the leftover {} of {}", orphan.object, orphan.shown.name))
            .collect(),
        scale::Step::Gone(names) => {
            let verb = if names.len() == 1 { "is" } else { "are" };
            ranges(names).map(|names| format!("wait until {names} {verb} gone")).into_iter().collect()
        }
        scale::Step::Write => write(&plan.write),
        scale::Step::Prepare => vec![prepare(&plan.name)],
        scale::Step::Make => {
            let count = plan.write.account.cluster(&plan.name).want.map_or(plan.current.count, |want| want.count);
            let all: Vec<InstanceName> = (0..count).map(|index| plan.name.instance(index)).collect();
            vec![make(&all, true)]
        }
        scale::Step::Run(names) => vec![run(names)],
    };
    plan.whole.iter().flat_map(line).collect()
}

/// Returns the lines about `resize cluster`, for the account that the plan was made of.
pub fn resize(plan: &resize::Plan, account: &Account) -> Result<Vec<String>, Refusal> {
    let raised = plan.raise(account)?;
    let mut lines = Vec::new();
    if plan.current.kind == InstanceType::Container {
        lines.push(format!("check that every instance can have {}", plan.size));
    }
    lines.extend(write(&raised));
    for step in plan.after_raise(&raised.account) {
        match step {
            resize::Step::Prepare => lines.push(prepare(&plan.name)),
            resize::Step::Resize(name) => {
                lines.push(format!("give {name} {}, and wait until it runs again if it ran", plan.size));
            }
            resize::Step::Lower => lines.extend(write(&plan.lower(&raised.account)?)),
            resize::Step::CheckContainers | resize::Step::Raise | resize::Step::TellReleasing => {}
        }
    }
    Ok(lines)
}

/// Returns the lines about `delete cluster`: the writes that request the deletion, and the loss that follows.
pub fn delete_clusters(writes: &[Write], goes: &[String]) -> Vec<String> {
    let later = goes.iter().map(|line| format!("cmp-webhook then deletes {line}"));
    writes.iter().flat_map(write).chain(later).collect()
}

/// Returns the line about a verb for the instances that it changes, if there are any.
pub fn switch(verb: Verb, kind: Option<InstanceType>, names: &[InstanceName]) -> Option<String> {
    let object = match kind {
        Some(InstanceType::Vm) => "VirtualMachine",
        Some(InstanceType::Container) | None => "StatefulSet",
    };
    let each = if names.len() == 1 { "" } else { "s" };
    ranges(names).map(|some| format!("{verb} {some}: patch the {object}{each} in namespace {}", namespace(names)))
}

/// Returns the lines about `create user`, for a user who does not exist.
pub fn create_user(request: &create_user::Request, wish: &user::Wish) -> Vec<String> {
    let real = create_user::Request { dry_run: DryRun::None, ..*request };
    let name = &wish.name;
    let steps = create_user::create(&real, name).into_iter();
    let line = |step| match step {
        create_user::Step::CreateAccount => {
            vec![format!("create configmap/{name} in namespace {USERS_NAMESPACE}")]
        }
        create_user::Step::GiveRights => {
            let kinds = ["serviceaccount", "role", "rolebinding"].map(|kind| format!("{kind}/{name}"));
            vec![format!("apply {} in namespace {USERS_NAMESPACE}", kinds.join(", "))]
        }
        create_user::Step::Settle => vec![format!("wait until cmp-webhook has looked at the account of {name}")],
        create_user::Step::MakeKubeconfig => vec![format!("create a token of {name}, and a kubeconfig with it")],
        create_user::Step::WriteKubeconfig => vec!["write the kubeconfig to its file".to_owned()],
        create_user::Step::OpenKubeconfig => vec!["open the file of the kubeconfig".to_owned()],
        create_user::Step::PrintKubeconfig(_)
        | create_user::Step::PrintUser(_)
        | create_user::Step::PrintImagined(_)
        | create_user::Step::TellOutcome
        | create_user::Step::Tell(_) => Vec::new(),
    };
    steps.chain(create_user::after_account(&real, name, create_user::Word::Created)).flat_map(line).collect()
}

/// Returns the lines about `delete user`.
pub fn delete_user(name: &UserName, cascade: bool) -> Vec<String> {
    let line = |step| {
        Some(match step {
            user::Step::RevokeTokens => format!("revoke all tokens of {name}"),
            user::Step::Stop => format!("stop {name} from creating and growing clusters"),
            user::Step::DeleteClusters => {
                format!("delete the clusters of the account of {name}, and wait until they are gone")
            }
            user::Step::RemoveRights => {
                format!("delete rolebinding/{name}, role/{name} in namespace {USERS_NAMESPACE}")
            }
            user::Step::DeleteNamespaces => {
                format!("delete the namespaces of {name} that the account does not know, and wait until they are gone")
            }
            user::Step::Look => return None,
            user::Step::DeleteServiceAccount => format!("delete serviceaccount/{name} in namespace {USERS_NAMESPACE}"),
            user::Step::DeleteAccount => format!("delete configmap/{name} in namespace {USERS_NAMESPACE}"),
        })
    };
    let mut lines: Vec<String> = user::delete(cascade).into_iter().filter_map(line).collect();
    // The second look finds clusters rarely.
    lines.dedup();
    lines
}

/// Returns the lines about `snapshot cluster`.
pub fn snapshot(cluster: &ClusterName, name: &SnapshotName, plan: &snapshots::Take) -> Vec<String> {
    let mut lines = write(&plan.write);
    lines.extend((!lines.is_empty()).then(|| prepare(cluster)));
    let part = |instance| format!("create virtualmachinesnapshot/{} of {instance}", part_name(name, instance));
    lines.extend(plan.parts.iter().map(part));
    lines
}

/// Returns the lines about `delete snapshot`.
pub fn delete_snapshot(parts: &[&str], room: &Write) -> Vec<String> {
    let deletions = parts.iter().map(|part| format!("delete virtualmachinesnapshot/{part}, and wait until it is gone"));
    deletions.chain(write(room)).collect()
}

/// Returns the lines about `restore cluster`.
pub fn restore(plan: &snapshots::Restoration) -> Vec<String> {
    let line = |(instance, part): &(InstanceName, crate::snapshot::Part)| {
        format!("create virtualmachinerestore/{} of {instance}, and wait until it is complete", part.object())
    };
    plan.parts.iter().map(line).collect()
}

/// Returns the lines about `set prices`: one for each key.
pub fn set_prices(change: &Change) -> Vec<String> {
    let configmap = format!("configmap/{PRICES} in namespace {TEMPLATES_NAMESPACE}");
    let line = |(key, value): (&String, &Option<String>)| match value {
        Some(value) => format!("set {key} of {configmap} to {value}"),
        None => format!("remove {key} from {configmap}"),
    };
    change.iter().map(line).collect()
}

/// Returns the line about `create template`.
pub fn create_template(name: &TemplateName) -> String {
    format!("create configmap/{name} in namespace {TEMPLATES_NAMESPACE}")
}

/// Returns the line about the deletion of one template.
pub fn delete_template(name: &str) -> String {
    format!("delete configmap/{name} in namespace {TEMPLATES_NAMESPACE}")
}

/// Returns the lines about `create token`.
pub fn create_token(user: &UserName) -> Vec<String> {
    let line = |step| {
        Some(match step {
            token::Create::CheckUser => format!("check that {user} has an account"),
            token::Create::MakeAndPrint => {
                format!("create a secret in namespace {USERS_NAMESPACE}, and a token of {user} that ends with it")
            }
            token::Create::Try | token::Create::PrintImagined => return None,
        })
    };
    token::create(DryRun::None).into_iter().filter_map(line).collect()
}

/// Returns the line about `delete token`.
pub fn delete_token(id: &str) -> String {
    format!("delete secret/{id} in namespace {USERS_NAMESPACE}, which revokes the token")
}

fn prepare(cluster: &ClusterName) -> String {
    format!("wait until cmp-webhook has prepared namespace {}", cluster.namespace())
}

fn make(all: &[InstanceName], look: bool) -> String {
    let names = ranges(all).unwrap_or_default();
    if look { format!("create those of {names} that are missing") } else { format!("create {names}") }
}

fn run(names: &[InstanceName]) -> String {
    ranges(names).map_or_else(|| "wait for no instance".to_owned(), |names| format!("wait until running: {names}"))
}

fn delete(names: &[InstanceName]) -> Vec<String> {
    ranges(names).map(|some| format!("delete {some} in namespace {}", namespace(names))).into_iter().collect()
}

fn namespace(names: &[InstanceName]) -> String {
    names.first().map_or_else(String::new, |name| name.cluster.namespace())
}

#[cfg(test)]
mod tests;
