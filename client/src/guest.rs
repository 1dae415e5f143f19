//! The guest agent of a VM, which KubeVirt asks through virt-handler.

use http::Request;
use kube::Client;

use cmp_core::guest::Guest;
use cmp_core::name::InstanceName;

use crate::error::ApiError;
use crate::kubevirt::of_guest;

/// Returns the system that the guest agent describes. Returns `None` if no agent answers: the guest has none, or has just
/// been switched off.
pub async fn guest(client: &Client, name: &InstanceName) -> Result<Option<Guest>, ApiError> {
    let request = Request::get(of_guest(name, "guestosinfo"))
        .body(Vec::new())
        .map_err(|error| ApiError::Other(error.to_string()))?;
    match client.request::<Guest>(request).await.map_err(ApiError::from) {
        Ok(guest) => Ok(Some(guest)),
        Err(error) if error.is_not_found() || error.is_conflict() => Ok(None),
        Err(error) => Err(error),
    }
}
