//! Objects of any type: `install`, `check` and `uninstall` read, apply, try and delete whatever the manifests name.

use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt};

use cmp_core::keys;

use crate::error::{ApiError, if_there};

/// The objects of one type, in one Namespace or in all of them.
#[derive(Clone)]
pub struct Objects {
    api: Api<DynamicObject>,
}

impl Objects {
    /// Selects the objects of a type in a Namespace. `None` selects those of all Namespaces, and is the only choice for
    /// a type without a Namespace.
    pub fn of(client: &Client, resource: &ApiResource, namespace: Option<&str>) -> Self {
        let api = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
            None => Api::all_with(client.clone(), resource),
        };
        Self { api }
    }

    /// Reads one object; `None` if neither it nor its type exists.
    pub async fn get(&self, name: &str) -> Result<Option<DynamicObject>, ApiError> {
        if_there(self.api.get(name).await.map_err(ApiError::from))
    }

    /// Reports whether an object exists.
    pub async fn has(&self, name: &str) -> Result<bool, ApiError> {
        Ok(if_there(self.api.get_metadata(name).await.map_err(ApiError::from))?.is_some())
    }

    /// Lists the objects that match a label selector. The list is empty if the type does not exist.
    pub async fn list(&self, selector: &str) -> Result<Vec<DynamicObject>, ApiError> {
        let list = self.api.list(&ListParams::default().labels(selector)).await.map_err(ApiError::from);
        Ok(if_there(list)?.map(|list| list.items).unwrap_or_default())
    }

    /// Writes the fields of an object by server-side apply, and takes them from other managers. Returns the stored
    /// object.
    pub async fn apply(&self, object: &DynamicObject, dry_run: bool) -> Result<DynamicObject, ApiError> {
        let params = PatchParams { dry_run, ..PatchParams::apply(keys::MANAGER).force() };
        Ok(self.api.patch(&object.name_any(), &params, &Patch::Apply(object)).await?)
    }

    /// Creates an object in a dry run. Returns it with the defaults of the API server.
    pub async fn imagine(&self, object: &DynamicObject) -> Result<DynamicObject, ApiError> {
        let params = PostParams { dry_run: true, field_manager: Some(keys::MANAGER.to_owned()) };
        Ok(self.api.create(&params, object).await?)
    }

    /// Deletes an object; its dependents follow in the background. With a uid, an object that has taken its place
    /// stays, which is a conflict. Returns whether the object existed.
    pub async fn delete(&self, name: &str, uid: Option<String>, dry_run: bool) -> Result<bool, ApiError> {
        let preconditions = uid.map(|uid| Preconditions { uid: Some(uid), resource_version: None });
        let params = DeleteParams { dry_run, preconditions, ..DeleteParams::background() };
        Ok(if_there(self.api.delete(name, &params).await.map_err(ApiError::from))?.is_some())
    }
}
