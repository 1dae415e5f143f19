//! The protocol of accounts and fences, explored exhaustively.
//!
//! One user with one cluster that is looked after (`web`), and one that only wants (`db`) and spends whatever is given
//! back. What is decided is decided by the functions of this crate that production runs: [`cmp_core::verdict::judge`],
//! [`cmp_core::controller::next_step`] and [`cmp_core::controller::settle`]; how a step is carried out follows
//! `webhook/src/controller/act.rs` write by write. `resourceVersion`s and marks are not counted but kept as "has been
//! written since I read it", so that the states are finite.
//!
//! What the API server is taken to guarantee: writes under a `resourceVersion` fail if the object was written since;
//! a GET is what etcd has; a request that was admitted lands within the window, or never.

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
mod world;
