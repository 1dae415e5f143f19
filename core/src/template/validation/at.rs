//! A field of a Pod with its path, and the errors about it in the form of the API server.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use serde_json::Value;

use crate::template::error::TemplateError;
use crate::template::rules::{self, Checked};

/// The longest value that an error repeats, in characters.
const LONGEST: usize = 200;

/// A field of a Pod: its path, and its value.
pub(super) struct At<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> At<'a> {
    pub(super) fn new(path: impl Into<String>, value: &'a Value) -> Self {
        Self { path: path.into(), value }
    }

    /// Returns the field of this name, which may be missing.
    pub(super) fn child(&self, key: &str) -> Self {
        self.below(key, &self.value[key])
    }

    /// Returns the field of this name with a value that was read already.
    pub(super) fn below(&self, key: &str, value: &'a Value) -> Self {
        Self::new(format!("{}.{key}", self.path), value)
    }

    /// Iterates over the items of a list. A missing list has none.
    pub(super) fn items(&self) -> impl Iterator<Item = Self> + use<'a> {
        let path = self.path.clone();
        rules::items(self.value).map(move |(at, item)| Self::new(format!("{path}[{at}]"), item))
    }

    /// Iterates over the fields of an object. A missing object has none.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        rules::fields(self.value)
    }

    /// Returns the text. A missing one is empty, as in Kubernetes.
    pub(super) fn text(&self) -> &'a str {
        rules::text(self.value)
    }

    pub(super) fn number(&self) -> Option<i64> {
        self.value.as_i64()
    }

    pub(super) fn is_there(&self) -> bool {
        !self.value.is_null()
    }

    pub(super) fn is_true(&self) -> bool {
        *self.value == true
    }

    fn error(&self, why: String) -> Checked {
        Err(TemplateError::invalid(&self.path, why))
    }

    /// Returns the value as JSON. A long one is cut.
    fn shown(value: &Value) -> String {
        let text = value.to_string();
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
            None => text,
        }
    }

    pub(super) fn invalid(&self, why: &str) -> Checked {
        self.error(format!("Invalid value: {}: {why}", Self::shown(self.value)))
    }

    pub(super) fn missing(&self, why: &str) -> Checked {
        self.error(format!("Required value: {why}"))
    }

    pub(super) fn forbidden(&self, why: &str) -> Checked {
        self.error(format!("Forbidden: {why}"))
    }

    pub(super) fn not_found(&self) -> Checked {
        self.error(format!("Not found: {}", Self::shown(self.value)))
    }

    pub(super) fn duplicate(&self) -> Checked {
        self.error(format!("Duplicate value: {}", Self::shown(self.value)))
    }

    /// Checks that there is a text.
    pub(super) fn needed(&self) -> Checked {
        if self.text().is_empty() { self.missing("it must not be empty") } else { Ok(()) }
    }

    /// Checks that the text is one of these words. Kubernetes fills in a missing one.
    pub(super) fn one_of(&self, words: &[&str]) -> Checked {
        if self.text().is_empty() { Ok(()) } else { self.listed(words) }
    }

    /// Checks that the text is one of these words.
    pub(super) fn listed(&self, words: &[&str]) -> Checked {
        if words.contains(&self.text()) {
            return Ok(());
        }
        let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
        self.error(format!("Unsupported value: {}: supported values: {}", Self::shown(self.value), words.join(", ")))
    }

    /// Checks the text against a rule.
    pub(super) fn passes(&self, rule: impl Fn(&str) -> Result<(), &'static str>) -> Checked {
        rule(self.text()).or_else(|why| self.invalid(why))
    }

    /// Passes on the verdict about a key of this object.
    pub(super) fn key_passes(&self, key: &str, verdict: Result<(), &'static str>) -> Checked {
        verdict.or_else(|why| self.error(format!("Invalid value: {}: {why}", Self::shown(&key.into()))))
    }

    /// Checks a number, if there is one.
    pub(super) fn within(&self, range: RangeInclusive<i64>) -> Checked {
        match self.number() {
            Some(number) if !range.contains(&number) && *range.end() == i64::MAX => {
                self.invalid(&format!("must be at least {}", range.start()))
            }
            Some(number) if !range.contains(&number) => {
                self.invalid(&format!("must be between {} and {}", range.start(), range.end()))
            }
            _ => Ok(()),
        }
    }

    /// Checks the id of a user or a group, if there is one.
    pub(super) fn is_id(&self) -> Checked {
        self.within(0..=i64::from(i32::MAX))
    }

    /// Checks the mode of a file, if there is one.
    pub(super) fn is_mode(&self) -> Checked {
        match self.number() {
            Some(mode) if !(0..=0o777).contains(&mode) => self.invalid("must be between 0 and 0777 (octal)"),
            _ => Ok(()),
        }
    }
}

/// Texts that differ from each other.
#[derive(Default)]
pub(super) struct Unique<'a>(BTreeSet<&'a str>);

impl<'a> Unique<'a> {
    /// Adds a text, or refuses the second one that is equal.
    pub(super) fn add(&mut self, at: &At<'a>) -> Checked {
        if self.0.insert(at.text()) { Ok(()) } else { at.duplicate() }
    }

    /// Reports whether the text was not there yet, and adds it.
    pub(super) fn is_new(&mut self, text: &'a str) -> bool {
        self.0.insert(text)
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        self.0.contains(text)
    }
}
