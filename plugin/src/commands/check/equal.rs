//! Comparison of an object with its manifest.

use futures::future::try_join_all;
use kube::api::DynamicObject;
use kube::{Client, ResourceExt};
use serde_json::Value;

use cmp_client::probes::NAME;

use crate::error::CliError;
use crate::manifests::Manifest;

/// Returns the first field in which the stored object differs from the manifest, if there is one.
pub(super) async fn difference(client: &Client, manifest: &Manifest) -> Result<Option<String>, CliError> {
    let objects = manifest.peers(client);
    let Some(stored) = objects.get(&manifest.object.name_any()).await? else {
        return Ok(Some("it is missing".to_owned()));
    };
    // The API server fills in defaults, which are no difference. A dry run under a free name fills them into the
    // manifest, too.
    let mut ours = manifest.object.clone();
    ours.metadata.name = Some(NAME.to_owned());
    let ours = objects.imagine(&ours).await?;
    let found = unequal("", &comparable_fields(&ours)?, &comparable_fields(&stored)?);
    Ok(found.map(|path| format!("{} was changed after the installation", path.trim_start_matches('.'))))
}

/// The objects that were compared with their manifests.
pub(super) struct Compared {
    pub(super) count: usize,
    /// The first difference of each object that has one, with its title.
    pub(super) differing: Vec<String>,
}

/// Compares the stored objects with these manifests.
pub(super) async fn compare(client: &Client, manifests: impl Iterator<Item = &Manifest>) -> Result<Compared, CliError> {
    let compared = manifests.map(|manifest| async {
        let difference = difference(client, manifest).await?;
        let place = manifest.object.namespace().map_or_else(String::new, |namespace| format!(" in {namespace}"));
        Ok::<_, CliError>(difference.map(|difference| format!("{}{place}: {difference}", manifest.title())))
    });
    let compared = try_join_all(compared).await?;
    Ok(Compared { count: compared.len(), differing: compared.into_iter().flatten().collect() })
}

/// Returns the object without its metadata and status, and without the `caBundle` that cmp-webhook writes.
fn comparable_fields(object: &DynamicObject) -> Result<Value, CliError> {
    let mut value = serde_json::to_value(object).map_err(|error| CliError::internal(&error.to_string()))?;
    if let Some(fields) = value.as_object_mut() {
        for field in ["metadata", "status"] {
            fields.remove(field);
        }
    }
    for webhook in value.get_mut("webhooks").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(asked) = webhook.get_mut("clientConfig").and_then(Value::as_object_mut) {
            asked.remove("caBundle");
        }
    }
    Ok(value)
}

/// Returns the path of the first difference between two values.
fn unequal(path: &str, ours: &Value, theirs: &Value) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let more = theirs.keys().filter(|key| !ours.contains_key(*key));
            ours.keys().chain(more).find_map(|key| {
                let (ours, theirs) = (ours.get(key).unwrap_or(&Value::Null), theirs.get(key).unwrap_or(&Value::Null));
                unequal(&format!("{path}.{key}"), ours, theirs)
            })
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            let mut pairs = ours.iter().zip(theirs).enumerate();
            pairs.find_map(|(at, (ours, theirs))| unequal(&format!("{path}[{at}]"), ours, theirs))
        }
        (ours, theirs) => (ours != theirs).then(|| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let ours = json!({ "spec": { "rules": [{ "a": 1 }, { "b": 2 }] } });
        let check = |theirs: Value, expected: Option<&str>| {
            assert_eq!(unequal("", &ours, &theirs).as_deref(), expected);
        };
        check(ours.clone(), None);
        check(json!({ "spec": { "rules": [{ "a": 1 }, { "b": 3 }] } }), Some(".spec.rules[1].b"));
        check(json!({ "spec": { "rules": [{ "a": 1 }] } }), Some(".spec.rules"));
        check(json!({ "spec": { "rules": [{ "a": 1 }, { "b": 2 }], "more": 1 } }), Some(".spec.more"));
        check(json!({}), Some(".spec"));
    }
}
