//! Check of who has the roles of cmp.

use std::collections::BTreeMap;

use cmp_client::access::{Binding, Subject, bindings};
use cmp_client::namespaces::{self, Found, Of};
use cmp_core::keys;
use cmp_core::vocabulary::InstanceType;

use crate::commands::check::equal::{self, Compared};
use crate::commands::check::installation::{AGAIN, Installation};
use crate::commands::check::report::Check;
use crate::error::CliError;
use crate::manifests::Manifest;

/// The API group of rights.
const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) async fn run_checks(installation: &Installation) -> Vec<Check> {
    let roles = equal(installation).await.unwrap_or_else(|error| Check::of("roles", Err(error)));
    let bound = bound(installation).await.unwrap_or_else(|error| Check::of("bindings", Err(error)));
    vec![roles, bound]
}

fn ours(installation: &Installation) -> impl Iterator<Item = &Manifest> {
    let manifests = &installation.manifests;
    let added = manifests.added.iter().filter(|manifest| manifest.resource().group == RBAC);
    manifests.webhook_rights.iter().chain(added).chain(&manifests.user_rights)
}

/// Checks that the roles and their bindings are as they were installed.
async fn equal(installation: &Installation) -> Result<Check, CliError> {
    let compared = ours(installation).filter(|manifest| manifest.kind() != "ServiceAccount");
    let Compared { count, differing } = equal::compare(&installation.client, compared).await?;
    Ok(if differing.is_empty() {
        Check::ok("roles", format!("{count} roles and bindings are unchanged"))
    } else {
        Check::failed("roles", differing.join("; ")).hint(AGAIN)
    })
}

/// Checks that nobody else is bound to the roles. cmp-webhook has its own role, and one more in clusters with a
/// schedule. Each owner of a cluster has the role of its type in that cluster.
async fn bound(installation: &Installation) -> Result<Check, CliError> {
    let client = &installation.client;
    let ((everywhere, bindings), namespaces) =
        futures::try_join!(bindings(client), namespaces::list(client, Of::Everyone, None))?;
    let is_ours = |kind: &str, namespace: Option<&str>, name: &str| {
        ours(installation).any(|manifest| manifest.is(kind, namespace, name))
    };
    let owners: BTreeMap<String, Subject> = namespaces.iter().map(|one| (one.name.clone(), owner(one))).collect();
    let types: BTreeMap<String, String> =
        namespaces.iter().filter_map(|one| Some((one.name.clone(), role(one.label(keys::TYPE)?)))).collect();
    let mut strangers = Vec::new();
    for binding in &everywhere {
        let role = is_ours("ClusterRole", None, &binding.role);
        if role && !is_ours("ClusterRoleBinding", None, &binding.name) {
            strangers.push(binding_text(&format!("clusterrolebinding/{}", binding.name), binding));
        }
    }
    for binding in &bindings {
        let place = binding.namespace.clone().unwrap_or_default();
        let Binding { role_kind: kind, role: name, .. } = binding;
        let role = is_ours(kind, if kind == "Role" { Some(&place) } else { None }, name);
        let installed = is_ours("RoleBinding", Some(&place), &binding.name);
        let owner = owners.get(&place).map(std::slice::from_ref);
        let of_owner = owner == Some(&binding.subjects[..]) && types.get(&place) == Some(name);
        // In a cluster with a schedule, cmp-webhook has this role.
        let of_schedule = owner.is_some() && name == keys::SCHEDULE_ROLE && binding.subjects == [scheduler()];
        if role && !installed && !of_owner && !of_schedule {
            strangers.push(binding_text(&format!("rolebinding/{} in {place}", binding.name), binding));
        }
    }
    Ok(if strangers.is_empty() {
        Check::ok("bindings", "only cmp-webhook and the owners of clusters have the roles of cmp")
    } else {
        let check = Check::failed("bindings", strangers.join("; "));
        check.hint("delete these bindings: the policies limit users and cmp-webhook only")
    })
}

fn owner(namespace: &Found) -> Subject {
    Subject::service_account(keys::USERS_NAMESPACE, namespace.label(keys::OWNER).unwrap_or_default())
}

fn scheduler() -> Subject {
    Subject::service_account(keys::SYSTEM_NAMESPACE, keys::WEBHOOK)
}

fn role(kind: &str) -> String {
    match kind.parse() {
        Ok(InstanceType::Vm) => keys::VM_ROLE.to_owned(),
        _ => keys::CONTAINER_ROLE.to_owned(),
    }
}

fn binding_text(title: &str, binding: &Binding) -> String {
    let subjects: Vec<String> =
        binding.subjects.iter().map(|subject| format!("{} {}", subject.kind, subject.name)).collect();
    let whom = if subjects.is_empty() { "nobody yet".to_owned() } else { subjects.join(", ") };
    format!("{title} gives {} to {whom}", binding.role)
}
