//! What `kubectl cmp` means, and nothing it does.
//!
//! Everything here is decided from values alone: no API call, no clock, no file, no thread. Whoever needs the
//! time or the world passes it in. The plugin, the webhook and the controllers ask this crate, so that a
//! friendly answer before a request and the binding answer to it come from the same lines.
//!
//! | module | decides |
//! |---|---|
//! | [`name`] | what is a name of a user, a cluster, an instance |
//! | [`keys`] | how everything of ours is called in Kubernetes |
//! | [`quantity`], [`resources`] | exact amounts, and sizes made of them |
//! | [`account`] | what a user may have, wants and holds; to and from a ConfigMap |
//! | [`format`] | which stored values are of a newer version, and how they are kept |
//! | [`audit`] | whether an account says what is there |
//! | [`verdict`] | whether an account may change so |
//! | [`beside`] | two sorted lists, side by side |
//! | [`controller`] | the next step that brings a cluster to what its user wants |
//! | [`deletion`] | how a cluster is asked to go |
//! | [`footprint`] | what a Pod costs |
//! | [`containers`] | StatefulSets and Pods, as far as they are read |
//! | [`evidence`] | whether what is left of a cluster is little enough to give up the rest |
//! | [`state`], [`instance`] | what an instance is shown to be |
//! | [`lifecycle`] | what may be asked of an instance, and what makes it so |
//! | [`off`] | which instances of a cluster are off, in a file and when they are made |
//! | [`schedule`] | when a cluster is suspended and resumed by itself |
//! | [`progress`] | how far many instances have come, in one line |
//! | [`manifest`] | the objects in a cluster's Namespace |
//! | [`template`] | how an instance looks, and what a want makes of it |
//! | [`kubevirt`] | virtual machines, as far as they are read and written |
//! | [`usage`] | what was used over a time |

pub mod account;
pub mod audit;
pub mod beside;
pub mod containers;
pub mod controller;
pub mod deletion;
pub mod evidence;
pub mod footprint;
pub mod format;
pub mod instance;
pub mod keys;
pub mod kubevirt;
pub mod lifecycle;
pub mod manifest;
pub mod name;
pub mod off;
pub mod progress;
pub mod quantity;
pub mod resources;
pub mod schedule;
pub mod settings;
pub mod state;
pub mod template;
pub mod usage;
pub mod verdict;
