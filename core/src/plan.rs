//! The plans of the commands that change something.
//!
//! Each verb has a pure function from the wish of the user and the observed state to a plan, or to a [`Refusal`]. A plan
//! lists the steps in their order, with all values. The plugin carries them out and decides nothing. If the steps depend on
//! the result of an earlier one, such as the account that was written, another function of the plan returns them. A write
//! of an account is planned anew for each version of the account that it is tried on.

pub mod amounts;
pub mod copy;
pub mod create;
pub mod create_user;
pub mod delete;
pub mod describe;
pub mod edit;
pub mod killed;
pub mod label;
pub mod lifecycle;
pub mod loss;
pub mod outcome;
pub mod prepare;
pub mod quota;
pub mod refusal;
pub mod release;
pub mod resize;
pub mod restart;
pub mod scale;
pub mod schedule;
pub mod snapshot;
pub mod template;
pub mod token;
pub mod user;
pub mod wait;
pub mod write;

pub use outcome::Outcome;
pub use refusal::{Cause, Refusal};
pub use write::Write;

#[cfg(test)]
mod tests;
