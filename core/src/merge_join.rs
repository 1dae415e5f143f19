//! A merge join of two sorted lists.

use std::cmp::Ordering;

/// Returns every key of either list with the value that each list has for it. Both lists must be sorted by key, without
/// duplicates.
pub fn merge_join<K: Ord, A, B>(
    old: impl IntoIterator<Item = (K, A)>,
    new: impl IntoIterator<Item = (K, B)>,
) -> impl Iterator<Item = (K, Option<A>, Option<B>)> {
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((was, _)), Some((is, _))) => was.cmp(is),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        match order {
            Ordering::Less => old.next().map(|(key, was)| (key, Some(was), None)),
            Ordering::Greater => new.next().map(|(key, is)| (key, None, Some(is))),
            Ordering::Equal => old.next().zip(new.next()).map(|((key, was), (_, is))| (key, Some(was), Some(is))),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_key_appears_once_with_both_values(old: BTreeMap<u8, u8>, new: BTreeMap<u8, u8>) {
            let keys: BTreeSet<u8> = old.keys().chain(new.keys()).copied().collect();
            let expected: Vec<_> = keys.into_iter().map(|key| (key, old.get(&key), new.get(&key))).collect();
            let found: Vec<_> = merge_join(&old, &new).map(|(key, was, is)| (*key, was, is)).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
