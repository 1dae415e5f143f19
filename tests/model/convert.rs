//! Conversions between the small numbers of the model and the types that production uses.

use std::sync::Arc;
use std::time::Duration;

use cmp_core::account::change::Change;
use cmp_core::account::{self};
use cmp_core::controller::{self, Observation, Step};
use cmp_core::evidence::{self, Remains};
use cmp_core::fences::{Fences, ObjectVersion, ObservedFence, ObservedNamespace, Reserved};
use cmp_core::manifest;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::quantity::Quantity;
use cmp_core::resources::Resources;
use cmp_core::settings::Settings;
use cmp_core::template::Template;
use cmp_core::verdict;
use cmp_core::vocabulary::InstanceType;
use jiff::Timestamp;

use crate::known::{Known, answer};
use crate::world::{Account, Damaged, Held, Namespace, Shape};

const WINDOW: Duration = Duration::from_secs(90);

fn web() -> ClusterName {
    "web".parse().unwrap()
}

fn user() -> UserName {
    "john".parse().unwrap()
}

fn size(cpu: u8) -> Resources {
    Resources::new(Quantity::whole(cpu.into()), Quantity::mebibytes(1))
}

/// Converts a shape. A released shape has size 0 in the model; its instances would have size 1, the least there is.
fn shaped(shape: Shape) -> account::Shape {
    account::Shape { count: shape.count.into(), size: size(shape.limits()), released: shape.size == 0 }
}

/// Converts a shape back from count and size.
pub(crate) fn shape(shape: &account::Shape) -> Shape {
    let cpu = (0..=9).find(|cpu| Quantity::whole(u32::from(*cpu)) == shape.size.cpu()).unwrap();
    let least = cpu <= 1 || shape.count == 0;
    assert!(!shape.released || least, "released shapes are of the least size in this model");
    Shape { count: u8::try_from(shape.count).unwrap(), size: if shape.released { 0 } else { cpu } }
}

/// Converts a reserved shape back from the annotation of a Namespace.
pub(crate) fn reserved(reserved: &Reserved) -> Option<Shape> {
    match reserved {
        Reserved::Shape(reserved) => Some(shape(reserved)),
        Reserved::Nothing | Reserved::Unreadable => None,
    }
}

fn uid(uid: u8) -> String {
    if uid == 0 { String::new() } else { format!("namespace-{uid}") }
}

/// Reports whether the text is the uid of that Namespace.
pub(crate) fn is_uid(model: u8, text: &str) -> bool {
    uid(model) == text
}

fn number(uid: &str) -> u8 {
    uid.rsplit_once('-').map_or(0, |(_, number)| number.parse().unwrap())
}

fn want(model: Shape) -> account::Want {
    let account::Shape { count, size, released } = shaped(model);
    account::Want { released, ..account::Want::new(InstanceType::Container, count, size) }
}

fn account(model: &Account) -> account::Account {
    let uid_of = |number: u8| format!("account-{number}");
    let mut account = account::Account {
        user: user(),
        uid: uid_of(model.uid),
        quota: Resources::new(Quantity::whole(model.quota.into()), Quantity::mebibytes(100)),
        policy: account::Policy::default(),
        clusters: [].into(),
        settled: model.settled.then(|| uid_of(model.uid)),
        opaque: Vec::new(),
    };
    let entry = account::Entry {
        want: model.want.filter(|_| model.damaged != Some(Damaged::Want)).map(want),
        held: model
            .held
            .filter(|_| model.damaged != Some(Damaged::Held))
            .map(|held| account::Held::of(&uid(held.uid), InstanceType::Container, shaped(held.shape), held.state)),
        delete: model.delete.map(uid),
        refused: (model.refused && model.damaged != Some(Damaged::Refused))
            .then(|| account::Refused { reason: "no".to_owned(), at: Timestamp::UNIX_EPOCH }),
        ..account::Entry::default()
    };
    account.clusters.insert(web(), entry.into());
    if model.other > 0 {
        let other =
            account::Entry { want: Some(want(Shape { count: model.other, size: 1 })), ..account::Entry::default() };
        account.clusters.insert("db".parse().unwrap(), other.into());
    }
    account
}

fn back(account: &account::Account, model: &Account) -> Account {
    let entry = account.cluster(&web());
    Account {
        want: entry.want.map(|want| shape(&want.shape())),
        held: entry.held.map(|held| Held { uid: number(&held.uid), shape: shape(&held.shape()), state: held.state }),
        delete: entry.delete.map(|uid| number(&uid)),
        refused: entry.refused.is_some(),
        damaged: None,
        settled: account.is_settled(),
        ..*model
    }
}

/// Returns the change that mends the damaged value.
pub(crate) fn mended(model: &Account) -> Change {
    let key = match model.damaged {
        Some(Damaged::Want) => "want.web",
        Some(Damaged::Held) => "held.web",
        _ => "refused.web",
    };
    let damaged = account::Unreadable { key: key.to_owned(), why: "damaged".to_owned() };
    account(model).mend(&[damaged], Timestamp::UNIX_EPOCH).unwrap()
}

/// Reports whether the account is told why a step failed.
pub(crate) fn is_told(model: &Account) -> bool {
    controller::report(&account(model), &web(), "denied", Timestamp::UNIX_EPOCH).is_some()
}

/// Reports whether cmp-webhook lets this change pass.
pub(crate) fn judged(old: &Account, new: &Account) -> bool {
    thread_local! {
        static KNOWN: Known<[Account; 2], bool> = Known::default();
    }
    answer(&KNOWN, [*old, *new], |_| verdict::judge(Some(&account(old)), &account(new)).is_ok())
}

/// Returns the account after a change.
pub(crate) fn changed(model: &Account, change: &Change) -> Account {
    back(&change.apply(&account(model)).unwrap(), model)
}

fn namespace(model: &Namespace) -> ObservedNamespace {
    ObservedNamespace {
        uid: uid(model.uid),
        owner: Some(user()),
        cluster: Some(web()),
        kind: Some(InstanceType::Container),
        count: Some(model.open.count.into()),
        size: Some(size(model.open.limits())),
        released: model.open.size == 0,
        reserved: model.reserved.map_or(Reserved::Nothing, |reserved| Reserved::Shape(shaped(reserved))),
        ready: model.ready,
        deleting: model.deleting,
        left: None,
        newer: None,
        created: None,
        version: ObjectVersion::default(),
    }
}

/// Returns the account after its Namespaces have been looked up.
pub(crate) fn settled(model: &Account, found: Option<&Namespace>) -> Account {
    let found: Vec<ObservedNamespace> = found.map(namespace).into_iter().collect();
    changed(model, &controller::settle(&account(model), &found))
}

fn decided(seen: Option<&Namespace>, model: &Account, waited: bool) -> Step {
    let kind = InstanceType::Container;
    // A ResourceQuota that is not in force is one that kube-controller-manager has seen and does not count.
    let fence = |amounts, in_force| {
        let uncounted = if in_force { Vec::new() } else { vec!["count/pods".to_owned()] };
        ObservedFence { amounts: Some(amounts), in_force, uncounted, ..ObservedFence::default() }
    };
    let fences = Fences {
        namespace: seen.map(namespace),
        quota: seen.and_then(|seen| seen.quota.map(|shape| fence(manifest::hard(kind, &shaped(shape)), seen.in_force))),
        limits: seen
            .and_then(|seen| seen.limits)
            .map(|limits| fence(manifest::limits(kind, &size(limits), &Settings::default()), true)),
        network_policy: true,
        service_account: true,
        role_binding: seen.is_some_and(|seen| seen.binding),
        schedule_binding: false,
    };
    let (account, cluster) = (account(model), web());
    let unchanged_for = if waited { WINDOW } else { Duration::ZERO };
    let settings = Settings::default();
    let seen =
        Observation { account: &account, cluster: &cluster, fences: &fences, unchanged_for, settings: &settings };
    controller::next_step(&seen, WINDOW, Timestamp::UNIX_EPOCH)
}

/// Returns the step that production decides.
pub(crate) fn next_step(seen: Option<&Namespace>, model: &Account, waited: bool) -> Arc<Step> {
    thread_local! {
        static KNOWN: Known<(Option<Namespace>, Account, bool), Arc<Step>> = Known::default();
    }
    answer(&KNOWN, (seen.copied(), *model, waited), |_| Arc::new(decided(seen, model, waited)))
}

/// Reports whether the instances fit, by the evidence function that judges the lists.
pub(crate) fn fits(instances: &[Option<u8>; 2], to: Shape) -> bool {
    thread_local! {
        static KNOWN: Known<([Option<u8>; 2], Shape), bool> = Known::default();
    }
    answer(&KNOWN, (*instances, to), |_| {
        evidence::fits(&remains(instances), InstanceType::Container, &shaped(to)).is_ok()
    })
}

/// Returns the change that holds only what is left in a Namespace in deletion, if the evidence allows it.
pub(crate) fn lowered_deleted(instances: &[Option<u8>; 2], held: &account::Held) -> Option<Change> {
    let needed = evidence::needed_in_deletion(&remains(instances), &held.shape()).ok()?;
    Some(controller::lower_deleted(&web(), held, needed))
}

/// Returns the objects of these instances.
fn remains(instances: &[Option<u8>; 2]) -> Remains {
    let mut remains = Remains::default();
    for (index, cpu) in instances.iter().enumerate() {
        let Some(cpu) = cpu else { continue };
        let name = web().instance(u32::try_from(index).unwrap());
        let blueprint = Template::container().blueprint(&want(Shape { count: 2, size: *cpu })).unwrap();
        let set = blueprint.stateful_set(&name).unwrap();
        let spec = set.spec.as_ref().and_then(|spec| spec.template.spec.clone());
        let pod = k8s_openapi::api::core::v1::Pod { spec, ..Default::default() };
        remains.sets.push(set);
        remains.pods.push(pod);
    }
    remains
}
