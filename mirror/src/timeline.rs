//! Derives what began, ended and continued, from the previous and the current state.
//!
//! During observation, every change ends one period and begins another. There is no observation while the mirror is
//! down, or while the API server does not answer. A state that is unchanged after such a gap has continued if its
//! [evidence](Fact::evidence) is the same. A change in between would have left a trace there. Everything else is
//! unknown during the gap, and the gap counts as nothing.

use std::collections::BTreeMap;

/// A place, which is a Namespace or a user, and the identifier of the item in that place.
pub type Key = (String, String);

/// A value that holds at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<V> {
    /// The value as it was observed.
    pub value: V,
    /// Numbers that the API server would have changed, had the value been different in between. Nobody else writes
    /// them.
    pub evidence: String,
}

/// A fact that began at a known time, in milliseconds since 1970, and still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<V> {
    /// The fact that holds.
    pub fact: Fact<V>,
    /// The time of its beginning.
    pub from: i64,
}

/// A change to write to the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<V> {
    /// The fact held from `from` until `until`; if both are equal, it never held.
    End {
        /// The item whose fact ends.
        key: Key,
        /// The begin of the period.
        from: i64,
        /// The end of the period.
        until: i64,
    },
    /// The fact holds from `from` on.
    Begin {
        /// The item whose fact begins.
        key: Key,
        /// The fact that holds from now on.
        fact: Fact<V>,
        /// The begin of the period.
        from: i64,
    },
    /// The fact continues with new evidence.
    Note {
        /// The item whose evidence changed.
        key: Key,
        /// The evidence from now on.
        evidence: String,
    },
}

/// The places that an observation covers completely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// The observation covers all places.
    Everywhere,
    /// The observation covers this place alone.
    Place(&'a str),
}

/// The open facts of many items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline<V>(BTreeMap<Key, Open<V>>);

impl<V> Default for Timeline<V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<V> FromIterator<(Key, Open<V>)> for Timeline<V> {
    fn from_iter<I: IntoIterator<Item = (Key, Open<V>)>>(open: I) -> Self {
        Self(open.into_iter().collect())
    }
}

impl<V: Clone + PartialEq> Timeline<V> {
    /// Applies an observation at the time `at`. `unwatched_since` is the begin of a gap in observation; `None` means no
    /// gap.
    pub fn see(
        &mut self,
        scope: Scope<'_>,
        seen: impl IntoIterator<Item = (Key, Fact<V>)>,
        at: i64,
        unwatched_since: Option<i64>,
    ) -> Vec<Step<V>> {
        let mut seen: BTreeMap<Key, Fact<V>> = seen.into_iter().collect();
        // An end that nobody observed is dated to the last observation.
        let until = unwatched_since.unwrap_or(at);
        let (mut steps, mut ended) = (Vec::new(), Vec::new());
        let within: Box<dyn Iterator<Item = (&Key, &mut Open<V>)>> = match scope {
            Scope::Everywhere => Box::new(self.0.iter_mut()),
            Scope::Place(place) => {
                let first = (place.to_owned(), String::new());
                Box::new(self.0.range_mut(first..).take_while(move |((at, _), _)| at == place))
            }
        };
        for (key, open) in within {
            match seen.remove(key) {
                Some(now) if now == open.fact => {}
                Some(now) if now.value == open.fact.value && unwatched_since.is_none() => {
                    open.fact.evidence.clone_from(&now.evidence);
                    steps.push(Step::Note { key: key.clone(), evidence: now.evidence });
                }
                Some(now) => {
                    steps.push(Step::End { key: key.clone(), from: open.from, until });
                    *open = Open { fact: now.clone(), from: at };
                    steps.push(Step::Begin { key: key.clone(), fact: now, from: at });
                }
                None => {
                    steps.push(Step::End { key: key.clone(), from: open.from, until });
                    ended.push(key.clone());
                }
            }
        }
        for key in ended {
            self.0.remove(&key);
        }
        for (key, fact) in seen {
            self.0.insert(key.clone(), Open { fact: fact.clone(), from: at });
            steps.push(Step::Begin { key, fact, from: at });
        }
        steps
    }

    /// Returns the number of open facts.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Reports whether there are no open facts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
