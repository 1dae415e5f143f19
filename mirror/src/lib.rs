//! The optional mirror: what instances were and for how long, in a file of SQLite.
//!
//! It is a copy, made by looking: it may be deleted at any time and begins anew, and nothing but reports ever reads it.
//!
//! | module | does |
//! |---|---|
//! | [`timeline`] | says what began, ended and went on, from what was so and what is seen now; pure |
//! | [`world`] | keeps what the watches say, and derives from it what is seen; pure |
//! | [`store`] | keeps it in a file: one writer, any number of readers |
//! | [`follow`] | watches the cluster, and writes |
//! | [`fetch`] | brings the file of the mirror in the cluster here |

pub mod fetch;
pub mod follow;
pub mod store;
pub mod timeline;
pub mod world;

pub use store::{History, Store, StoreError};
