//! The refusal of a wish, with its text and its hints.

use std::fmt;

use crate::account::{Account, Unreadable};
use crate::budget::returns;
use crate::verdict::Denial;

/// The refusal of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The cause, which the message describes.
    pub cause: Cause,
    /// The next steps, in the order in which they are printed.
    pub hints: Vec<String>,
}

/// The cause of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The wish contradicts itself or the present state. The text is the whole message.
    #[error("{0}")]
    Wish(String),
    /// The verdict on the account.
    #[error(transparent)]
    Denied(#[from] Denial),
    /// An object that the wish names does not exist.
    #[error("{kind} {name:?} not found")]
    NotFound {
        /// The kind of the object, in the words of the command line.
        kind: &'static str,
        /// The name of the object.
        name: String,
    },
    /// A plan that should be possible cannot be made.
    #[error("internal: {0}")]
    Internal(String),
}

impl Refusal {
    /// Returns a refusal of the wish, without hints.
    pub fn wish(message: impl Into<String>) -> Self {
        Cause::Wish(message.into()).into()
    }

    /// Returns a refusal that names a missing object.
    pub fn not_found(kind: &'static str, name: impl Into<String>) -> Self {
        Cause::NotFound { kind, name: name.into() }.into()
    }

    /// Returns the refusal of a change of this account. The hints name the exceeded resources that come back.
    pub fn denied(account: &Account, denial: Denial) -> Self {
        let returns = returns(account).unwrap_or_default();
        let hints = returns.iter().filter_map(|back| back.hint(|name| denial.exceeds(name))).collect();
        Self { cause: denial.into(), hints }
    }

    /// Adds a hint about the next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self { cause, hints: Vec::new() }
    }
}

/// A change of an account that was read is readable again, so this is not expected.
impl From<Unreadable> for Refusal {
    fn from(unreadable: Unreadable) -> Self {
        Cause::Internal(unreadable.to_string()).into()
    }
}

impl fmt::Display for Refusal {
    /// Writes the message and the hints, one a line, as the tables of the tests compare them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cause)?;
        self.hints.iter().try_for_each(|hint| write!(f, "\nhint: {hint}"))
    }
}
