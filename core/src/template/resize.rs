//! Another size for an instance that exists.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PodSpec;

use super::error::TemplateError;
use super::pod::share;
use crate::quantity::amounts_of;
use crate::resources::Resources;

/// Returns a container instance with another size, or `None` if it has that size already. Additions of its owner stay.
pub fn resized(set: &StatefulSet, size: &Resources) -> Result<Option<StatefulSet>, TemplateError> {
    let mut other = set.clone();
    let Some(pod) = other.spec.as_mut().and_then(|spec| spec.template.spec.as_mut()) else { return Ok(None) };
    let containers = |pod: &PodSpec| {
        let all = pod.containers.iter().chain(pod.init_containers.iter().flatten());
        let amounts = all.map(|container| {
            container
                .resources
                .as_ref()
                .map(|resources| (amounts_of(resources.requests.as_ref()), amounts_of(resources.limits.as_ref())))
        });
        amounts.collect::<Vec<_>>()
    };
    if pod.resources.is_some() {
        return Err(TemplateError::new("spec.resources", "is set beside those of the containers, which its owner did"));
    }
    let before = containers(pod);
    share(pod, size)?;
    Ok((containers(pod) != before).then_some(other))
}
