//! Labels and annotations of a cluster: Kubernetes' rules for them, their limits, and the labels that a selector sees.

use std::collections::BTreeMap;

use crate::account::Want;
use crate::keys;
use crate::template::validation::text::{label_value, qualified_name};

/// The most labels of a cluster.
pub const MOST_LABELS: usize = 32;

/// The most bytes of all annotations of a cluster, keys and values together.
pub const MOST_ANNOTATIONS: usize = 4096;

/// The longest key or value that a message repeats, in characters.
const LONGEST: usize = 64;

/// Labels or annotations, each value by its key.
pub type Pairs = BTreeMap<String, String>;

/// The two fields of pairs that a cluster has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The labels.
    Labels,
    /// The annotations.
    Annotations,
}

/// The reason why a cluster may not have such labels or annotations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}")]
pub struct Invalid {
    /// The field, and the key or the value in it.
    pub field: String,
    /// The error, and the remedy.
    pub why: String,
}

impl Field {
    /// Returns the name of the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Annotations => "annotations",
        }
    }

    /// Returns the word for one pair of the field.
    pub fn one(self) -> &'static str {
        match self {
            Self::Labels => "label",
            Self::Annotations => "annotation",
        }
    }

    /// Returns the pairs in a want.
    pub fn of(self, want: &Want) -> &Pairs {
        match self {
            Self::Labels => &want.labels,
            Self::Annotations => &want.annotations,
        }
    }

    /// Returns the want with other pairs in this field.
    pub fn set(self, want: &Want, pairs: Pairs) -> Want {
        match self {
            Self::Labels => Want { labels: pairs, ..want.clone() },
            Self::Annotations => Want { annotations: pairs, ..want.clone() },
        }
    }

    fn invalid(self, what: &str, text: &str, why: &str) -> Invalid {
        let short: String = text.chars().take(LONGEST).collect();
        Invalid { field: format!("{}: the {what} {short:?}", self.as_str()), why: why.to_owned() }
    }

    /// Checks one key.
    pub fn check_key(self, key: &str) -> Result<(), Invalid> {
        // Kubernetes takes annotations whose domain has capital letters.
        let form = match self {
            Self::Labels => qualified_name(key),
            Self::Annotations => qualified_name(&key.to_lowercase()),
        };
        form.map_err(|why| self.invalid("key", key, why))?;
        if is_reserved(key) {
            return Err(self.invalid("key", key, "is reserved for cmp: use another domain, or none"));
        }
        Ok(())
    }

    /// Checks one pair.
    pub fn check(self, key: &str, value: &str) -> Result<(), Invalid> {
        self.check_key(key)?;
        match self {
            Self::Labels => label_value(value).map_err(|why| self.invalid("value", value, why)),
            Self::Annotations => Ok(()),
        }
    }
}

/// Reports whether a key is in the domain of cmp, or below it. Such a label on a cluster could be taken for one that cmp
/// put on its Namespace.
pub fn is_reserved(key: &str) -> bool {
    let key = key.to_lowercase();
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    let own = keys::PREFIX.trim_end_matches('/');
    domain.strip_suffix(own).is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

/// Reports whether a label comes from the Namespace that cmp makes. A file with it does not ask for it.
pub fn is_of_namespace(key: &str, value: &str) -> bool {
    is_reserved(key)
        || key == keys::NAMESPACE_NAME
        || key.starts_with(keys::POD_SECURITY)
        || (key == keys::MANAGED_BY && value == keys::MANAGER)
}

/// Judges the labels and annotations of a want that follows another one.
///
/// Pairs that were stored while nobody was asked may stay, and any of them can be removed.
pub fn judge(before: Option<&Want>, after: &Want) -> Result<(), Invalid> {
    let nothing = Pairs::new();
    for field in [Field::Labels, Field::Annotations] {
        let (was, is) = (before.map_or(&nothing, |want| field.of(want)), field.of(after));
        is.iter()
            .filter(|(key, value)| was.get(*key) != Some(value))
            .try_for_each(|(key, value)| field.check(key, value))?;
    }
    let count = |want: &Want| want.labels.len();
    if count(after) > MOST_LABELS && before.is_none_or(|before| count(after) > count(before)) {
        let why = format!("are {}: the maximum is {MOST_LABELS}", count(after));
        return Err(Invalid { field: Field::Labels.as_str().to_owned(), why });
    }
    let length = |want: &Want| want.annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    if length(after) > MOST_ANNOTATIONS && before.is_none_or(|before| length(after) > length(before)) {
        let why = format!("take {} bytes: the maximum is {MOST_ANNOTATIONS}", length(after));
        return Err(Invalid { field: Field::Annotations.as_str().to_owned(), why });
    }
    Ok(())
}

/// Returns the labels by which a cluster is shown and selected: those of its want, and those of its Namespace. A label
/// of the Namespace takes precedence, because its user cannot write it.
pub fn shown(want: Option<&Want>, of_namespace: Pairs) -> Pairs {
    let mut shown = want.map_or_else(Pairs::new, |want| want.labels.clone());
    shown.extend(of_namespace);
    shown
}

/// Returns the labels by which an instance is shown and selected: its own, and those in the want of its cluster. Its own
/// label takes precedence, because it is about this instance alone. A want may have reserved keys that were stored while
/// nobody was asked. They are left out, so that no want forges a label of cmp.
pub fn of_instance(want: Option<&Want>, own: &Pairs) -> Pairs {
    let of_cluster = want.into_iter().flat_map(|want| &want.labels).filter(|(key, _)| !is_reserved(key));
    let mut shown: Pairs = of_cluster.map(|(key, value)| (key.clone(), value.clone())).collect();
    shown.extend(own.clone());
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::want;

    fn pairs(list: &[(&str, &str)]) -> Pairs {
        list.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn keys_and_values_follow_the_rules_of_kubernetes() {
        for (field, key, value, expected) in [
            (Field::Labels, "app", "web", ""),
            (Field::Labels, "example.com/app", "", ""),
            (Field::Labels, "a b", "c", "labels: the key \"a b\" must be 1 to 63 letters"),
            (Field::Labels, "Example.com/a", "c", "labels: the key \"Example.com/a\" must be 1 to 63 letters"),
            (Field::Labels, "", "c", "labels: the key \"\" must be"),
            (Field::Labels, "a", "b c", "labels: the value \"b c\" must be up to 63 letters"),
            (Field::Annotations, "a", "b c\n", ""),
            (Field::Annotations, "Example.com/a", "", ""),
            (Field::Annotations, "-a", "", "annotations: the key \"-a\" must be 1 to 63 letters"),
            (Field::Labels, "kubectl-cmp.dev/owner", "mary", "labels: the key \"kubectl-cmp.dev/owner\" is reserved"),
            (
                Field::Labels,
                "x.kubectl-cmp.dev/owner",
                "mary",
                "labels: the key \"x.kubectl-cmp.dev/owner\" is reserved",
            ),
            (Field::Annotations, "Kubectl-Cmp.dev/a", "", "annotations: the key \"Kubectl-Cmp.dev/a\" is reserved"),
            (Field::Labels, "not-kubectl-cmp.dev/owner", "mary", ""),
            (Field::Labels, "kubectl-cmp.dev", "mary", ""),
        ] {
            let said = field.check(key, value).err().map(|invalid| invalid.to_string()).unwrap_or_default();
            assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{key}={value}: {said}");
        }
        let long = Field::Labels.check(&"a".repeat(5000), "").unwrap_err();
        assert!(long.field.len() < 100, "{long}");
    }

    #[test]
    fn pairs_that_were_stored_unasked_may_stay_and_be_removed() {
        let many = |count: usize| {
            let labels = (0..count).map(|at| (format!("k{at}"), String::new())).collect();
            Want { labels, ..want(1, "cpu=1,memory=1Gi") }
        };
        let long = |length: usize| Want { annotations: pairs(&[("a", &"x".repeat(length))]), ..many(0) };
        let forged = |more: &[(&str, &str)]| Want {
            labels: pairs(&[&[("kubectl-cmp.dev/owner", "mary")], more].concat()),
            ..many(0)
        };
        for (before, after, expected) in [
            (None, many(32), ""),
            (None, many(33), "labels are 33: the maximum is 32"),
            (Some(many(40)), many(39), ""),
            (Some(many(40)), many(41), "labels are 41: the maximum is 32"),
            (None, long(4095), ""),
            (None, long(4096), "annotations take 4097 bytes: the maximum is 4096"),
            (Some(long(5000)), long(4999), ""),
            (Some(long(5000)), long(5001), "annotations take 5002 bytes: the maximum is 4096"),
            (Some(forged(&[])), forged(&[("a", "b")]), ""),
            (Some(forged(&[])), many(0), ""),
            (
                Some(many(0)),
                forged(&[]),
                "labels: the key \"kubectl-cmp.dev/owner\" is reserved for cmp: use another domain, or none",
            ),
        ] {
            let said = judge(before.as_ref(), &after).err().map(|invalid| invalid.to_string()).unwrap_or_default();
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_label_of_the_namespace_takes_precedence() {
        let web = Want { labels: pairs(&[("app", "web"), ("team", "mine")]), ..want(1, "cpu=1,memory=1Gi") };
        let of_namespace = pairs(&[("team", "blue"), ("kubernetes.io/metadata.name", "web-ns")]);
        let expected = pairs(&[("app", "web"), ("kubernetes.io/metadata.name", "web-ns"), ("team", "blue")]);
        assert_eq!(shown(Some(&web), of_namespace.clone()), expected);
        assert_eq!(shown(None, of_namespace.clone()), of_namespace);
    }

    #[test]
    fn an_instance_has_the_labels_of_its_cluster_besides_its_own() {
        let forged = ("kubectl-cmp.dev/owner", "mary");
        let web = Want { labels: pairs(&[("app", "web"), ("team", "blue"), forged]), ..want(1, "cpu=1,memory=1Gi") };
        let own = pairs(&[("app", "canary"), ("kubectl-cmp.dev/asked", "running")]);
        let expected = pairs(&[("app", "canary"), ("kubectl-cmp.dev/asked", "running"), ("team", "blue")]);
        assert_eq!(of_instance(Some(&web), &own), expected);
        assert_eq!(of_instance(None, &own), own);
    }

    #[test]
    fn labels_of_every_namespace_are_known() {
        let namespace = crate::manifest::namespace(
            &"john".parse().unwrap(),
            &"web".parse().unwrap(),
            crate::vocabulary::InstanceType::Container,
            &crate::account::tests::size("cpu=1,memory=1Gi"),
            "n",
        );
        for (key, value) in namespace.metadata.labels.unwrap() {
            assert!(is_of_namespace(&key, &value), "{key}={value}");
        }
        assert!(is_of_namespace("kubernetes.io/metadata.name", "web-ns"));
        assert!(!is_of_namespace("app", "web") && !is_of_namespace("app.kubernetes.io/managed-by", "helm"));
    }
}
