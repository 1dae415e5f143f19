//! The objects in a cluster's Namespace. They are made from valid values, so nothing here can fail.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, Namespace, ResourceQuota, ResourceQuotaSpec, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::account::Shape;
use crate::keys;
use crate::name::{ClusterName, UserName};
use crate::quantity::{Amounts, Quantity, stored};
use crate::resources::{CPU, EPHEMERAL_STORAGE, MEMORY, Resources, SNAPSHOT_STORAGE, STORAGE, is_kept};
use crate::settings::{CONTAINERS, Cidr, Settings};
use crate::vocabulary::InstanceType;

/// The image of the built-in container template: small, and with a shell to enter.
pub const DEFAULT_IMAGE: &str = "debian:stable-slim";
/// The name of the built-in template of containers.
pub const CONTAINER_TEMPLATE: &str = "container";
/// The name of the built-in template of VMs.
pub const VM_TEMPLATE: &str = "vm";
/// The name of the container in the built-in template.
pub const CONTAINER: &str = "instance";

/// The most ConfigMaps and the most Secrets that a user can make in a cluster: enough for people, too few to fill etcd.
const OTHERS: u32 = 100;
/// The most Services that a user can make in a cluster, besides those for each instance. Addresses of Services are
/// scarce.
const SERVICES: u32 = 10;
/// The most Services that a user can make for each instance, up to [`OTHERS`] in all.
const SERVICES_OF_INSTANCE: u32 = 2;
/// The most `ControllerRevisions` of an instance. Ten are kept (`cmp-instances` allows no more). The Pod, the last
/// template and the next template have one each. One more is made before an old one is removed.
const REVISIONS: u32 = 14;

/// The most `VirtualMachineRestores` of an instance. One at a time is in progress, and the plugin deletes it afterwards.
const RESTORES: u32 = 2;

/// Builds a map of labels or annotations.
pub fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Returns the Namespace of a cluster at its creation: no instance name is open yet.
pub fn namespace(
    user: &UserName,
    cluster: &ClusterName,
    kind: InstanceType,
    size: &Resources,
    nonce: &str,
) -> Namespace {
    let mut labels = pairs([
        (keys::OWNER, user.as_str()),
        (keys::CLUSTER, cluster.as_str()),
        (keys::TYPE, kind.as_str()),
        (keys::MANAGED_BY, keys::MANAGER),
    ]);
    // Pod Security refuses a KubeVirt launcher at restricted, and admits it at baseline.
    labels.extend(pairs([
        ("pod-security.kubernetes.io/enforce", "baseline"),
        ("pod-security.kubernetes.io/warn", "baseline"),
    ]));
    Namespace {
        metadata: ObjectMeta {
            name: Some(cluster.namespace()),
            labels: Some(labels),
            annotations: Some(pairs([(keys::COUNT, "0"), (keys::SIZE, &size.to_string()), (keys::NONCE, nonce)])),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// Returns the metadata of an object of ours in the Namespace of a cluster.
fn own_metadata(cluster: &ClusterName) -> ObjectMeta {
    ObjectMeta {
        name: Some(keys::FENCE_NAME.to_owned()),
        namespace: Some(cluster.namespace()),
        labels: Some(pairs([(keys::CLUSTER, cluster.as_str()), (keys::MANAGED_BY, keys::MANAGER)])),
        ..ObjectMeta::default()
    }
}

/// Returns the metadata of a fence: the uid of its Namespace, and the nonce of the write.
fn fence_metadata(cluster: &ClusterName, uid: &str, nonce: &str) -> ObjectMeta {
    let annotations = Some(pairs([(keys::MADE_FOR, uid), (keys::NONCE, nonce)]));
    ObjectMeta { annotations, ..own_metadata(cluster) }
}

/// Returns the amounts that the ResourceQuota of a cluster allows.
pub fn hard(kind: InstanceType, shape: &Shape) -> Amounts {
    let mut hard = Amounts::new();
    for (name, amount) in shape.size.iter() {
        // The verdict has refused a charge that does not fit. If such a charge arrives here all the same, nothing is
        // allowed.
        let runs = !shape.released || is_kept(name);
        let charge = amount.checked_mul(shape.count).filter(|_| runs).unwrap_or(Quantity::ZERO);
        match (kind, name.as_str()) {
            // The requests of a launcher's Pod differ from the size that its guest sees.
            // Kubernetes counts snapshots, and not their bytes.
            (InstanceType::Vm, CPU | MEMORY | EPHEMERAL_STORAGE) | (_, SNAPSHOT_STORAGE) => {}
            (InstanceType::Container, CPU | MEMORY | EPHEMERAL_STORAGE) => {
                hard.insert(format!("requests.{name}"), charge);
                hard.insert(format!("limits.{name}"), charge);
            }
            // Kubernetes counts storage and extended resources by their requests alone.
            _ => {
                hard.insert(format!("requests.{name}"), charge);
            }
        }
    }
    hard.entry(format!("requests.{STORAGE}")).or_insert(Quantity::ZERO);
    // A StatefulSet exists while its instance is off; the VirtualMachineInstance of a VM does not. The names of the
    // StatefulSets limit their number exactly, so this count leaves room for more. Kubernetes counts a creation that
    // was refused as AlreadyExists until it recounts, minutes later. Two clients that create the same instances would
    // otherwise run into the limit.
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
        ("count/services", SERVICES.saturating_add(shape.count.saturating_mul(SERVICES_OF_INSTANCE)).min(OTHERS)),
        ("count/configmaps", OTHERS),
        ("count/secrets", OTHERS),
        ("count/persistentvolumeclaims", OTHERS.max(shape.count)),
        (instances, count),
    ] {
        hard.insert(key.to_owned(), Quantity::whole(amount));
    }
    // Each snapshot is of one claim, and no claim is larger than the disk. A definition that is not installed has no
    // count, so a cluster without room has none of these names. The policy `cmp-user-objects` allows no snapshot there.
    if kind == InstanceType::Vm && shape.size.named(SNAPSHOT_STORAGE).is_some() {
        let snapshots = shape.size.snapshots().saturating_mul(shape.count);
        hard.insert("count/volumesnapshots.snapshot.storage.k8s.io".to_owned(), Quantity::whole(snapshots));
        hard.insert("count/virtualmachinesnapshots.snapshot.kubevirt.io".to_owned(), Quantity::whole(snapshots));
        let restores = shape.count.saturating_mul(RESTORES);
        hard.insert("count/virtualmachinerestores.snapshot.kubevirt.io".to_owned(), Quantity::whole(restores));
    }
    if kind == InstanceType::Container {
        // The revisions of an instance that is off stay.
        let revisions = shape.count.saturating_mul(REVISIONS);
        hard.insert("count/controllerrevisions.apps".to_owned(), Quantity::whole(revisions));
    }
    hard
}

/// Returns the ResourceQuota of a cluster: the second fence around the count.
pub fn resource_quota(
    cluster: &ClusterName,
    kind: InstanceType,
    shape: &Shape,
    uid: &str,
    nonce: &str,
) -> ResourceQuota {
    ResourceQuota {
        metadata: fence_metadata(cluster, uid, nonce),
        spec: Some(ResourceQuotaSpec { hard: Some(stored(hard(kind, shape))), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    }
}

/// Returns the amounts in the LimitRange of a cluster, as `<type>.<rule>.<resource>`.
pub fn limits(kind: InstanceType, size: &Resources, settings: &Settings) -> Amounts {
    let mut limits = Amounts::new();
    for (name, amount) in size.iter() {
        match (kind, name.as_str()) {
            // A launcher's Pod has containers that its owner does not see. Each of them is bounded, not their sum.
            (InstanceType::Vm, CPU | MEMORY | EPHEMERAL_STORAGE) | (_, SNAPSHOT_STORAGE) => {}
            (_, STORAGE) => {
                limits.insert(format!("PersistentVolumeClaim.max.{name}"), amount);
            }
            _ => {
                limits.insert(format!("Pod.max.{name}"), amount);
            }
        }
    }
    // The disk that a container writes to is bounded, whether the size names it or not. Each container of a Pod then
    // has a limit, and the kubelet holds `emptyDir` volumes to that limit, too.
    let named = size.named(EPHEMERAL_STORAGE);
    let each = named.unwrap_or(settings.ephemeral_storage);
    limits.insert(format!("Container.max.{EPHEMERAL_STORAGE}"), each);
    limits.insert(format!("Container.default.{EPHEMERAL_STORAGE}"), each);
    // A limit of 0 would mean no limit, so the minimum is above 0. If the size does not name the resource, a policy
    // forbids everybody to set a limit. No request is set then, because a node would otherwise take fewer instances
    // than before.
    let least = if named.is_some() { Quantity::mebibytes(1).min(each) } else { Quantity::ZERO };
    limits.insert(format!("Container.defaultRequest.{EPHEMERAL_STORAGE}"), least);
    if named.is_some() {
        limits.insert(format!("Container.min.{EPHEMERAL_STORAGE}"), least);
    } else if kind == InstanceType::Container {
        let all = each.checked_mul(CONTAINERS).unwrap_or(each);
        limits.insert(format!("Pod.max.{EPHEMERAL_STORAGE}"), all);
    }
    if kind == InstanceType::Container {
        // A limit of 0 would mean no limit, so the minimum of each container is above 0. Missing amounts are filled in
        // by default.
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

/// Returns the LimitRange of a cluster: the fence around the size. Kubernetes sums a Pod's containers for it, including
/// sidecars, init containers and pod-level resources.
pub fn limit_range(
    cluster: &ClusterName,
    kind: InstanceType,
    size: &Resources,
    settings: &Settings,
    uid: &str,
    nonce: &str,
) -> LimitRange {
    let limits = limits(kind, size, settings);
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
        metadata: fence_metadata(cluster, uid, nonce),
        spec: Some(LimitRangeSpec { limits: items.filter(|item| item.max.is_some() || item.min.is_some()).collect() }),
    }
}

/// Returns the amounts of a LimitRange that was read, in the form of [`limits`]. Returns `None` if an amount cannot be
/// read.
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

/// The Namespaces of KubeVirt: as installed by its own manifests, by its operator of operators, and by OpenShift. No
/// user can have a Namespace of such a name.
const KUBEVIRT_NAMESPACES: [&str; 3] = ["kubevirt", "kubevirt-hyperconverged", "openshift-cnv"];

/// Returns the egress rule for closed ranges: instances may connect to all Pods and to all other addresses. The rule
/// names Pods explicitly, because some networks do not match the address of a Pod against an address range.
fn egress(denied: &[Cidr]) -> NetworkPolicyEgressRule {
    let pods = NetworkPolicyPeer { namespace_selector: Some(LabelSelector::default()), ..NetworkPolicyPeer::default() };
    let blocks = [("0.0.0.0/0", false), ("::/0", true)].map(|(all, v6)| {
        let except: Vec<String> = denied.iter().filter(|cidr| cidr.is_v6() == v6).map(ToString::to_string).collect();
        let except = Some(except).filter(|except| !except.is_empty());
        NetworkPolicyPeer { ip_block: Some(IPBlock { cidr: all.to_owned(), except }), ..NetworkPolicyPeer::default() }
    });
    NetworkPolicyEgressRule { to: Some([pods].into_iter().chain(blocks).collect()), ports: None }
}

/// The port on which CDI's Pod beside a new disk receives the copy of another one.
const CDI_UPLOAD: i32 = 8443;

/// Returns the NetworkPolicy of a cluster of `user`. No traffic comes in from other Namespaces, and none goes out to the
/// ranges that the administrator has closed.
///
/// For VMs, virt-api may connect, because it forwards their owner's connections (`ssh` and `port-forward`). For
/// Pods, the kubelet forwards such connections, and no NetworkPolicy applies to it. CDI's Pods beside the disks of the same
/// owner may send copies of them.
pub fn network_policy(
    user: &UserName,
    cluster: &ClusterName,
    kind: InstanceType,
    settings: &Settings,
) -> NetworkPolicy {
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
    let mut ingress = vec![NetworkPolicyIngressRule { from: Some(from), ports: None }];
    if kind == InstanceType::Vm {
        let copier = NetworkPolicyPeer {
            namespace_selector: Some(labelled(keys::OWNER, user.as_str())),
            pod_selector: Some(labelled("cdi.kubevirt.io", "cdi-clone-source")),
            ..NetworkPolicyPeer::default()
        };
        let port = NetworkPolicyPort {
            port: Some(IntOrString::Int(CDI_UPLOAD)),
            // The default. The spec is compared with the stored one.
            protocol: Some("TCP".to_owned()),
            ..NetworkPolicyPort::default()
        };
        ingress.push(NetworkPolicyIngressRule { from: Some(vec![copier]), ports: Some(vec![port]) });
    }
    let closed = !settings.deny_egress_to.is_empty();
    let directions = [Some("Ingress"), closed.then_some("Egress")];
    NetworkPolicy {
        metadata: own_metadata(cluster),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(directions.into_iter().flatten().map(str::to_owned).collect()),
            ingress: Some(ingress),
            egress: closed.then(|| vec![egress(&settings.deny_egress_to)]),
        }),
    }
}

/// Returns the ServiceAccount that the instances run under. It has no rights and no token to lose.
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

/// Returns the ClusterRole of a user in a cluster of this type.
pub fn role(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::Container => keys::CONTAINER_ROLE,
        InstanceType::Vm => keys::VM_ROLE,
    }
}

/// Returns the RoleBinding that gives the owner access.
pub fn role_binding(user: &UserName, cluster: &ClusterName, kind: InstanceType) -> RoleBinding {
    bound(cluster, keys::BINDING_NAME, role(kind), user.as_str(), keys::USERS_NAMESPACE)
}

/// Returns the RoleBinding by which cmp-webhook suspends and resumes instances. It exists only in clusters that have a
/// schedule.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{name, shape, size};
    use crate::quantity::amounts_of;

    fn user() -> UserName {
        "john".parse().unwrap()
    }

    fn listed(amounts: &Amounts) -> String {
        amounts.iter().map(|(key, amount)| format!("{key}={amount}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_fences_are_the_charge_and_the_size() {
        let charged = shape(3, "cpu=2,memory=4Gi,nvidia.com/gpu=1,storage=10Gi");
        assert_eq!(
            listed(&hard(InstanceType::Container, &charged)),
            "count/configmaps=100 count/controllerrevisions.apps=42 count/persistentvolumeclaims=100 \
             count/secrets=100 count/services=16 count/statefulsets.apps=106 limits.cpu=6 limits.memory=12Gi requests.cpu=6 requests.memory=12Gi \
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
            listed(&limits(InstanceType::Container, &charged.size, &Settings::default())),
            "Container.default.cpu=100m Container.default.ephemeral-storage=10Gi Container.default.memory=64Mi \
             Container.defaultRequest.cpu=100m Container.defaultRequest.ephemeral-storage=0 \
             Container.defaultRequest.memory=64Mi Container.max.ephemeral-storage=10Gi Container.min.cpu=1m \
             Container.min.memory=1Mi PersistentVolumeClaim.max.storage=10Gi Pod.max.cpu=2 \
             Pod.max.ephemeral-storage=40Gi Pod.max.memory=4Gi Pod.max.nvidia.com/gpu=1"
        );
        let kept = shape(3, "cpu=2,memory=4Gi,storage=10Gi,snapshot-storage=20Gi");
        for released in [false, true] {
            let vms = listed(&hard(InstanceType::Vm, &Shape { released, ..kept.clone() }));
            let counts = "count/virtualmachinerestores.snapshot.kubevirt.io=6 count/virtualmachinesnapshots.snapshot.kubevirt.io=6";
            assert!(vms.contains(counts) && vms.contains("count/volumesnapshots.snapshot.storage.k8s.io=6"), "{vms}");
            assert!(vms.contains("requests.storage=30Gi") && !vms.contains("snapshot-storage="), "{vms}");
        }
        assert!(!listed(&hard(InstanceType::Vm, &charged)).contains("snapshot"), "no room, and no name to count");
        let of_claims = listed(&limits(InstanceType::Vm, &kept.size, &Settings::default()));
        assert!(of_claims.contains("PersistentVolumeClaim.max.storage=10Gi"), "{of_claims}");
        assert!(!of_claims.contains("snapshot-storage"), "{of_claims}");
        let small = limits(InstanceType::Container, &size("cpu=50m,memory=32Mi"), &Settings::default());
        assert_eq!(small["Container.default.cpu"].to_string(), "50m");
    }

    #[test]
    fn a_fence_that_is_read_back_says_the_same() {
        let shape = shape(3, "cpu=2,memory=4Gi,storage=10Gi");
        for kind in [InstanceType::Container, InstanceType::Vm] {
            let settings = Settings::default();
            let range = limit_range(&name("web"), kind, &shape.size, &settings, "u", "1");
            assert_eq!(limits_of(&range), Some(limits(kind, &shape.size, &settings)));
            let quota = resource_quota(&name("web"), kind, &shape, "u", "1");
            assert_eq!(amounts_of(quota.spec.unwrap().hard.as_ref()), Some(hard(kind, &shape)));
        }
    }

    #[test]
    fn ingress_is_allowed_from_the_namespace_and_for_vms_from_virt_api_and_for_copies() {
        let ingress = |kind| {
            let policy = network_policy(&user(), &name("web"), kind, &Settings::default());
            assert_eq!(policy.metadata.namespace.as_deref(), Some("web-ns"));
            serde_json::to_value(policy.spec).unwrap()["ingress"].clone()
        };
        let same = serde_json::json!({ "podSelector": {} });
        assert_eq!(ingress(InstanceType::Container), serde_json::json!([{ "from": [same] }]));
        let virt_api = serde_json::json!({
            // Both selectors are in one peer, so that a Pod with this label in another Namespace is not let in.
            "namespaceSelector": { "matchExpressions": [{
                "key": "kubernetes.io/metadata.name", "operator": "In",
                "values": ["kubevirt", "kubevirt-hyperconverged", "openshift-cnv"],
            }] },
            "podSelector": { "matchLabels": { "kubevirt.io": "virt-api" } },
        });
        // The copier is of the same owner, and connects to one port.
        let copier = serde_json::json!({
            "namespaceSelector": { "matchLabels": { "kubectl-cmp.dev/owner": "john" } },
            "podSelector": { "matchLabels": { "cdi.kubevirt.io": "cdi-clone-source" } },
        });
        assert_eq!(
            ingress(InstanceType::Vm),
            serde_json::json!([{ "from": [same, virt_api] }, { "from": [copier], "ports": [{ "port": 8443, "protocol": "TCP" }] }])
        );
    }

    #[test]
    fn ephemeral_storage_is_always_limited() {
        let of = |kind, text: &str| {
            let limits = limits(kind, &size(text), &Settings::default());
            let limits: Amounts = limits.into_iter().filter(|(key, _)| key.ends_with(EPHEMERAL_STORAGE)).collect();
            listed(&limits).replace(".ephemeral-storage", "")
        };
        assert_eq!(
            of(InstanceType::Container, "cpu=1,memory=1Gi,ephemeral-storage=2Gi"),
            "Container.default=2Gi Container.defaultRequest=1Mi Container.max=2Gi Container.min=1Mi Pod.max=2Gi"
        );
        assert_eq!(
            of(InstanceType::Vm, "cpu=1,memory=1Gi,ephemeral-storage=2Gi"),
            "Container.default=2Gi Container.defaultRequest=1Mi Container.max=2Gi Container.min=1Mi"
        );
        assert_eq!(
            of(InstanceType::Vm, "cpu=1,memory=1Gi"),
            "Container.default=10Gi Container.defaultRequest=0 Container.max=10Gi"
        );
        let shape = shape(3, "cpu=1,memory=1Gi,ephemeral-storage=2Gi");
        let charged = listed(&hard(InstanceType::Container, &shape));
        assert!(charged.contains("limits.ephemeral-storage=6Gi"), "{charged}");
        assert!(charged.contains("requests.ephemeral-storage=6Gi"), "{charged}");
        let released = listed(&hard(InstanceType::Container, &Shape { released: true, ..shape }));
        assert!(released.contains("limits.ephemeral-storage=0"), "{released}");
    }

    /// The account bounds clusters and instances exactly, and so the Services of a user over all namespaces.
    #[test]
    fn the_services_of_a_user_are_bounded_by_clusters_and_instances() {
        let policy = crate::account::Policy::default();
        assert_eq!((policy.clusters, policy.instances), (100, 1000), "docs/SECURITY.md says 3000 Services");
        for kind in [InstanceType::Container, InstanceType::Vm] {
            for count in [0, 1, 10, 44, 45, 46, 1000] {
                let hard = hard(kind, &shape(count, "cpu=1,memory=1Gi"));
                let bound = Quantity::whole(SERVICES + SERVICES_OF_INSTANCE * count);
                assert!(
                    hard["count/services"] <= bound && hard["count/services"] <= Quantity::whole(OTHERS),
                    "{count}"
                );
            }
        }
    }

    #[test]
    fn egress_excludes_the_ranges_that_an_administrator_denies() {
        let denied = ["169.254.0.0/16", "10.0.0.7/32", "fd00:ec2::254/128"];
        let settings = Settings {
            deny_egress_to: denied.iter().map(|cidr| cidr.parse().unwrap()).collect(),
            ..Settings::default()
        };
        let spec = serde_json::to_value(network_policy(&user(), &name("web"), InstanceType::Container, &settings).spec)
            .unwrap();
        assert_eq!(spec["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
        assert_eq!(
            spec["egress"],
            serde_json::json!([{ "to": [
                { "namespaceSelector": {} },
                { "ipBlock": { "cidr": "0.0.0.0/0", "except": ["169.254.0.0/16", "10.0.0.7/32"] } },
                { "ipBlock": { "cidr": "::/0", "except": ["fd00:ec2::254/128"] } },
            ] }])
        );
        let open = network_policy(&user(), &name("web"), InstanceType::Container, &Settings::default()).spec.unwrap();
        assert_eq!((open.egress, open.policy_types), (None, Some(vec!["Ingress".to_owned()])));
    }
}
