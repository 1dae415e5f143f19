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

fn cluster(object: &Value) -> Result<ClusterRequest, String> {
    if object["kind"] != "Cluster" || object["apiVersion"] != keys::API_VERSION {
        return Err(plain::other_type(object, "a Cluster"));
    }
    let name: ClusterName = match &object["metadata"]["name"] {
        Value::String(name) => name.parse().map_err(|error: cmp_core::name::InvalidName| error.to_string())?,
        _ => return Err("a cluster has no metadata.name".to_owned()),
    };
    let about = |why: String| format!("cluster {name}: {why}");
    let Value::Object(mut spec) = object["spec"].clone() else { return Err(about("spec is missing".to_owned())) };
    spec.retain(|_, value| !value.is_null());
    let owner: Option<UserName> = match spec.remove("owner") {
        None => None,
        Some(owner) => Some(serde_json::from_value(owner).map_err(|error| about(format!("spec.owner: {error}")))?),
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
    let mut want: Want =
        format::typed(Value::Object(spec)).map_err(|error| about(format!("spec: {}", plain::typed(&error))))?;
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
    Ok(ClusterRequest { wish: Wish { name, want, off, expired_timer, typed, unmade: false }, patch: None, owner })
}

/// Reads labels or annotations in the metadata of an object.
fn pairs(object: &Value, field: &str) -> Result<labels::Pairs, String> {
    match &object["metadata"][field] {
        Value::Null => Ok(labels::Pairs::new()),
        pairs => serde_json::from_value(pairs.clone())
            .map_err(|error| format!("metadata.{field}: {}", plain::typed(&error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        check(
            json!({ "labels": ["a"] }),
            json!({}),
            "cluster web: metadata.labels: invalid type: sequence, expected an object",
        );
    }
}
