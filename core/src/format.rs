//! Values that a newer version stored: how this version tells them from damage, and how it keeps them.
//!
//! Accounts, their values and the annotations of Namespaces have a format, an integer. A value that names no format is
//! of format 1. A version may add fields without a new format. A value of a new format may look in any way. This
//! version keeps fields that it does not know byte for byte, and leaves a value alone if its format is above
//! [`FORMAT`].

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::keys::data;
use crate::plain::plain;

/// The newest format that this version reads, and the one that it writes.
pub const FORMAT: u32 = 1;

/// The most unknown fields that a message names, and the most characters of each.
const NAMED: usize = 5;
const NAMED_LENGTH: usize = 64;

/// Everything in a stored value that this version does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept(Option<Arc<Original>>);

#[derive(Debug, PartialEq, Eq)]
struct Original {
    /// The value as it was stored.
    text: String,
    /// The known part of the value, as this version writes it.
    known: String,
    /// The unknown fields, as a message lists them.
    fields: Vec<String>,
}

/// The reason why a value cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// No version writes such a value.
    Malformed(String),
    /// The value is of a newer format.
    Newer(String),
}

#[derive(Deserialize)]
struct Format {
    #[serde(default)]
    format: Option<u32>,
}

impl Kept {
    /// Returns the unknown fields, as a message lists them, or `None` if this version knows all of the value.
    pub fn newer(&self) -> Option<String> {
        let fields = &self.0.as_ref()?.fields;
        (!fields.is_empty()).then(|| fields.join(", "))
    }

    /// Reports whether both hold the same unknown fields with the same values.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0 || self.unknown() == other.unknown()
    }

    /// Returns the unknown fields with their values.
    fn unknown(&self) -> Option<Value> {
        let original = self.0.as_ref()?;
        let mut text: Value = serde_json::from_str(&original.text).ok()?;
        remove(&mut text, &serde_json::from_str(&original.known).ok()?);
        Some(text)
    }

    /// Returns the text to store, given `now`, the new text of the known part. Unknown fields and unchanged fields stay
    /// as they were stored.
    pub(crate) fn write(&self, now: String) -> String {
        let Some(original) = &self.0 else { return now };
        if original.known == now {
            return original.text.clone();
        }
        merge(original, &now).unwrap_or(now)
    }
}

/// Removes the known fields from a value.
fn remove(from: &mut Value, known: &Value) {
    match (from, known) {
        (Value::Object(from), Value::Object(known)) => {
            from.retain(|name, value| {
                let Some(known) = known.get(name) else { return true };
                remove(value, known);
                value.as_object().is_some_and(|left| !left.is_empty())
                    || value.as_array().is_some_and(|left| left.iter().any(|item| !item.is_null()))
            });
        }
        (Value::Array(from), Value::Array(known)) => {
            for (value, known) in from.iter_mut().zip(known) {
                remove(value, known);
                if value.as_object().is_none_or(serde_json::Map::is_empty) {
                    *value = Value::Null;
                }
            }
        }
        _ => {}
    }
}

/// The fields of an object, in their order, with the raw text of each value.
type Fields<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

fn fields(text: &str) -> Option<Fields<'_>> {
    struct Visitor;
    impl<'de> serde::de::Visitor<'de> for Visitor {
        type Value = Fields<'de>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some((name, value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
                fields.push((name.0, value));
            }
            Ok(fields)
        }
    }
    #[derive(Deserialize)]
    struct Name<'a>(#[serde(borrow)] Cow<'a, str>);
    let mut json = serde_json::Deserializer::from_str(text);
    serde::Deserializer::deserialize_map(&mut json, Visitor).ok()
}

fn merge(original: &Original, now: &str) -> Option<String> {
    fn of<'a>(fields: &Fields<'a>, name: &str) -> Option<&'a str> {
        fields.iter().find(|(other, _)| other == name).map(|(_, value)| value.get())
    }
    let (stored, known, now) = (fields(&original.text)?, fields(&original.known)?, fields(now)?);
    let kept = stored.iter().filter_map(|(name, value)| {
        let (was, is) = (of(&known, name), of(&now, name));
        let text = if was == is { Some(value.get()) } else { is };
        text.map(|text| (name.as_ref(), text))
    });
    let added = now.iter().filter(|(name, _)| of(&stored, name).is_none());
    let all = kept.chain(added.map(|(name, value)| (name.as_ref(), value.get())));
    let written: Option<Vec<String>> =
        all.map(|(name, text)| Some(format!("{}:{text}", serde_json::to_string(name).ok()?))).collect();
    Some(format!("{{{}}}", written?.join(",")))
}

/// Reads a value that is a JSON object.
pub(crate) fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<(T, Kept), ReadError> {
    // serde reads a struct from an array as well, which no version writes.
    if !text.trim_start().starts_with('{') {
        return Err(ReadError::Malformed("it is not a JSON object".to_owned()));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let mut unknown = Vec::new();
    let value: Result<T, _> =
        serde_ignored::deserialize(&mut json, |path| unknown.push(path.to_string().replace(".?", "")));
    let value = match value.and_then(|value| json.end().map(|()| value)) {
        Ok(value) => value,
        Err(error) => {
            let format = serde_json::from_str::<Format>(text).ok().and_then(|probe| probe.format);
            return Err(match format {
                Some(format) if format > FORMAT => ReadError::Newer(newer_format(format)),
                _ => ReadError::Malformed(error.to_string()),
            });
        }
    };
    if unknown.is_empty() {
        return Ok((value, Kept::default()));
    }
    let format = serde_json::from_str::<Format>(text).map_err(|error| ReadError::Malformed(error.to_string()))?.format;
    unknown.retain(|path| path != data::FORMAT);
    let mut listed: Vec<String> = unknown.iter().take(NAMED).map(|path| quoted(path)).collect();
    if unknown.len() > NAMED {
        listed.push(format!("{} more", unknown.len() - NAMED));
    }
    if let Some(format) = format.filter(|format| *format > FORMAT) {
        listed.insert(0, format!("format {format}"));
    }
    let known = encode(&value);
    Ok((value, Kept(Some(Arc::new(Original { text: text.to_owned(), known, fields: listed })))))
}

/// Returns the JSON text that stores a value.
pub fn encode<T: Serialize>(value: &T) -> String {
    // Writing cannot fail: these types have string keys and no fallible parts.
    serde_json::to_string(value).unwrap_or_default()
}

/// Reads the value of a field, named `about`, that a user typed. An unknown field is an error there.
///
/// # Errors
///
/// The first unknown field, or the field that cannot be read with the reason.
pub fn typed<T: DeserializeOwned>(value: Value, about: &str) -> Result<T, String> {
    let mut unknown = None;
    let mut note = |path: serde_ignored::Path<'_>| {
        unknown.get_or_insert(path.to_string().replace(".?", ""));
    };
    let read = serde_path_to_error::deserialize(serde_ignored::Deserializer::new(value, &mut note));
    let read = read.map_err(|error| {
        let path = error.path().to_string();
        let below = if path == "." { String::new() } else { format!(".{path}") };
        format!("{about}{below}: {}", plain(&error.inner().to_string()))
    })?;
    unknown.map_or(Ok(read), |field| Err(format!("{about}: there is no field {}", quoted(&field))))
}

/// Returns the message about a value of a newer format.
fn newer_format(format: u32) -> String {
    format!("it is of format {format}, where this version reads format {FORMAT}")
}

/// Returns the reason why this version does not read a format, given the text that names it. Returns `None` if it reads
/// the format.
pub(crate) fn beyond(text: &str) -> Option<String> {
    match text.parse::<u32>() {
        Ok(known) if known <= FORMAT => None,
        Ok(newer) => Some(newer_format(newer)),
        Err(_) => Some(format!("{} is no format that this version knows", quoted(text))),
    }
}

/// Returns the message about fields that this version does not know.
pub(crate) fn unknown(fields: &str) -> String {
    format!("this version does not know {fields}")
}

/// Quotes a name that somebody chose, and shortens it for a message.
pub(crate) fn quoted(path: &str) -> String {
    let short: String = path.chars().take(NAMED_LENGTH).collect();
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Policy, Want};

    const WANT: &str = r#"{"type":"container","count":2,"size":{"cpu":"1","memory":"1Gi"}}"#;

    fn want(text: &str) -> (Want, Kept) {
        read(text).unwrap_or_else(|wrong| panic!("{text}: {wrong:?}"))
    }

    #[test]
    fn a_value_that_is_known_keeps_nothing() {
        let (want, kept) = want(WANT);
        assert_eq!(kept, Kept::default());
        assert_eq!(kept.write(encode(&want)), WANT);
    }

    #[test]
    fn unknown_fields_stay_byte_for_byte() {
        // Spaces, the field order, a number that no float holds, a nested field and an escape.
        let text = r#"{ "expires" : "2027-01-01T00:00:00Z", "type":"container","count":2, "big":1.00000000000000000001,
            "size":{"memory":"1Gi","cpu":"1"},"schedule":{"suspend":"0 1 * * *","grace":{"a":"\u00e4"}} }"#;
        let (before, kept) = want(text);
        assert_eq!(kept.newer().as_deref(), Some(r#""expires", "big", "schedule.grace""#));
        assert_eq!(kept.write(encode(&before)), text);
        let changed = kept.write(encode(&Want { count: 3, image: Some("a".to_owned()), ..before.clone() }));
        assert_eq!(
            changed,
            r#"{"expires":"2027-01-01T00:00:00Z","type":"container","count":3,"big":1.00000000000000000001,"size":{"memory":"1Gi","cpu":"1"},"schedule":{"suspend":"0 1 * * *","grace":{"a":"\u00e4"}},"image":"a"}"#
        );
        let without = kept.write(encode(&Want { schedule: None, ..before }));
        assert!(without.contains("expires") && !without.contains("schedule"), "{without}");
    }

    #[test]
    fn unknown_fields_are_compared_by_their_values() {
        let kept = |text: &str| want(&WANT.replacen('{', text, 1)).1;
        let one =
            kept(r#"{"expires":"2027","schedule":{"suspend":"0 1 * * *","grace":1},"env":[{"name":"A","from":1}],"#);
        let same =
            kept(r#"{"env":[{"name":"B","from":1}],"schedule":{"grace":1,"suspend":"0 2 * * *"},"expires":"2027","#);
        assert!(one.is_same(&same) && one.is_same(&one.clone()));
        for other in [
            r#"{"expires":"2028","schedule":{"suspend":"0 1 * * *","grace":1},"env":[{"name":"A","from":1}],"#,
            r#"{"expires":"2027","schedule":{"suspend":"0 1 * * *","grace":2},"env":[{"name":"A","from":1}],"#,
            r#"{"expires":"2027","schedule":{"suspend":"0 1 * * *","grace":1},"env":[{"name":"A","from":2}],"#,
            r#"{"expires":"2027","schedule":{"suspend":"0 1 * * *"},"env":[{"name":"A","from":1}],"#,
            "{",
        ] {
            assert!(!one.is_same(&kept(other)), "{other}");
        }
    }

    /// Reads a want with labels as a version without them does.
    #[test]
    fn an_older_version_keeps_labels_and_annotations() {
        #[derive(Serialize, Deserialize)]
        struct Older {
            count: u32,
        }
        let stored = r#"{"count":2,"labels":{"app":"web"},"annotations":{"note":"a b"}}"#;
        let (older, kept) = read::<Older>(stored).unwrap();
        assert_eq!(kept.newer().as_deref(), Some(r#""labels", "annotations""#));
        let changed = kept.write(encode(&Older { count: older.count + 1 }));
        assert_eq!(changed, stored.replace('2', "3"));
        // The labels of a newer version are known, so that they are no reason to refuse a growth.
        let (labelled, kept) = want(&WANT.replacen('{', r#"{"labels":{"app":"web"},"#, 1));
        assert_eq!((labelled.labels.len(), kept), (1, Kept::default()));
    }

    #[test]
    fn a_typed_value_has_no_unknown_fields() {
        let typed = |text: &str| typed::<Want>(serde_json::from_str(text).unwrap(), "spec").map(|want| want.count);
        assert_eq!(typed(WANT), Ok(2));
        assert_eq!(
            typed(&WANT.replacen('{', r#"{"imge":"a","#, 1)),
            Err(r#"spec: there is no field "imge""#.to_owned())
        );
        let nested = WANT.replacen('{', r#"{"schedule":{"suspended":"0 1 * * *"},"#, 1);
        assert_eq!(typed(&nested), Err(r#"spec: there is no field "schedule.suspended""#.to_owned()));
        for (from, to, expected) in [
            ("2,", "1.5,", "spec.count: expected a whole number, got the number 1.5"),
            ("2,", "\"2\",", "spec.count: expected a whole number, got the text \"2\""),
            ("container", "box", "spec.type: \"box\" is not one of container, vm"),
            ("\"1\"", "[1]", "spec.size.cpu: expected a quantity, such as \"2\", \"500m\" or \"4Gi\", got a list"),
        ] {
            assert!(WANT.contains(from), "{WANT}");
            assert_eq!(typed(&WANT.replacen(from, to, 1)), Err(expected.to_owned()));
        }
        assert!(typed("{}").unwrap_err().ends_with(" is missing"));
    }

    #[test]
    fn newer_is_told_from_malformed() {
        let wrong = |text: &str| read::<Want>(text).map(|(_, kept)| kept.newer());
        assert_eq!(wrong(r#"{"format":1,"type":"container","count":1,"size":{}}"#), Ok(None));
        assert_eq!(wrong(r#"{"format":2,"type":"container","count":1,"size":{}}"#), Ok(Some("format 2".to_owned())));
        assert!(
            matches!(wrong(r#"{"format":2,"type":"microvm"}"#), Err(ReadError::Newer(why)) if why.contains("format 2"))
        );
        for malformed in [
            "",
            "null",
            "[]",
            r#"["container",1,{}]"#,
            r#"{"type":"microvm","count":1,"size":{}}"#,
            r#"{"format":"2","type":"microvm"}"#,
            r#"{"format":-1,"type":"container","count":1,"size":{}}"#,
            r#"{"type":"container","count":1,"size":{"cpu":"1","cpu":"2"}}"#,
            r#"{"type":"container","count":1,"count":2,"size":{}}"#,
            r#"{"type":"container","count":1,"size":{}} x"#,
        ] {
            assert!(matches!(wrong(malformed), Err(ReadError::Malformed(_))), "{malformed:?}");
        }
        let (_, kept) = read::<Policy>(r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"\u001b[2J":1}"#).unwrap();
        assert_eq!(kept.newer().as_deref(), Some(r#""a", "b", "c", "d", "e", 2 more"#));
        let (_, kept) = read::<Policy>(r#"{"\u001b[2J":1}"#).unwrap();
        assert_eq!(kept.newer().as_deref(), Some(r#""\u{1b}[2J""#));
    }
}
