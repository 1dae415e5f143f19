//! The keys of one cluster in an account, and their charge.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::held::Held;
use super::shape::Shape;
use super::want::Want;
use crate::format;
use crate::keys::data;
use crate::quantity::Quantity;
use crate::resources::{Resources, is_kept};
use crate::schedule::{LastRun, Schedule};
use crate::vocabulary::InstanceType;

/// The keys of one cluster in an account.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The cluster that its user wants.
    pub want: Option<Want>,
    /// The holding of the cluster.
    pub held: Option<Held>,
    /// The uid of the Namespace whose deletion the user asked for.
    pub delete: Option<String>,
    /// The reason why the last want was taken back.
    pub refused: Option<Refused>,
    /// The transition that its schedule executed last.
    pub scheduled: Option<LastRun>,
    /// The reason why cmp-webhook cannot go on with the cluster.
    pub blocked: Option<Blocked>,
    /// Values of a newer format.
    pub opaque: Vec<Opaque>,
}

impl Entry {
    /// Returns the shape that this cluster is charged for: the larger of want and held.
    pub fn charged(&self) -> Shape {
        let want = self.want.as_ref().map_or_else(Shape::nothing, Want::shape);
        self.held.as_ref().map_or(want.clone(), |held| want.max(&held.shape()))
    }

    /// Returns the number of instances that this cluster is charged for.
    pub fn charged_count(&self) -> u32 {
        let (want, held) = (self.want.as_ref(), self.held.as_ref());
        want.map_or(0, |want| want.count).max(held.map_or(0, |held| held.count))
    }

    /// Returns the charge of this cluster, or `None` if it does not fit.
    pub fn charge(&self) -> Option<Resources> {
        let mut charge = Resources::default();
        self.charge_to(&mut charge)?;
        Some(charge)
    }

    /// Adds the charge of [`charged`](Self::charged) to `sum` without building that shape, because a verdict does this
    /// for every cluster of an account. Returns `None` if the sum does not fit.
    pub(crate) fn charge_to(&self, sum: &mut Resources) -> Option<()> {
        let (want, held) = (self.want.as_ref(), self.held.as_ref());
        let count = self.charged_count();
        let released = want.is_none_or(|want| want.released) && held.is_none_or(|held| held.released);
        let nothing = Resources::default();
        let (want, held) = (want.map_or(&nothing, |want| &want.size), held.map_or(&nothing, |held| &held.size));
        let only_held = held.iter().filter(|(name, _)| !want.contains(name));
        for (name, amount) in want.iter().map(|(name, amount)| (name, amount.max(held.get(name)))).chain(only_held) {
            if !released || is_kept(name) {
                sum.add(name, amount.max(Quantity::ZERO).checked_mul(count)?)?;
            }
        }
        Some(())
    }

    /// Returns the type of the instances, if the cluster is wanted or held.
    pub fn kind(&self) -> Option<InstanceType> {
        self.want.as_ref().map(|want| want.kind).or_else(|| self.held.as_ref().map(|held| held.kind))
    }

    /// Returns the schedule, if any transition of it is still to come or to be retried.
    pub fn schedule(&self) -> Option<&Schedule> {
        let schedule = self.want.as_ref()?.schedule.as_ref()?;
        schedule.is_live(self.scheduled.as_ref()).then_some(schedule)
    }

    /// Reports whether the cluster exists: it is wanted or held.
    pub fn exists(&self) -> bool {
        self.want.is_some() || self.held.is_some() || self.opaque.iter().any(Opaque::is_charged)
    }

    /// Returns the uid of the Namespace. The uid is empty while the cluster is held without a Namespace, and `None` if
    /// nothing is held.
    pub fn uid(&self) -> Option<&str> {
        let opaque = || self.opaque.iter().find(|value| value.key.starts_with(data::HELD))?.uid.as_deref();
        self.held.as_ref().map(|held| held.uid.as_str()).or_else(opaque)
    }

    /// Describes the parts of the want or the holding that a newer version stored; `None` if this version knows all of
    /// it. This version neither grows nor shrinks nor mends such a cluster. Its owner may delete it.
    pub fn newer(&self) -> Option<String> {
        if let Some(opaque) = self.opaque.first() {
            return Some(opaque.to_string());
        }
        let want = self.want.as_ref().map(|want| (data::WANT, want.newer(), &want.size));
        let held = self.held.as_ref().map(|held| (data::HELD, held.kept.newer(), &held.size));
        want.into_iter().chain(held).find_map(|(key, newer, size)| {
            let fields = newer.or_else(|| size.unknown().map(|name| format!("\"size.{name}\"")))?;
            Some(format!("{}: {}", key.trim_end_matches('.'), format::unknown(&fields)))
        })
    }
}

/// A value of a newer format. This version reads its key, and the uid if it can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opaque {
    /// The key in the ConfigMap.
    pub key: String,
    /// The reason why the value cannot be read.
    pub why: String,
    /// The value as it is stored.
    pub text: String,
    /// In `held.*`: the uid of the cluster's Namespace, if it can be read.
    pub uid: Option<String>,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

impl Opaque {
    /// Reports whether the value is a want or a holding. Its cost is unknown to this version.
    pub(super) fn is_charged(&self) -> bool {
        [data::WANT, data::HELD].iter().any(|prefix| self.key.starts_with(prefix))
    }

    pub(super) fn of(key: &str, why: String, text: &str) -> Self {
        #[derive(Deserialize)]
        struct Uid {
            uid: String,
        }
        let uid = serde_json::from_str::<Uid>(text).ok().map(|held| held.uid);
        Self { key: key.to_owned(), why, text: text.to_owned(), uid }
    }
}

/// The reason why a want was taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The reason in a sentence.
    pub reason: String,
    /// The time of the refusal.
    pub at: Timestamp,
}

/// The reason why cmp-webhook cannot go on with a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocked {
    /// The reason in a sentence. It may quote others, and its length is bounded.
    pub reason: String,
    /// The time since which the cluster is blocked.
    pub at: Timestamp,
}
