//! The claim of the mirror. No command deletes it as a side effect, because its records exist nowhere else.

/// Message about the claim that stays when the mirror is removed.
pub(crate) const LEFT: &str = "left: persistentvolumeclaim/cmp-mirror in cmp-system, with the recorded history";
