//! The rules for labels.

use super::at::At;
use super::text::{label_value, qualified_name};
use crate::template::rules::Checked;

/// Checks labels: their keys and their values.
pub(super) fn check(labels: &At<'_>) -> Checked {
    for (key, value) in labels.entries() {
        labels.key_passes(key, qualified_name(key))?;
        labels.below(key, value).passes(label_value)?;
    }
    Ok(())
}
