//! The decisions of `kubectl cmp`, without any I/O.
//!
//! Everything here is decided from values alone: no API call, no clock, no file, no thread. The caller passes in the
//! time and the observed state. The plugin, the webhook and the controllers use the same functions. The plugin's answer
//! before a request and the binding answer to it therefore come from the same lines.
//!
//! | module | decides |
//! |---|---|
//! | [`vocabulary`] | the words that every part shares: types, verbs, modes, triggers |
//! | [`name`] | the valid names of users, clusters and instances |
//! | [`keys`] | the names of everything of ours in Kubernetes |
//! | [`quantity`], [`resources`] | exact amounts, and sizes made of them |
//! | [`account`] | the quota, the wants and the holdings of a user; to and from a ConfigMap |
//! | [`format`] | which stored values are of a newer version, and how they are kept |
//! | [`labels`] | the labels and annotations that a cluster may have |
//! | [`audit`] | whether an account agrees with the cluster |
//! | [`verdict`] | whether a change of an account is allowed |
//! | [`budget`] | how the quota is used, what comes back to it, and how many more instances fit |
//! | [`merge_join`] | a merge join of two sorted lists |
//! | [`fences`] | the Namespace, ResourceQuota and LimitRange of a cluster, as they are observed |
//! | [`controller`] | the next step that brings a cluster to its user's want |
//! | [`story`] | the Events that a change of an account means |
//! | [`deletion`] | the wish to delete a cluster, and whether it is gone |
//! | [`footprint`] | the cost of a Pod |
//! | [`containers`] | StatefulSets and Pods, as far as they are read |
//! | [`evidence`] | whether the remaining objects of a cluster allow `held` to be lowered |
//! | [`state`], [`instance`] | the shown state of an instance |
//! | [`disk`] | how long the disk of an instance stays, and the effect of each mode of a suspension on it |
//! | [`disk_source`] | the sources of a root disk that stays, and the storage that each takes |
//! | [`web_image`] | the addresses from which CDI may download an image |
//! | [`data_disk`] | the claim of a VM beside its root disk, and its mount in the guest |
//! | [`root_disk`] | the root disk of a VM that stays, and the state of its import |
//! | [`snapshot`] | the snapshots of the disks of VMs, and their restore |
//! | [`lifecycle`] | the verbs that apply to an instance, and the patch that executes them |
//! | [`plan`] | the plans of the commands that change something |
//! | [`powered_off`] | which instances of a cluster are off, in a file and when they are made |
//! | [`schedule`] | when a cluster is suspended and resumed automatically |
//! | [`progress`] | the progress of many instances, in one line |
//! | [`load`] | the measured use of instances beside what they ask for |
//! | [`manifest`] | the objects in a cluster's Namespace |
//! | [`template`] | the template of an instance, and the objects that a want makes of it |
//! | [`first_boot`], [`cloud_init`], [`ssh_key`] | the files and keys that a VM finds at its first boot |
//! | [`guest`] | the system in a VM, as its guest agent describes it |
//! | [`kubevirt`] | virtual machines, as far as they are read and written |
//! | [`usage`] | the resources that were used over a time |
//! | [`prices`] | the prices of a site, and their change |

pub mod account;
pub mod audit;
pub mod budget;
pub mod cloud_init;
pub mod containers;
pub mod controller;
pub mod data_disk;
pub mod deletion;
pub mod disk;
pub mod disk_source;
pub mod drain;
pub mod evidence;
pub mod fences;
pub mod first_boot;
pub mod footprint;
pub mod format;
pub mod guest;
pub mod instance;
pub mod keys;
pub mod kubevirt;
pub mod labels;
pub mod lifecycle;
pub mod load;
pub mod manifest;
pub mod merge_join;
pub mod name;
pub mod plain;
pub mod plan;
pub mod powered_off;
pub mod prices;
pub mod progress;
pub mod quantity;
pub mod resources;
pub mod root_disk;
pub mod schedule;
pub mod settings;
pub mod snapshot;
pub mod ssh_key;
pub mod state;
pub mod story;
pub mod switched;
pub mod template;
pub mod usage;
pub mod verdict;
pub mod vocabulary;
pub mod web_image;
