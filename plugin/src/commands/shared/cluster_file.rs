//! Clusters in files: `create cluster -f` reads the output of `get clusters -o yaml`.

use jiff::Timestamp;
use serde_json::{Value, json};

use cmp_core::account::Want;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::create::Wish;
use cmp_core::powered_off::PoweredOff;
use cmp_core::resources::ResourceName;
use cmp_core::schedule::Schedule;
use cmp_core::template::built_in_type;
use cmp_core::vocabulary::{InstanceType, Trigger};
use cmp_core::{format, keys, labels};

use crate::args::values::check;
use crate::commands::shared::create_cluster::ClusterRequest;
use crate::commands::shared::objects;
use crate::error::CliError;
use crate::plain;

/// Reads clusters from documents or lists of them. It ignores their Namespaces and their states. `owner` takes
/// precedence over an owner in the file.
pub(crate) fn read(path: &str, owner: Option<&UserName>) -> Result<Vec<ClusterRequest>, CliError> {
    let about = |why: &str| CliError::user(format!("--filename {path}: {why}"));
    let mut asked: Vec<ClusterRequest> = Vec::new();
    for object in objects::read(path)? {
        let one = of_object(&object, owner).map_err(|why| about(&why))?;
        if asked.iter().any(|earlier| earlier.wish.name == one.wish.name) {
            return Err(about(&format!("cluster {} appears twice in the file", one.wish.name)));
        }
        asked.push(one);
    }
    if asked.is_empty() {
        return Err(about("the file has no cluster"));
    }
    Ok(asked)
}

/// Reads one cluster. `owner` takes precedence over an owner in the object.
pub(crate) fn of_object(object: &Value, owner: Option<&UserName>) -> Result<ClusterRequest, String> {
    let mut one = cluster(object)?;
    one.owner = owner.cloned().or(one.owner);
    let (name, want) = (&one.wish.name, &mut one.wish.want);
    // `get clusters -o yaml` prints the labels of the Namespace, too. They are made anew.
    want.labels.retain(|key, value| !labels::is_of_namespace(key, value));
    labels::judge(None, want).map_err(|invalid| format!("cluster {name}: metadata.{invalid}"))?;
    Ok(one)
}

/// Reads an edited cluster. `opened` is the object that was edited, of the want `before`.
pub(crate) fn edited(
    object: &Value,
    (name, owner): (&ClusterName, &UserName),
    before: &Want,
    opened: &Value,
) -> Result<Want, String> {
    let fixed = |field: &str| Err(format!("{field} cannot be changed: create another cluster, then delete this one"));
    // A missing field must not mean its default here.
    let spec = &object["spec"];
    if let Some(field) = ["type", "count", "size"].into_iter().find(|field| spec[*field].is_null()) {
        return Err(format!("spec.{field} is missing"));
    }
    let ClusterRequest { wish, owner: given, .. } = cluster(object)?;
    if wish.name != *name {
        return fixed("metadata.name");
    }
    if given.is_some_and(|given| given != *owner) {
        return fixed("spec.owner");
    }
    if !spec["instances"].is_null() {
        return Err("spec.instances cannot be edited: use kubectl cmp start, stop, suspend and resume".to_owned());
    }
    // An unchanged schedule goes on. A changed one starts now.
    let schedule =
        if spec["schedule"] == opened["spec"]["schedule"] { before.schedule.clone() } else { wish.want.schedule };
    let (released, kept) = (before.released, before.kept.clone());
    let want = Want { schedule, released, kept, ..wish.want };
    labels::judge(Some(before), &want).map_err(|invalid| format!("metadata.{invalid}"))?;
    Ok(want)
}

fn cluster(object: &Value) -> Result<ClusterRequest, String> {
    if object["kind"] != "Cluster" || object["apiVersion"] != keys::API_VERSION {
        return Err(plain::other_type(object, "a Cluster"));
    }
    let name: ClusterName = match &object["metadata"]["name"] {
        Value::String(name) => name.parse().map_err(|error: cmp_core::name::InvalidName| error.to_string())?,
        Value::Null => return Err("a cluster has no metadata.name".to_owned()),
        other => {
            return Err(format!("metadata.name of a cluster is {other}: write a name, in quotes if it is a number"));
        }
    };
    let about = |why: String| format!("cluster {name}: {why}");
    let Value::Object(mut spec) = object["spec"].clone() else { return Err(about("spec is missing".to_owned())) };
    spec.retain(|_, value| !value.is_null());
    let owner: Option<UserName> = match spec.remove("owner") {
        None => None,
        Some(owner) => Some(format::typed(owner, "spec.owner").map_err(about)?),
    };
    // A file written by hand may omit fields whose flags have defaults.
    spec.entry("count").or_insert(json!(1));
    let typed = spec.contains_key("type");
    spec.entry("type").or_insert(json!("container"));
    // A built-in template is the default and needs no name.
    if spec.get("template").and_then(Value::as_str).is_some_and(|name| built_in_type(name).is_some()) {
        spec.remove("template");
    }
    if let Some(field) = ["labels", "annotations"].into_iter().find(|field| spec.contains_key(*field)) {
        return Err(about(format!("spec: there is no field {field:?}: it belongs to metadata")));
    }
    // The field describes how the instances are created. The want does not keep it.
    let off = spec.remove("instances");
    let mut want: Want = format::typed(Value::Object(spec), "spec").map_err(about)?;
    want.labels = pairs(object, "labels").map_err(about)?;
    want.annotations = pairs(object, "annotations").map_err(about)?;
    if let Some(Err(invalid)) = want.size.unknown().map(|name| name.as_str().parse::<ResourceName>()) {
        return Err(about(format!("spec.size: {invalid}")));
    }
    check(&want).map_err(|why| about(format!("spec.{why}")))?;
    // A cluster that is created now has missed no transition, and an expired timer is not set again.
    let now = Timestamp::now();
    let expired_timer = want.schedule.as_ref().and_then(|schedule| schedule.expired_timer(now));
    want.schedule = want.schedule.map(|schedule| schedule.renewed(now)).filter(|left| *left != Schedule::default());
    if let Some(schedule) = &want.schedule {
        // The type may follow from the template.
        let kind = if typed { want.kind } else { InstanceType::Vm };
        schedule.check(kind).map_err(|invalid| about(format!("spec.{invalid}")))?;
    }
    let off = off.map(|off| PoweredOff::read(&off, want.count)).transpose();
    let mut off = off.map_err(|why| about(format!("spec.instances{why}")))?.unwrap_or_default();
    let wakes = |trigger| want.schedule.as_ref().is_some_and(|schedule| schedule.wakes(trigger));
    for trigger in Trigger::ALL.into_iter().filter(|trigger| !wakes(*trigger)) {
        off.forget(trigger);
    }
    Ok(ClusterRequest { wish: Wish { off, expired_timer, ..Wish::new(name, want, typed) }, patch: None, owner })
}

/// Reads labels or annotations in the metadata of an object.
fn pairs(object: &Value, field: &str) -> Result<labels::Pairs, String> {
    match &object["metadata"][field] {
        Value::Null => Ok(labels::Pairs::new()),
        pairs => serde_json::from_value(pairs.clone())
            .map_err(|error| format!("metadata.{field}: {}", cmp_core::plain::plain(&error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_cluster_keeps_what_the_file_does_not_show() {
        let (name, owner): (ClusterName, UserName) = ("web".parse().unwrap(), "john".parse().unwrap());
        let schedule = json!({ "suspend": "0 19 * * *", "since": "2026-01-01T00:00:00Z" });
        let spec = json!({ "owner": "john", "type": "container", "count": 3, "size": { "cpu": "1", "memory": "1Gi" },
            "template": "container", "schedule": schedule });
        let opened =
            json!({ "apiVersion": keys::API_VERSION, "kind": "Cluster", "metadata": { "name": "web" }, "spec": spec });
        let before = Want { released: true, ..cluster(&opened).unwrap().wish.want };
        let before = Want { schedule: serde_json::from_value(schedule).unwrap(), ..before };
        let edit = |pointer: &str, value: Value| {
            let mut object = opened.clone();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[key] = value;
            edited(&object, (&name, &owner), &before, &opened)
        };
        assert_eq!(edit("/spec/owner", Value::Null), Ok(before.clone()));
        assert_eq!(edit("/spec/count", json!(4)), Ok(Want { count: 4, ..before.clone() }));
        let labels = [("a".to_owned(), "b".to_owned())].into();
        assert_eq!(edit("/metadata/labels", json!({ "a": "b" })), Ok(Want { labels, ..before.clone() }));
        let renewed = edit("/spec/schedule", json!({ "suspend": "0 20 * * *" })).unwrap().schedule.unwrap();
        assert!(renewed.suspend == ["0 20 * * *"] && Some(renewed) != before.schedule);
        for (pointer, value, expected) in [
            ("/spec/count", Value::Null, "spec.count is missing"),
            ("/spec/type", Value::Null, "spec.type is missing"),
            ("/spec/owner", json!("mary"), "spec.owner cannot be changed"),
            ("/metadata/name", json!("db"), "metadata.name cannot be changed"),
            ("/spec/instances", json!({}), "spec.instances cannot be edited"),
            ("/spec/coutn", json!(1), "cluster web: spec: there is no field \"coutn\""),
            ("/metadata/labels", json!({ "kubectl-cmp.dev/owner": "mary" }), "metadata.labels: the key"),
            ("/kind", json!("Pod"), "the file has a \"Pod\""),
        ] {
            let said = edit(pointer, value).unwrap_err();
            assert!(said.starts_with(expected), "{pointer}: {said}");
        }
    }

    #[test]
    fn labels_are_read_from_the_metadata_without_those_of_the_namespace() {
        let check = |metadata: Value, spec: Value, expected: &str| {
            let (mut metadata, mut all) = (metadata, json!({ "size": { "cpu": "1", "memory": "1Gi" } }));
            metadata["name"] = json!("web");
            all.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            let object =
                json!({ "apiVersion": keys::API_VERSION, "kind": "Cluster", "metadata": metadata, "spec": all });
            let read = of_object(&object, None).map(|one| json!([one.wish.want.labels, one.wish.want.annotations]));
            assert_eq!(read.map_or_else(|why| why, |read| read.to_string()), expected);
        };
        check(json!({}), json!({}), "[{},{}]");
        let all = json!({ "labels": { "app": "web", "kubectl-cmp.dev/owner": "john", "kubernetes.io/metadata.name": "web-ns" },
            "annotations": { "note": "a b" } });
        check(all, json!({}), r#"[{"app":"web"},{"note":"a b"}]"#);
        let invalid = "cluster web: metadata.labels: the value \"a b\" must be up to 63 letters, digits, '-', '_' and '.', \
                       starting and ending with a letter or digit";
        check(json!({ "labels": { "app": "a b" } }), json!({}), invalid);
        check(
            json!({ "annotations": { "kubectl-cmp.dev/a": "" } }),
            json!({}),
            "cluster web: metadata.annotations: the key \"kubectl-cmp.dev/a\" is reserved for cmp: use another domain, or none",
        );
        check(
            json!({}),
            json!({ "labels": {} }),
            "cluster web: spec: there is no field \"labels\": it belongs to metadata",
        );
        check(json!({ "labels": ["a"] }), json!({}), "cluster web: metadata.labels: expected an object, got a list");
    }
}
