//! The ServiceAccount of a user, and their right to their own account. [`crate::accounts`] has the account itself.

use std::fmt::Debug;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use cmp_core::keys;
use cmp_core::manifest::pairs;
use cmp_core::name::UserName;

use crate::error::{ApiError, if_there};

fn api<K>(client: &Client) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
{
    Api::namespaced(client.clone(), keys::USERS_NAMESPACE)
}

/// Reports whether a user has a ServiceAccount.
pub async fn exists(client: &Client, user: &UserName) -> Result<bool, ApiError> {
    Ok(api::<ServiceAccount>(client).get_opt(user.as_str()).await?.is_some())
}

/// Creates the ServiceAccount of a user, and its right to its own account and to nothing else.
pub async fn give_rights(client: &Client, user: &UserName, dry_run: bool) -> Result<(), ApiError> {
    let (account, role, binding) = rights(user);
    apply(client, user, &account, dry_run).await?;
    apply(client, user, &role, dry_run).await?;
    apply(client, user, &binding, dry_run).await
}

/// Removes the right of a user to their account, if it exists.
pub async fn remove_rights(client: &Client, user: &UserName) -> Result<(), ApiError> {
    remove::<RoleBinding>(client, user).await?;
    remove::<Role>(client, user).await
}

/// Removes the ServiceAccount of a user, if it exists.
pub async fn remove_service_account(client: &Client, user: &UserName) -> Result<(), ApiError> {
    remove::<ServiceAccount>(client, user).await
}

fn rights(user: &UserName) -> (ServiceAccount, Role, RoleBinding) {
    let metadata = || ObjectMeta {
        name: Some(user.to_string()),
        labels: Some(pairs([(keys::USER, user.as_str()), (keys::MANAGED_BY, keys::MANAGER)])),
        ..ObjectMeta::default()
    };
    let account = ServiceAccount {
        metadata: metadata(),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    let rule = PolicyRule {
        api_groups: Some(vec![String::new()]),
        resources: Some(vec!["configmaps".to_owned()]),
        resource_names: Some(vec![user.to_string()]),
        verbs: ["get", "watch", "patch"].map(str::to_owned).into(),
        ..PolicyRule::default()
    };
    let role = Role { metadata: metadata(), rules: Some(vec![rule]) };
    let binding = RoleBinding {
        metadata: metadata(),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: user.to_string(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: user.to_string(),
            namespace: Some(keys::USERS_NAMESPACE.to_owned()),
            api_group: None,
        }]),
    };
    (account, role, binding)
}

async fn apply<K>(client: &Client, user: &UserName, object: &K, dry_run: bool) -> Result<(), ApiError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Serialize + DeserializeOwned + Clone + Debug,
{
    let params = PatchParams { dry_run, ..PatchParams::apply(keys::MANAGER).force() };
    api::<K>(client).patch(user.as_str(), &params, &Patch::Apply(object)).await?;
    Ok(())
}

async fn remove<K>(client: &Client, user: &UserName) -> Result<(), ApiError>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned + Clone + Debug,
{
    let removed = api::<K>(client).delete(user.as_str(), &DeleteParams::default()).await;
    if_there(removed.map_err(ApiError::from)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_right_to_one_object_only() {
        let (account, role, binding) = rights(&"john".parse().unwrap());
        let [rule] = role.rules.as_deref().unwrap() else { panic!("one rule") };
        assert_eq!(rule.resource_names.as_deref().unwrap(), ["john"]);
        assert_eq!(rule.verbs, ["get", "watch", "patch"]);
        assert_eq!(account.automount_service_account_token, Some(false));
        let [subject] = binding.subjects.as_deref().unwrap() else { panic!("one subject") };
        assert_eq!((subject.name.as_str(), subject.namespace.as_deref()), ("john", Some(keys::USERS_NAMESPACE)));
        assert_eq!((binding.role_ref.kind.as_str(), binding.role_ref.name.as_str()), ("Role", "john"));
    }
}
