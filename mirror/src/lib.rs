//! The optional mirror records in a SQLite file what instances were, and for how long.
//!
//! The mirror is a copy, made by observation. It may be deleted at any time and then starts again; only reports read
//! it.
//!
//! | module | does |
//! |---|---|
//! | [`timeline`] | derives what began, ended and continued, from the previous and the current state; pure |
//! | [`world`] | holds what the watches reported, and derives the current state from it; pure |
//! | [`store`] | stores it in a file: one writer, any number of readers |
//! | [`follow`] | watches the cluster, and writes |
//! | [`fetch`] | copies the file of the mirror from the cluster to this machine |

pub mod fetch;
pub mod follow;
pub mod store;
pub mod timeline;
pub mod world;

pub use store::{History, Store, StoreError};
