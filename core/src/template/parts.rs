//! Parts of a machine: the fields that an object may have, and lists that may be missing.

use serde_json::{Value, json};

use super::error::TemplateError;
use super::rules::{Checked, fields, no};

/// The fields of a `DataVolume` that hold the specification of its claim.
pub(super) const CLAIMS: [&str; 2] = ["pvc", "storage"];

/// Checks that a value is an object with no other fields, or is missing.
pub(super) fn only(path: &str, object: &Value, known: &[&str]) -> Checked {
    if !object.is_null() && !object.is_object() {
        return no(path, "must be an object");
    }
    match fields(object).find(|(key, _)| !known.contains(key)) {
        Some((key, _)) => no(format!("{path}.{key}"), "is not allowed for instances: leave it out"),
        None => Ok(()),
    }
}

/// Returns a list of the machine, which may be missing.
pub(super) fn list<'a>(spec: &'a mut Value, at: &str, key: &str) -> Result<&'a mut Vec<Value>, TemplateError> {
    let wrong = |why| TemplateError::new(format!("spec.template.spec{}.{key}", at.replace('/', ".")), why);
    let parent = spec.pointer_mut(at).and_then(Value::as_object_mut).ok_or_else(|| wrong("is missing"))?;
    let list = parent.entry(key).or_insert(Value::Null);
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().ok_or_else(|| wrong("must be a list"))
}
