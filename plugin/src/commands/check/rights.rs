//! Check of who has the roles of cmp.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleBinding, RoleRef, Subject};
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use cmp_core::keys;
use cmp_core::vocabulary::InstanceType;

use crate::commands::check::equal;
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
    let compared = ours(installation).filter(|manifest| manifest.kind() != "ServiceAccount").map(|manifest| async {
        let difference = equal::difference(&installation.client, manifest).await?;
        let place = manifest.object.namespace().map_or_else(String::new, |namespace| format!(" in {namespace}"));
        Ok::<_, CliError>(difference.map(|difference| format!("{}{place}: {difference}", manifest.title())))
    });
    let compared: Vec<Option<String>> = join_all(compared).await.into_iter().collect::<Result<_, _>>()?;
    let count = compared.len();
    let differing: Vec<String> = compared.into_iter().flatten().collect();
    Ok(if differing.is_empty() {
        Check::ok("roles", format!("{count} roles and bindings are as they were installed"))
    } else {
        Check::failed("roles", differing.join("; ")).hint(AGAIN)
    })
}

/// Checks that nobody else is bound to the roles. cmp-webhook has its own role, and one more in clusters with a
/// schedule. Each owner of a cluster has the role of its type in that cluster.
async fn bound(installation: &Installation) -> Result<Check, CliError> {
    let client = &installation.client;
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let (everywhere, bindings): (Api<ClusterRoleBinding>, Api<RoleBinding>) =
        (Api::all(client.clone()), Api::all(client.clone()));
    let (all, owned) = (ListParams::default(), ListParams::default().labels(keys::OWNER));
    let (everywhere, bindings, namespaces) =
        futures::try_join!(everywhere.list(&all), bindings.list(&all), namespaces.list_metadata(&owned))?;
    let is_ours = |kind: &str, namespace: Option<&str>, name: &str| {
        ours(installation).any(|manifest| manifest.is(kind, namespace, name))
    };
    let owners: BTreeMap<String, Subject> = namespaces.items.iter().map(|one| (one.name_any(), owner(one))).collect();
    let types: BTreeMap<String, String> =
        namespaces.items.iter().filter_map(|one| Some((one.name_any(), role(one.labels().get(keys::TYPE)?)))).collect();
    let mut strangers = Vec::new();
    for binding in &everywhere.items {
        let role = is_ours("ClusterRole", None, &binding.role_ref.name);
        if role && !is_ours("ClusterRoleBinding", None, &binding.name_any()) {
            let title = format!("clusterrolebinding/{}", binding.name_any());
            strangers.push(binding_text(&title, &binding.role_ref, binding.subjects.as_deref()));
        }
    }
    for binding in &bindings.items {
        let place = binding.namespace().unwrap_or_default();
        let RoleRef { kind, name, .. } = &binding.role_ref;
        let role = is_ours(kind, if kind == "Role" { Some(&place) } else { None }, name);
        let installed = is_ours("RoleBinding", Some(&place), &binding.name_any());
        let owner = owners.get(&place).map(std::slice::from_ref);
        let of_owner = owner.is_some() && owner == binding.subjects.as_deref() && types.get(&place) == Some(name);
        // In a cluster with a schedule, cmp-webhook has this role.
        let of_schedule = owner.is_some()
            && name == keys::SCHEDULE_ROLE
            && binding.subjects.as_deref().is_some_and(|subjects| subjects == [scheduler()]);
        if role && !installed && !of_owner && !of_schedule {
            let title = format!("rolebinding/{} in {place}", binding.name_any());
            strangers.push(binding_text(&title, &binding.role_ref, binding.subjects.as_deref()));
        }
    }
    Ok(if strangers.is_empty() {
        Check::ok("bindings", "cmp-webhook and the owners of clusters have their roles, and nobody else has")
    } else {
        let check = Check::failed("bindings", strangers.join("; "));
        check
            .hint("the policies bound users and cmp-webhook, and nobody else: delete what gives their rights to others")
    })
}

fn owner<K: ResourceExt>(namespace: &K) -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: namespace.labels().get(keys::OWNER).cloned().unwrap_or_default(),
        namespace: Some(keys::USERS_NAMESPACE.to_owned()),
        ..Subject::default()
    }
}

fn scheduler() -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: keys::WEBHOOK.to_owned(),
        namespace: Some(keys::SYSTEM_NAMESPACE.to_owned()),
        ..Subject::default()
    }
}

fn role(kind: &str) -> String {
    match kind.parse() {
        Ok(InstanceType::Vm) => keys::VM_ROLE.to_owned(),
        _ => keys::CONTAINER_ROLE.to_owned(),
    }
}

fn binding_text(title: &str, role: &RoleRef, subjects: Option<&[Subject]>) -> String {
    let subjects: Vec<String> =
        subjects.unwrap_or_default().iter().map(|subject| format!("{} {}", subject.kind, subject.name)).collect();
    let whom = if subjects.is_empty() { "nobody yet".to_owned() } else { subjects.join(", ") };
    format!("{title} gives {} to {whom}", role.name)
}
