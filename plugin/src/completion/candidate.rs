//! A candidate for the next word.

/// One candidate, with an optional description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) text: String,
    pub(super) about: Option<String>,
}

impl Candidate {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), about: None }
    }

    pub(super) fn about(text: impl Into<String>, about: impl Into<String>) -> Self {
        Self { text: text.into(), about: Some(about.into()) }
    }
}
