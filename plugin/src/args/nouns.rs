//! The words for types of objects: singular, plural and short name, as kubectl has them.

/// A type of object, and its words on the command line.
struct Noun {
    /// The type in a sentence.
    what: &'static str,
    words: &'static [&'static str],
}

const NOUNS: [Noun; 9] = [
    Noun { what: "a cluster", words: &["cluster", "clusters", "cl"] },
    Noun { what: "an instance", words: &["instance", "instances", "in"] },
    Noun { what: "a user", words: &["user", "users", "us"] },
    Noun { what: "a token", words: &["token", "tokens", "tok"] },
    Noun { what: "a template", words: &["template", "templates", "tpl"] },
    Noun { what: "a schedule", words: &["schedule", "schedules", "sched"] },
    Noun { what: "a snapshot", words: &["snapshot", "snapshots", "snap"] },
    Noun { what: "a quota", words: &["quota", "quotas"] },
    Noun { what: "prices", words: &["prices", "price"] },
];

/// Returns the type that a word stands for, if it is the word for one.
pub(crate) fn noun(word: &str) -> Option<&'static str> {
    NOUNS.iter().find(|noun| noun.words.contains(&word)).map(|noun| noun.what)
}

/// Reports whether a word is the word for a type of object.
pub(crate) fn is_noun(word: &str) -> bool {
    noun(word).is_some()
}

/// Returns the other words for the type that a word stands for.
pub(crate) fn synonyms(word: &str) -> impl Iterator<Item = &'static str> {
    let noun = NOUNS.iter().find(|noun| noun.words.contains(&word));
    noun.map_or(&[][..], |noun| noun.words).iter().copied().filter(move |other| *other != word)
}
