//! The measured use of instances, beside the resources that they ask for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::containers::Metadata;
use crate::name::{ClusterName, InstanceName};
use crate::quantity::Quantity;
use crate::resources::Resources;

/// Nano-units of a thousandth of a core.
const MILLICORE: i128 = 1_000_000;
/// Nano-units of a mebibyte.
const MEBIBYTE: i128 = (1 << 20) * 1_000_000_000;

/// The fields of a `PodMetrics` of `metrics.k8s.io` that are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PodMetrics {
    /// The name of the Pod and its Namespace.
    pub metadata: Metadata,
    /// The use of each container.
    pub containers: Vec<ContainerMetrics>,
}

/// The fields of the metrics of a container that are read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ContainerMetrics {
    /// The use of CPU and memory.
    pub usage: Resources,
}

/// Returns the instance that a Pod of a container cluster runs. The StatefulSet controller names the Pod after it.
pub fn instance_of_pod(pod: &str) -> Option<InstanceName> {
    pod.strip_suffix("-0")?.parse().ok()
}

/// Sums the use of the Pods of each instance of a cluster. `instance` finds the instance of a Pod by its name. An
/// instance has several Pods while a VM moves. A sum that does not fit is left out.
pub fn of_instances(
    cluster: &ClusterName,
    pods: &[PodMetrics],
    instance: impl Fn(&str) -> Option<InstanceName>,
) -> BTreeMap<InstanceName, Resources> {
    let namespace = cluster.namespace();
    let mut used: BTreeMap<InstanceName, Resources> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| pod.metadata.namespace.as_ref() == Some(&namespace)) {
        let name = pod.metadata.name.as_deref().and_then(&instance).filter(|name| name.cluster == *cluster);
        let Some(name) = name else { continue };
        let of_pod = pod.containers.iter().try_fold(Resources::default(), |sum, one| sum.checked_add(&one.usage));
        let sum =
            of_pod.and_then(|of_pod| used.get(&name).map_or(Some(of_pod.clone()), |sum| sum.checked_add(&of_pod)));
        if let Some(sum) = sum {
            used.insert(name, sum);
        }
    }
    used
}

/// A resource that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Processors, in cores.
    Cpu,
    /// Memory, in bytes.
    Memory,
}

impl Measure {
    /// Returns the amount of this resource.
    pub fn of(self, resources: &Resources) -> Quantity {
        match self {
            Self::Cpu => resources.cpu(),
            Self::Memory => resources.memory(),
        }
    }

    /// Writes an amount as `kubectl top` does: `250m` and `512Mi`. Parts of a millicore are rounded up, parts of a
    /// mebibyte are left out.
    pub fn text(self, amount: Quantity) -> String {
        let nanos = amount.nanos();
        match self {
            Self::Cpu => format!("{}m", nanos / MILLICORE + i128::from(nanos % MILLICORE > 0)),
            Self::Memory => format!("{}Mi", nanos / MEBIBYTE),
        }
    }
}

/// The use of something, beside the resources that it asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Load {
    /// The measured use; `None` if nothing of it is measured.
    pub used: Option<Resources>,
    /// The resources that it asks for.
    pub asked: Resources,
}

impl Load {
    /// Returns the load of several instances, where the asked resources are known as a whole.
    pub fn total<'a>(used: impl IntoIterator<Item = &'a Resources>, asked: Resources) -> Self {
        let sum = |sum: Option<Resources>, one: &Resources| match sum {
            Some(sum) => sum.checked_add(one),
            None => Some(one.clone()),
        };
        Self { used: used.into_iter().fold(None, sum), asked }
    }

    /// Returns the used part of the asked amount in whole percent, rounded down. Returns `None` if nothing is measured or
    /// asked for, and for a percentage that does not fit.
    pub fn percent(&self, measure: Measure) -> Option<u64> {
        let used = measure.of(self.used.as_ref()?).nanos();
        let percent = used.checked_mul(100)?.checked_div(measure.of(&self.asked).nanos())?;
        u64::try_from(percent).ok()
    }

    /// Returns the used and the asked amount and the percentage as the cells of a table. A cell without a value has `-`.
    pub fn cells(&self, measure: Measure) -> [String; 3] {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            or_dash(self.used.as_ref().map(|used| measure.text(measure.of(used)))),
            measure.text(measure.of(&self.asked)),
            or_dash(self.percent(measure).map(|percent| format!("{percent}%"))),
        ]
    }
}

/// Sorts by the use of a resource, the highest first. Loads without a use come last. Equal loads keep their order.
pub fn sort<T>(items: &mut [T], measure: Measure, load: impl Fn(&T) -> &Load) {
    items.sort_by_key(|item| Reverse(load(item).used.as_ref().map(|used| measure.of(used))));
}

#[cfg(test)]
mod tests;
