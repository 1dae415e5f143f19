//! Patches: a list is a JSON Patch (RFC 6902), an object is a merge patch (RFC 7396), as in `kubectl patch`.

use json_patch::PatchOperation;
use serde_json::Value;

use super::error::TemplateError;
use crate::plain::plain;

/// Applies a patch to an object.
pub(super) fn apply(object: &mut Value, patch: &Value) -> Result<(), TemplateError> {
    match patch {
        Value::Array(operations) => {
            let read: Result<Vec<PatchOperation>, TemplateError> = operations
                .iter()
                .enumerate()
                .map(|(at, operation)| {
                    serde_json::from_value(operation.clone()).map_err(|error| {
                        of(
                            at,
                            operation,
                            &format!("is not an operation of a JSON Patch: {}", plain(&error.to_string())),
                        )
                    })
                })
                .collect();
            json_patch::patch(object, &read?).map_err(|error| {
                let operation = operations.get(error.operation).unwrap_or(&Value::Null);
                of(error.operation, operation, &format!("does not apply: {}", error.kind))
            })
        }
        Value::Object(_) => {
            json_patch::merge(object, patch);
            Ok(())
        }
        _ => Err(TemplateError::new("the patch", "is neither a list (JSON Patch) nor an object (merge patch)")),
    }
}

/// Returns the error of one operation.
fn of(at: usize, operation: &Value, why: &str) -> TemplateError {
    let word = |key: &str| operation[key].as_str().unwrap_or_default().to_owned();
    let field = format!("{} {}", word("op"), word("path"));
    let field = if field == " " { operation.to_string() } else { field };
    TemplateError { operation: Some(at + 1), ..TemplateError::new(field, why) }
}
