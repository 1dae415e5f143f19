//! The cost of a Pod, as Kubernetes counts it.

use k8s_openapi::api::core::v1::{PodSpec, ResourceRequirements};

use crate::quantity::{Amounts, amounts_of};
use crate::resources::{CPU, MEMORY, Resources};

/// The amount of a container that counts: the requests or the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The amounts that the scheduler reserves.
    Requests,
    /// The most that the container may use.
    Limits,
}

/// The pod-level resources that count. Others that a Pod may name at its own level are not counted.
const POD_LEVEL: [&str; 2] = [CPU, MEMORY];

/// Returns the cost of a Pod, as Kubernetes counts it (`PodRequests` and `PodLimits` of k8s.io/component-helpers).
///
/// - The base is the sum of containers and sidecars, or the largest init container with the sidecars started before it,
///   whichever is more.
/// - Pod-level resources replace the base where they are named.
/// - The overhead of the runtime class is added.
///
/// Returns `None` if an amount cannot be read or the sum does not fit. The caller treats `None` as more than any size.
pub fn footprint(pod: &PodSpec, rule: Rule) -> Option<Resources> {
    let of = |resources: Option<&ResourceRequirements>| {
        let amounts = resources.and_then(|resources| match rule {
            Rule::Requests => resources.requests.as_ref(),
            Rule::Limits => resources.limits.as_ref(),
        });
        amounts_of(amounts).map(named)
    };
    let mut sum = Resources::default();
    for container in &pod.containers {
        sum.add_all(&of(container.resources.as_ref())?)?;
    }
    let (mut sidecars, mut largest) = (Resources::default(), Resources::default());
    for container in pod.init_containers.iter().flatten() {
        let amounts = of(container.resources.as_ref())?;
        let stays = container.restart_policy.as_deref() == Some("Always");
        if stays {
            sum.add_all(&amounts)?;
            sidecars.add_all(&amounts)?;
        }
        // Only the resources of this container can raise the maximum; the others did not change.
        for (name, amount) in amounts.iter() {
            let amount = if stays { sidecars.get(name) } else { sidecars.get(name).checked_add(amount)? };
            largest.raise(name, amount);
        }
    }
    let mut total = sum.max(&largest);
    for (name, amount) in of(pod.resources.as_ref())?.iter().filter(|(name, _)| POD_LEVEL.contains(&name.as_str())) {
        total.set(name.clone(), amount);
    }
    let overhead = named(amounts_of(pod.overhead.as_ref())?);
    match rule {
        Rule::Requests => total.checked_add(&overhead),
        Rule::Limits => {
            let limited = overhead.iter().filter(|(name, _)| !total.get(name).is_zero());
            let limited: Resources = limited.map(|(name, amount)| (name.clone(), amount)).collect();
            total.checked_add(&limited)
        }
    }
}

/// Keeps the amounts whose names are resources of ours. Others cannot be in a size.
fn named(amounts: Amounts) -> Resources {
    amounts.into_iter().filter_map(|(name, amount)| Some((name.parse().ok()?, amount))).collect()
}

#[cfg(test)]
mod tests;
