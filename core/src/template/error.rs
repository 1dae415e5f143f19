//! The error in a template, or in the result of a want.

use std::fmt;

/// An error in a template, or in the result of a want.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// The number of the operation in the JSON Patch that caused the error, from 1.
    pub operation: Option<usize>,
    /// The field of the Pod: `spec.hostNetwork`.
    pub field: String,
    /// The error, and the remedy. It follows the field in a sentence.
    pub why: String,
    /// Whether Kubernetes itself calls the field invalid. The error then has the form of the API server.
    pub invalid: bool,
}

impl TemplateError {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { operation: None, field: field.into(), why: why.into(), invalid: false }
    }

    /// Returns the error about a field that Kubernetes calls invalid.
    pub(super) fn invalid(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { invalid: true, ..Self::new(field, why) }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(operation) = self.operation {
            write!(f, "operation {operation}: ")?;
        }
        let colon = if self.invalid { ":" } else { "" };
        write!(f, "{}{colon} {}", self.field, self.why)
    }
}
