//! Names that are valid by construction, so that later code need not check them again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::keys;

/// The most instances of a cluster. The policies in the API server accept no longer index.
pub const MAX_COUNT: u32 = 1000;

/// The reason why a text is not a valid name. The text of the error tells the user what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {rule}")]
pub struct InvalidName {
    text: String,
    what: &'static str,
    rule: String,
}

/// Reports whether a text is a DNS label of Kubernetes (RFC 1123) with a maximum length of our own.
fn is_label(text: &str, longest: usize) -> bool {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= longest
        && bytes.iter().all(|&byte| edge(byte) || byte == b'-')
        && bytes.first().is_some_and(|&byte| edge(byte))
        && bytes.last().is_some_and(|&byte| edge(byte))
}

fn label_rule(longest: usize) -> String {
    format!("use 1 to {longest} of a-z, 0-9 and '-', starting and ending with a letter or digit")
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $longest:literal, $taken:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let invalid = |rule| Err(InvalidName { text: text.to_owned(), what: $what, rule });
                let taken: &[&str] = &$taken;
                if !is_label(text, $longest) {
                    invalid(label_rule($longest))
                } else if taken.contains(&text) {
                    invalid("it is reserved; choose another".to_owned())
                } else {
                    Ok(Self(text.into()))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// The name of a user: a ServiceAccount and a ConfigMap of this name in `cmp-users`. `default` is reserved, because
    /// Kubernetes has its own ServiceAccount of that name there. Kubernetes' ConfigMap `kube-root-ca.crt` needs no
    /// reservation: its name is not a DNS label.
    UserName, "a user name", 63, ["default"]
);
name!(
    /// The name of a cluster; its Namespace is called `<name>-ns`. The nouns of the command line are reserved, so that
    /// `get clusters web` and `get web` can be told apart.
    ClusterName, "a cluster name", 40,
    ["cluster", "clusters", "instance", "instances", "user", "users", "token", "tokens", "template", "templates", "quota"]
);

name!(
    /// The name of a template: a built-in one, or a ConfigMap of this name in `cmp-templates`.
    TemplateName, "the name of a template", 63, []
);

name!(
    /// The name of a snapshot of a cluster. Its objects are called `<name>-<index>`, one for each VM.
    SnapshotName, "the name of a snapshot", 40, []
);

impl UserName {
    /// Returns the user with this Kubernetes username, if it is one of ours.
    pub fn from_username(username: &str) -> Option<Self> {
        username.strip_prefix(keys::USER_PREFIX)?.parse().ok()
    }

    /// Returns the Kubernetes username of this user.
    pub fn username(&self) -> String {
        format!("{}{self}", keys::USER_PREFIX)
    }
}

impl ClusterName {
    /// Returns the name of this cluster's Namespace.
    pub fn namespace(&self) -> String {
        format!("{self}-ns")
    }

    /// Returns the cluster whose Namespace would have this name.
    pub fn from_namespace(namespace: &str) -> Option<Self> {
        namespace.strip_suffix("-ns")?.parse().ok()
    }

    /// Returns the name of the instance with this index.
    pub fn instance(&self, index: u32) -> InstanceName {
        InstanceName { cluster: self.clone(), index }
    }
}

/// The name of an instance, `<cluster>-<index>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName {
    /// The cluster that the instance belongs to.
    pub cluster: ClusterName,
    /// The index of the instance, from 0.
    pub index: u32,
}

impl FromStr for InstanceName {
    type Err = InvalidName;
    /// Parses `web-0` and `web/0`.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName {
            text: text.to_owned(),
            what: "an instance name",
            rule: "use <cluster>-<index> or <cluster>/<index>, such as web-0".to_owned(),
        };
        let (cluster, index) = text.rsplit_once(['-', '/']).ok_or_else(invalid)?;
        let plain = index == "0" || (!index.starts_with('0') && index.bytes().all(|byte| byte.is_ascii_digit()));
        let index = index.parse().ok().filter(|index| plain && *index < MAX_COUNT).ok_or_else(invalid)?;
        Ok(Self { cluster: cluster.parse().map_err(|_| invalid())?, index })
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.cluster, self.index))
    }
}

/// Returns the names of instances of one cluster, each run of indexes as a range: `web-0 to web-2, web-5`. Returns
/// `None` if there are none.
pub(crate) fn ranges(names: &[InstanceName]) -> Option<String> {
    let ranges = names.chunk_by(|one, next| one.index.checked_add(1) == Some(next.index));
    let range = |range: &[InstanceName]| match range {
        [first, .., last] => Some(format!("{first} to {last}")),
        [only] => Some(only.to_string()),
        [] => None,
    };
    let ranges: Vec<String> = ranges.filter_map(range).collect();
    (!ranges.is_empty()).then(|| ranges.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels_of_their_length() {
        for good in ["a", "web", "w3b-2", "0", &"a".repeat(40)] {
            assert_eq!(good.parse::<ClusterName>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", "a/b", &"a".repeat(41), "cluster", "quota"] {
            assert!(bad.parse::<ClusterName>().is_err(), "{bad:?}");
        }
        assert!("default".parse::<UserName>().is_err());
        assert!("kube-root-ca.crt".parse::<UserName>().is_err());
        assert!("cluster".parse::<UserName>().is_ok());
    }

    #[test]
    fn instances_are_named_by_cluster_and_index() {
        let check = |text: &str, expected: Option<(&str, u32)>| {
            let got = text.parse::<InstanceName>().ok();
            assert_eq!(got.as_ref().map(|name| (name.cluster.as_str(), name.index)), expected, "{text:?}");
        };
        check("web-0", Some(("web", 0)));
        check("web/12", Some(("web", 12)));
        check("web-1-2", Some(("web-1", 2)));
        check("web-999", Some(("web", 999)));
        for bad in ["web", "web-", "web-00", "web-01", "web-1000", "web-+1", "-1", "web--1-", "web-99999999999"] {
            check(bad, None);
        }
    }

    #[test]
    fn usernames_and_namespaces_lead_back() {
        let john: UserName = "john".parse().unwrap();
        assert_eq!(UserName::from_username(&john.username()), Some(john));
        assert_eq!(UserName::from_username("system:serviceaccount:cmp-system:cmp-webhook"), None);
        let web: ClusterName = "web".parse().unwrap();
        assert_eq!(web.namespace(), "web-ns");
        assert_eq!(ClusterName::from_namespace("web-ns"), Some(web));
        assert_eq!(ClusterName::from_namespace("web"), None);
    }
}
