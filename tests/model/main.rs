//! The protocol of accounts and fences, explored exhaustively.
//!
//! There is one user with two clusters. The controllers reconcile `web`. `db` is only a want, which spends any quota
//! that is given back. The decisions come from the functions of `core` that production runs:
//! [`cmp_core::verdict::judge`], [`cmp_core::controller::next_step`] and [`cmp_core::controller::settle`]. The
//! execution of a step follows `webhook/src/controller/act.rs` write by write. `resourceVersion`s and nonces are not
//! counted. The model keeps only whether an object was written since it was read, so that the states are finite.
//!
//! The model assumes three guarantees of the API server:
//!
//! - A write under a `resourceVersion` fails if the object was written since.
//! - A GET returns the object that etcd has.
//! - A request that was admitted lands within the window, or never.

#![allow(
    clippy::unwrap_used,
    clippy::trivially_copy_pass_by_ref,
    clippy::too_many_arguments,
    clippy::type_complexity,
    clippy::struct_excessive_bools,
    reason = "a test, with small states that are passed around"
)]

mod checks;
mod convert;
mod known;
mod world;
