//! The change of one instance: its outcome.

/// The hint about the other instances, if one does not run again in time.
pub(super) const OTHERS: &str = "the others were not touched; the same command goes on where this one ended";

/// The outcome for one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResizeOutcome {
    /// The instance has that size already.
    Unchanged,
    /// The instance takes the new size when it is switched on.
    Changed,
    /// The instance runs with the new size.
    Restarted,
}
