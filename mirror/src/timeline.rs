//! What began, ended and went on, from what was so before and what is seen now.
//!
//! While somebody looks, everything that changes ends one time and begins another. Nobody looks while the mirror is down, or
//! while the API server does not answer. What is found afterwards as it was before, and could not have been otherwise in
//! between without leaving a trace, has gone on: its [evidence](Fact::evidence) is the same. Of everything else nobody knows
//! what it was meanwhile, and that time is counted as nothing.

use std::collections::BTreeMap;

/// Where something is, a Namespace or a user; and which it is there.
pub type Key = (String, String);

/// Something that is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact<V> {
    /// What.
    pub value: V,
    /// What the API server would have changed, had it been otherwise in between: numbers that nobody but it writes.
    pub evidence: String,
}

/// Something that has been so since a time, in milliseconds since 1970, and still is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<V> {
    /// What.
    pub fact: Fact<V>,
    /// Since when.
    pub from: i64,
}

/// What is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<V> {
    /// It was so from then until then; if both are the same, it was never so.
    End {
        /// Of which.
        key: Key,
        /// Since when it was.
        from: i64,
        /// Until when.
        until: i64,
    },
    /// It is so from then on.
    Begin {
        /// Of which.
        key: Key,
        /// What.
        fact: Fact<V>,
        /// Since when.
        from: i64,
    },
    /// It goes on, with other evidence from here on.
    Note {
        /// Of which.
        key: Key,
        /// The evidence.
        evidence: String,
    },
}

/// What is seen is everything there is of one place, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// All places.
    Everywhere,
    /// This one.
    Place(&'a str),
}

/// What is so, of many things.
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
    /// What is seen at a time. `unwatched_since` says since when nobody had looked; without it, somebody had all along.
    pub fn see(
        &mut self,
        scope: Scope<'_>,
        seen: impl IntoIterator<Item = (Key, Fact<V>)>,
        at: i64,
        unwatched_since: Option<i64>,
    ) -> Vec<Step<V>> {
        let mut seen: BTreeMap<Key, Fact<V>> = seen.into_iter().collect();
        // What nobody saw the end of ended when it was seen last.
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

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
