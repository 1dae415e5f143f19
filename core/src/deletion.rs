//! The wish to delete a cluster, and the test whether it is gone.

use crate::account::Entry;
use crate::account::change::Change;
use crate::keys::data;
use crate::name::ClusterName;

/// Adds the wish to delete one cluster to a change. Adds nothing if the wish is already there.
///
/// For a cluster that is held, the wish names its uid, which is empty until its Namespace exists. A want that is not
/// held is removed. A refusal that stands alone is removed, so that it is no longer shown.
#[must_use]
pub fn wish(change: Change, cluster: &ClusterName, entry: &Entry) -> Change {
    let Some(uid) = entry.uid() else {
        let change = if entry.exists() { change.want(cluster, None) } else { change };
        return if entry.refused.is_some() { change.refused(cluster, None) } else { change };
    };
    if entry.delete.as_deref() == Some(uid) { change } else { change.delete(cluster, Some(uid)) }
}

/// A cluster whose deletion was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Going {
    /// The uid of its Namespace; empty as long as it is not known, `None` if nothing was held.
    uid: Option<String>,
}

impl Going {
    /// Returns the cluster to wait for, from the entry after [`wish`] was written.
    pub fn of(entry: &Entry) -> Self {
        Self { uid: is_held(entry).then(|| entry.uid().unwrap_or_default().to_owned()) }
    }

    /// Reports whether the cluster is gone in a later version of the account. Another cluster may have taken the name
    /// meanwhile.
    pub fn is_gone(&mut self, entry: &Entry) -> bool {
        let (Some(uid), true) = (&self.uid, is_held(entry)) else { return true };
        // The uid may be in a value of a newer version that cannot be read.
        let Some(now) = entry.uid() else { return false };
        if uid.is_empty() && entry.delete.is_some() {
            self.uid = Some(now.to_owned());
            return false;
        }
        uid != now
    }
}

/// Reports whether something is held for the cluster, if only in a value of a newer version.
fn is_held(entry: &Entry) -> bool {
    entry.held.is_some() || entry.opaque.iter().any(|value| value.key.starts_with(data::HELD))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::account::{Held, HeldState, Opaque, Refused, Shape, Want};
    use crate::quantity::Quantity;
    use crate::resources::Resources;
    use crate::vocabulary::InstanceType;

    /// Reads an entry from text such as `want held:uid delete:uid refused newer.key:uid`.
    fn entry(text: &str) -> Entry {
        let size = Resources::new(Quantity::whole(1), Quantity::mebibytes(1));
        let shape = Shape { count: 1, size: size.clone(), released: false };
        let mut entry = Entry::default();
        for word in text.split_whitespace() {
            match word.split_once(':') {
                None if word == "want" => entry.want = Some(Want::new(InstanceType::Container, 1, size.clone())),
                Some(("held", uid)) => {
                    entry.held = Some(Held::of(uid, InstanceType::Container, shape.clone(), HeldState::Ready));
                }
                Some(("delete", uid)) => entry.delete = Some(uid.to_owned()),
                Some((key @ ("newer.want" | "newer.held"), uid)) => entry.opaque.push(Opaque {
                    key: format!("{}.web", key.trim_start_matches("newer.")),
                    text: String::new(),
                    why: "newer".to_owned(),
                    uid: Some(uid.to_owned()).filter(|uid| *uid != "hidden"),
                }),
                None => entry.refused = Some(Refused { reason: word.to_owned(), at: Timestamp::UNIX_EPOCH }),
                other => panic!("{other:?}"),
            }
        }
        entry
    }

    #[test]
    fn a_deletion_names_the_held_uid() {
        let web: ClusterName = "web".parse().unwrap();
        let check = |is: &str, expected: &[(&str, Option<&str>)]| {
            let change = wish(Change::new(), &web, &entry(is));
            assert_eq!(change.entries().collect::<Vec<_>>(), expected, "{is:?}");
        };
        check("", &[]);
        check("want", &[("want.web", None)]);
        check("refused", &[("refused.web", None)]);
        check("want refused", &[("refused.web", None), ("want.web", None)]);
        check("want held:a", &[("delete.web", Some("a"))]);
        check("held:a", &[("delete.web", Some("a"))]);
        check("want held:a refused", &[("delete.web", Some("a"))]);
        check("want held:", &[("delete.web", Some(""))]);
        check("want held: delete:", &[]);
        check("want held:a delete:a", &[]);
        // The Namespace was found in between, or the wish was meant for an earlier cluster.
        check("want held:a delete:", &[("delete.web", Some("a"))]);
        check("want held:b delete:a", &[("delete.web", Some("b"))]);
        // A cluster of a newer version can be deleted, too.
        check("newer.want:hidden", &[("want.web", None)]);
        check("newer.want:hidden newer.held:a", &[("delete.web", Some("a"))]);
        check("want newer.held:", &[("delete.web", Some(""))]);
    }

    #[test]
    fn another_cluster_of_the_same_name_is_not_waited_for() {
        let check = |asked: &str, later: &[(&str, bool)]| {
            let mut going = Going::of(&entry(asked));
            for (is, gone) in later {
                assert_eq!(going.is_gone(&entry(is)), *gone, "{asked:?}, then {is:?}");
            }
        };
        check("", &[("want held:a", true)]);
        check("want held:a delete:a", &[("want held:a delete:a", false), ("", true)]);
        check("want held:a delete:a", &[("want held:", true)]);
        check("want held:a delete:a", &[("want held:b", true)]);
        check("want held: delete:", &[("want held: delete:", false), ("want held:a delete:a", false), ("", true)]);
        check("want held: delete:", &[("want held:a delete:a", false), ("want held:b", true)]);
        check("want held: delete:", &[("want held:a", true)]);
        check("want held:a delete:a", &[("want newer.held:a delete:a", false), ("want newer.held:b", true)]);
        check("newer.held:hidden", &[("newer.held:hidden", false), ("", true)]);
    }
}
