//! `--patch`: inline, in a file, or on standard input; and the line of the patch that causes an error.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

use cmp_client::templates::not_yaml;
use cmp_core::template::TemplateError;

use crate::error::CliError;
use crate::files;

/// A patch and its source.
#[derive(Debug)]
pub(crate) struct Patch {
    /// The value of the patch.
    pub(crate) value: Value,
    /// The name of the patch in errors: `--patch web.yaml`.
    named: String,
    /// The position of every value, if the patch has several lines.
    places: Option<Spanned<Place>>,
}

impl Patch {
    /// Reads a patch from the value of the flag.
    pub(crate) fn read(given: &str) -> Result<Self, CliError> {
        let in_place = given.trim_start().starts_with(['{', '[']);
        let named = if in_place { "--patch".to_owned() } else { format!("--patch {given}") };
        let wrong = |why: &str| CliError::user(format!("{named}: {why}"));
        let text = if in_place {
            given.to_owned()
        } else {
            files::read_or_stdin(given, files::OBJECT).map_err(|error| wrong(&error.to_string()))?
        };
        let value: Value = serde_saphyr::from_str(&text).map_err(|error| wrong(&not_yaml(&error)))?;
        if !value.is_array() && !value.is_object() {
            return Err(wrong("the value is neither a JSON Patch nor a merge patch")
                .hint("use a list of operations (JSON Patch), or an object (merge patch), as YAML or JSON"));
        }
        let several = text.trim().contains('\n');
        Ok(Self { value, named, places: several.then(|| serde_saphyr::from_str(&text).ok()).flatten() })
    }

    /// Returns the error, with the line of the patch that causes it.
    pub(crate) fn wrong(&self, wrong: &TemplateError) -> String {
        match self.line(wrong) {
            Some(line) => format!("{}, line {line}: {wrong}", self.named),
            None => format!("{}: {wrong}", self.named),
        }
    }

    /// Returns the line of the operation, or of the part of the field that a merge patch contains.
    fn line(&self, wrong: &TemplateError) -> Option<u64> {
        let mut at = &self.places.as_ref()?.value;
        let mut line = None;
        if let (Place::List(operations), Some(operation)) = (at, wrong.operation) {
            return operations.get(operation.checked_sub(1)?).map(|operation| operation.referenced.line());
        }
        for step in wrong.field.split(['.', '[']) {
            let (found, below) = match at {
                Place::Map(fields) => {
                    let Some((key, below)) = fields.iter().find(|(key, _)| key.value == step) else { break };
                    (key.referenced.line(), below)
                }
                Place::List(items) => {
                    let index = step.trim_end_matches(']').parse().ok();
                    let Some(item) = index.and_then(|index: usize| items.get(index)) else { break };
                    (item.referenced.line(), item)
                }
                Place::Plain => break,
            };
            (line, at) = (Some(found), &below.value);
        }
        line
    }
}

/// A value of the patch with the positions of its parts.
#[derive(Debug)]
enum Place {
    Map(Vec<(Spanned<String>, Spanned<Place>)>),
    List(Vec<Spanned<Place>>),
    Plain,
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Anything;
        impl<'de> Visitor<'de> for Anything {
            type Value = Place;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("anything")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Place, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Place::Map(fields))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Place, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Place::List(items))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Place, E> {
                Ok(Place::Plain)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Place, E> {
                Ok(Place::Plain)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Place, E> {
                Ok(Place::Plain)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Place, E> {
                Ok(Place::Plain)
            }
            fn visit_str<E>(self, _: &str) -> Result<Place, E> {
                Ok(Place::Plain)
            }
            fn visit_unit<E>(self) -> Result<Place, E> {
                Ok(Place::Plain)
            }
            fn visit_none<E>(self) -> Result<Place, E> {
                Ok(Place::Plain)
            }
            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Place, D::Error> {
                IgnoredAny::deserialize(deserializer).map(|_| Place::Plain)
            }
        }
        deserializer.deserialize_any(Anything)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_of(text: &str, operation: Option<usize>, field: &str) -> Option<u64> {
        let places = serde_saphyr::from_str(text).unwrap();
        let patch = Patch { value: Value::Null, named: "--patch".to_owned(), places: Some(places) };
        patch.line(&TemplateError { operation, field: field.to_owned(), why: String::new(), invalid: false })
    }

    #[test]
    fn the_line_of_the_wrong_operation_or_field_is_named() {
        let operations = "# Ours\n- op: add\n  path: /spec/hostUsers\n  value: false\n- op: add\n  path: /spec/hostPID\n  value: true\n";
        assert_eq!(line_of(operations, Some(1), "spec.hostUsers"), Some(2));
        assert_eq!(line_of(operations, Some(2), "spec.hostPID"), Some(5));
        assert_eq!(line_of(operations, Some(3), "spec.hostPID"), None);
        assert_eq!(line_of(operations, None, "spec.hostPID"), None);
        let merge = "spec:\n  nodeSelector: null\n  hostUsers: false\n  containers:\n  - name: a\n    image: x\n  - name: b\n    ports:\n    - hostPort: 80\n";
        assert_eq!(line_of(merge, None, "spec.hostUsers"), Some(3));
        assert_eq!(line_of(merge, None, "spec.containers[1].ports[0].hostPort"), Some(9));
        assert_eq!(line_of(merge, None, "spec.containers[0].resources.limits"), Some(5));
        assert_eq!(line_of(merge, None, "spec.nodeSelector.zone"), Some(2));
        assert_eq!(line_of(merge, None, "metadata.labels"), None);
        let json = "{\n  \"spec\": {\n    \"hostNetwork\": true\n  }\n}";
        assert_eq!(line_of(json, None, "spec.hostNetwork"), Some(3));
    }
}
