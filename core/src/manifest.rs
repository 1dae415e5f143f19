//! The objects in a cluster's Namespace, made from values that are valid already: nothing here can fail.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, PodSpec, ResourceQuota, ResourceQuotaSpec, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};

use crate::account::{InstanceType, Shape};
use crate::keys;
use crate::name::{ClusterName, UserName};
use crate::quantity::{Amounts, Quantity, amounts_of, stored};
use crate::resources::{CPU, MEMORY, Resources, STORAGE};
use crate::template::{self, Wrong};

/// The image of the built-in container template: small, and with a shell to enter.
pub const DEFAULT_IMAGE: &str = "debian:stable-slim";
/// The name of the built-in template of containers.
pub const CONTAINER_TEMPLATE: &str = "container";
/// The name of the built-in template of VMs.
pub const VM_TEMPLATE: &str = "vm";
/// The name of the container in the built-in template.
pub const CONTAINER: &str = "instance";

/// How many ConfigMaps, Secrets and Services a user can make in a cluster: enough for people, too few to fill etcd.
const OTHERS: u32 = 100;

/// A map of labels or annotations.
pub fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The Namespace of a cluster as it is created: no instance name is open yet.
pub fn namespace(
    user: &UserName,
    cluster: &ClusterName,
    kind: InstanceType,
    size: &Resources,
    fence: &str,
) -> Namespace {
    let mut labels = pairs([
        (keys::OWNER, user.as_str()),
        (keys::CLUSTER, cluster.as_str()),
        (keys::TYPE, kind.as_str()),
        (keys::MANAGED_BY, keys::MANAGER),
    ]);
    // A KubeVirt launcher is refused at restricted, and admitted at baseline.
    labels.extend(pairs([
        ("pod-security.kubernetes.io/enforce", "baseline"),
        ("pod-security.kubernetes.io/warn", "baseline"),
    ]));
    Namespace {
        metadata: ObjectMeta {
            name: Some(cluster.namespace()),
            labels: Some(labels),
            annotations: Some(pairs([(keys::COUNT, "0"), (keys::SIZE, &size.to_string()), (keys::FENCE, fence)])),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// Of an object of ours in the Namespace of a cluster.
fn own_metadata(cluster: &ClusterName) -> ObjectMeta {
    ObjectMeta {
        name: Some(keys::FENCE_NAME.to_owned()),
        namespace: Some(cluster.namespace()),
        labels: Some(pairs([(keys::CLUSTER, cluster.as_str()), (keys::MANAGED_BY, keys::MANAGER)])),
        ..ObjectMeta::default()
    }
}

/// Of a fence: the uid of the Namespace that it is for, and the mark of the write.
fn fence_metadata(cluster: &ClusterName, uid: &str, fence: &str) -> ObjectMeta {
    let annotations = Some(pairs([(keys::MADE_FOR, uid), (keys::FENCE, fence)]));
    ObjectMeta { annotations, ..own_metadata(cluster) }
}

/// What the ResourceQuota of a cluster allows.
pub fn hard(kind: InstanceType, shape: &Shape) -> Amounts {
    let mut hard = Amounts::new();
    for (name, amount) in shape.size.iter() {
        // The verdict has refused what does not fit; should it be asked here all the same, nothing is allowed.
        let runs = !shape.released || name.as_str() == STORAGE;
        let charge = amount.checked_mul(shape.count).filter(|_| runs).unwrap_or(Quantity::ZERO);
        match (kind, name.as_str()) {
            // A launcher's Pod asks for other amounts than its guest sees.
            (InstanceType::Vm, CPU | MEMORY) => {}
            (InstanceType::Container, CPU | MEMORY) => {
                hard.insert(format!("requests.{name}"), charge);
                hard.insert(format!("limits.{name}"), charge);
            }
            // Storage and extended resources are counted by their requests alone.
            _ => {
                hard.insert(format!("requests.{name}"), charge);
            }
        }
    }
    hard.entry(format!("requests.{STORAGE}")).or_insert(Quantity::ZERO);
    // A StatefulSet stays while it is off; of a VM that is off, there is no VirtualMachineInstance. How many StatefulSets
    // there are, their names say, exactly. Here is room for more: Kubernetes counts one that was refused as AlreadyExists
    // until it counts anew, minutes later, and two who make the same instances would run into it.
    let (instances, count) = match kind {
        InstanceType::Container => (
            "count/statefulsets.apps",
            shape.count.saturating_mul(2).saturating_add(if shape.count == 0 { 0 } else { OTHERS }),
        ),
        InstanceType::Vm if shape.released => ("count/virtualmachineinstances.kubevirt.io", 0),
        InstanceType::Vm => ("count/virtualmachineinstances.kubevirt.io", shape.count),
    };
    for (key, amount) in [
        ("services.loadbalancers", 0),
        ("services.nodeports", 0),
        ("count/services", OTHERS),
        ("count/configmaps", OTHERS),
        ("count/secrets", OTHERS),
        ("count/persistentvolumeclaims", OTHERS.max(shape.count)),
        (instances, count),
    ] {
        hard.insert(key.to_owned(), Quantity::whole(amount));
    }
    hard
}

/// The ResourceQuota of a cluster: the second fence around the count.
pub fn resource_quota(
    cluster: &ClusterName,
    kind: InstanceType,
    shape: &Shape,
    uid: &str,
    fence: &str,
) -> ResourceQuota {
    ResourceQuota {
        metadata: fence_metadata(cluster, uid, fence),
        spec: Some(ResourceQuotaSpec { hard: Some(stored(hard(kind, shape))), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    }
}

/// What the LimitRange of a cluster says, as `<type>.<rule>.<resource>`.
pub fn limits(kind: InstanceType, size: &Resources) -> Amounts {
    let mut limits = Amounts::new();
    for (name, amount) in size.iter() {
        match (kind, name.as_str()) {
            (InstanceType::Vm, CPU | MEMORY) => {}
            (_, STORAGE) => {
                limits.insert(format!("PersistentVolumeClaim.max.{name}"), amount);
            }
            _ => {
                limits.insert(format!("Pod.max.{name}"), amount);
            }
        }
    }
    if kind == InstanceType::Container {
        // A limit of 0 would mean no limit, so that each container has more; what it leaves out is filled in.
        let (least_cpu, least_memory) = (Quantity::milli(1), Quantity::mebibytes(1));
        let (cpu, memory) = (size.cpu().min(Quantity::milli(100)), size.memory().min(Quantity::mebibytes(64)));
        for (rule, cpu, memory) in
            [("min", least_cpu, least_memory), ("default", cpu, memory), ("defaultRequest", cpu, memory)]
        {
            limits.insert(format!("Container.{rule}.{CPU}"), cpu);
            limits.insert(format!("Container.{rule}.{MEMORY}"), memory);
        }
    }
    limits
}

/// The LimitRange of a cluster: the fence around the size. Kubernetes sums a Pod's containers for it, sidecars, init
/// containers and pod-level resources included.
pub fn limit_range(cluster: &ClusterName, kind: InstanceType, size: &Resources, uid: &str, fence: &str) -> LimitRange {
    let limits = limits(kind, size);
    let rule = |of: &str, rule: &str| {
        let prefix = format!("{of}.{rule}.");
        let amounts = limits.iter().filter_map(|(key, amount)| Some((key.strip_prefix(&prefix)?.to_owned(), *amount)));
        Some(stored(amounts)).filter(|amounts| !amounts.is_empty())
    };
    let items = ["Pod", "Container", "PersistentVolumeClaim"].into_iter().map(|of| LimitRangeItem {
        type_: of.to_owned(),
        max: rule(of, "max"),
        min: rule(of, "min"),
        default: rule(of, "default"),
        default_request: rule(of, "defaultRequest"),
        max_limit_request_ratio: None,
    });
    LimitRange {
        metadata: fence_metadata(cluster, uid, fence),
        spec: Some(LimitRangeSpec { limits: items.filter(|item| item.max.is_some() || item.min.is_some()).collect() }),
    }
}

/// What a LimitRange that was read says, in the form of [`limits`]; `None` if an amount cannot be read.
pub fn limits_of(range: &LimitRange) -> Option<Amounts> {
    let mut limits = Amounts::new();
    for item in range.spec.iter().flat_map(|spec| &spec.limits) {
        for (rule, amounts) in [
            ("max", &item.max),
            ("min", &item.min),
            ("default", &item.default),
            ("defaultRequest", &item.default_request),
            ("maxLimitRequestRatio", &item.max_limit_request_ratio),
        ] {
            for (name, amount) in amounts.iter().flatten() {
                limits.insert(format!("{}.{rule}.{name}", item.type_), amount.0.parse().ok()?);
            }
        }
    }
    Some(limits)
}

/// Where KubeVirt is installed by its own manifests, by its operator of operators, and by OpenShift. No user can have a
/// Namespace of such a name.
const KUBEVIRT_NAMESPACES: [&str; 3] = ["kubevirt", "kubevirt-hyperconverged", "openshift-cnv"];

/// The NetworkPolicy of a cluster: nothing comes in from other Namespaces. To VMs virt-api does, which leads their owner
/// there (`virtctl ssh` and `port-forward`); to a Pod its kubelet leads, which no policy is about.
pub fn network_policy(cluster: &ClusterName, kind: InstanceType) -> NetworkPolicy {
    let labelled = |key: &str, value: &str| LabelSelector {
        match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])),
        ..LabelSelector::default()
    };
    let of_kubevirt = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "In".to_owned(),
        values: Some(KUBEVIRT_NAMESPACES.map(str::to_owned).to_vec()),
    };
    let mut from =
        vec![NetworkPolicyPeer { pod_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() }];
    if kind == InstanceType::Vm {
        from.push(NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector {
                match_expressions: Some(vec![of_kubevirt]),
                ..LabelSelector::default()
            }),
            pod_selector: Some(labelled("kubevirt.io", "virt-api")),
            ..NetworkPolicyPeer::default()
        });
    }
    NetworkPolicy {
        metadata: own_metadata(cluster),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule { from: Some(from), ports: None }]),
            egress: None,
        }),
    }
}

/// The ServiceAccount that the instances run under: no rights, and no token to lose.
pub fn service_account(cluster: &ClusterName) -> ServiceAccount {
    ServiceAccount {
        metadata: ObjectMeta {
            name: Some("default".to_owned()),
            namespace: Some(cluster.namespace()),
            ..ObjectMeta::default()
        },
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// The ClusterRole of a user in a cluster of a type.
pub fn role(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::Container => keys::CONTAINER_ROLE,
        InstanceType::Vm => keys::VM_ROLE,
    }
}

/// The RoleBinding that lets the owner in.
pub fn role_binding(user: &UserName, cluster: &ClusterName, kind: InstanceType) -> RoleBinding {
    bound(cluster, keys::BINDING_NAME, role(kind), user.as_str(), keys::USERS_NAMESPACE)
}

/// cmp-webhook suspends and resumes instances where there is a schedule, and nowhere else.
pub fn schedule_binding(cluster: &ClusterName) -> RoleBinding {
    bound(cluster, keys::SCHEDULE_ROLE, keys::SCHEDULE_ROLE, keys::WEBHOOK, keys::SYSTEM_NAMESPACE)
}

/// Binds a ServiceAccount to a ClusterRole in the Namespace of a cluster.
fn bound(cluster: &ClusterName, name: &str, role: &str, account: &str, of: &str) -> RoleBinding {
    RoleBinding {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..own_metadata(cluster) },
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "ClusterRole".to_owned(),
            name: role.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: account.to_owned(),
            namespace: Some(of.to_owned()),
            api_group: None,
        }]),
    }
}

/// A container instance with another size; `None` if it has that already. What its owner added to it stays.
pub fn resized(set: &StatefulSet, size: &Resources) -> Result<Option<StatefulSet>, Wrong> {
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
        return Err(Wrong::new("spec.resources", "is set beside those of the containers, which its owner did"));
    }
    let before = containers(pod);
    template::share(pod, size)?;
    Ok((containers(pod) != before).then_some(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{name, shape, size};

    fn listed(amounts: &Amounts) -> String {
        amounts.iter().map(|(key, amount)| format!("{key}={amount}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_fences_are_the_charge_and_the_size() {
        let charged = shape(3, "cpu=2,memory=4Gi,nvidia.com/gpu=1,storage=10Gi");
        assert_eq!(
            listed(&hard(InstanceType::Container, &charged)),
            "count/configmaps=100 count/persistentvolumeclaims=100 count/secrets=100 count/services=100 \
             count/statefulsets.apps=106 limits.cpu=6 limits.memory=12Gi requests.cpu=6 requests.memory=12Gi \
             requests.nvidia.com/gpu=3 requests.storage=30Gi services.loadbalancers=0 services.nodeports=0"
        );
        let released = listed(&hard(InstanceType::Container, &Shape { released: true, ..charged.clone() }));
        for off in ["requests.cpu=0 ", "limits.memory=0 ", "requests.nvidia.com/gpu=0 ", "statefulsets.apps=106"] {
            assert!(released.contains(off), "{off}: {released}");
        }
        assert!(released.contains("requests.storage=30Gi"), "{released}");
        let none = shape(0, "cpu=2,memory=4Gi");
        assert!(listed(&hard(InstanceType::Container, &none)).contains("requests.storage=0"));
        assert!(!listed(&hard(InstanceType::Vm, &charged)).contains("cpu"));
        assert_eq!(
            listed(&limits(InstanceType::Container, &charged.size)),
            "Container.default.cpu=100m Container.default.memory=64Mi Container.defaultRequest.cpu=100m \
             Container.defaultRequest.memory=64Mi Container.min.cpu=1m Container.min.memory=1Mi \
             PersistentVolumeClaim.max.storage=10Gi Pod.max.cpu=2 Pod.max.memory=4Gi Pod.max.nvidia.com/gpu=1"
        );
        let small = limits(InstanceType::Container, &size("cpu=50m,memory=32Mi"));
        assert_eq!(small["Container.default.cpu"].to_string(), "50m");
    }

    #[test]
    fn a_fence_that_is_read_back_says_the_same() {
        let shape = shape(3, "cpu=2,memory=4Gi,storage=10Gi");
        for kind in [InstanceType::Container, InstanceType::Vm] {
            let range = limit_range(&name("web"), kind, &shape.size, "u", "1");
            assert_eq!(limits_of(&range), Some(limits(kind, &shape.size)));
            let quota = resource_quota(&name("web"), kind, &shape, "u", "1");
            assert_eq!(amounts_of(quota.spec.unwrap().hard.as_ref()), Some(hard(kind, &shape)));
        }
    }

    #[test]
    fn what_comes_in_is_from_the_same_namespace_and_to_vms_from_virt_api() {
        let from = |kind| {
            let policy = network_policy(&name("web"), kind);
            assert_eq!(policy.metadata.namespace.as_deref(), Some("web-ns"));
            serde_json::to_value(policy.spec).unwrap()["ingress"][0]["from"].clone()
        };
        let same = serde_json::json!({ "podSelector": {} });
        assert_eq!(from(InstanceType::Container), serde_json::json!([same]));
        let virt_api = serde_json::json!({
            // Both in one peer: whoever bears the label elsewhere is not let in.
            "namespaceSelector": { "matchExpressions": [{
                "key": "kubernetes.io/metadata.name", "operator": "In",
                "values": ["kubevirt", "kubevirt-hyperconverged", "openshift-cnv"],
            }] },
            "podSelector": { "matchLabels": { "kubevirt.io": "virt-api" } },
        });
        assert_eq!(from(InstanceType::Vm), serde_json::json!([same, virt_api]));
    }
}
