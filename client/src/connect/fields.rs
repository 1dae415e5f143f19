//! Reads fields of a parsed document as client-go does: a missing field, `null` and the empty value are the same.
//!
//! A message names the field and the kind of value. It never contains the value, which may be a secret.

use std::collections::HashMap;

use k8s_openapi::ByteString;
use serde_json::{Map, Value};

/// A mapping of the document, with its path in messages.
pub(super) struct Fields<'a> {
    path: String,
    /// `None` stands for `null` or a missing mapping.
    fields: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// Returns the outermost mapping of a document.
    pub(super) fn of(document: &'a Value) -> Result<Self, String> {
        Self::at(String::new(), document)
    }

    fn at(path: String, value: &'a Value) -> Result<Self, String> {
        match value {
            Value::Null => Ok(Self { path, fields: None }),
            Value::Object(fields) => Ok(Self { path, fields: Some(fields) }),
            other => Err(wrong(&path, other, "a mapping")),
        }
    }

    fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn value(&self, name: &str) -> Option<&'a Value> {
        self.fields.and_then(|fields| fields.get(name)).filter(|value| !value.is_null())
    }

    /// Returns a field of any type.
    pub(super) fn any(&self, name: &str) -> Option<Value> {
        self.value(name).cloned()
    }

    /// Returns a mapping below this one, if it is there.
    pub(super) fn mapping(&self, name: &str) -> Result<Option<Self>, String> {
        self.value(name).map(|value| Self::at(self.path(name), value)).transpose()
    }

    /// Returns the mappings of a list.
    pub(super) fn mappings(&self, name: &str) -> Result<Vec<Self>, String> {
        self.list(name)?.into_iter().map(|(path, value)| Self::at(path, value)).collect()
    }

    fn list(&self, name: &str) -> Result<Vec<(String, &'a Value)>, String> {
        let path = self.path(name);
        match self.value(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                Ok(items.iter().enumerate().map(|(at, item)| (format!("{path}[{at}]"), item)).collect())
            }
            Some(other) => Err(wrong(&path, other, "a list")),
        }
    }

    /// Returns a text.
    pub(super) fn text(&self, name: &str) -> Result<String, String> {
        self.value(name).map_or_else(|| Ok(String::new()), |value| text(&self.path(name), value))
    }

    /// Returns a list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        self.list(name)?.into_iter().map(|(path, value)| text(&path, value)).collect()
    }

    /// Returns a mapping of texts.
    pub(super) fn map(&self, name: &str) -> Result<HashMap<String, String>, String> {
        let Some(below) = self.mapping(name)? else { return Ok(HashMap::new()) };
        below.names().map(|name| Ok((name.clone(), below.text(name)?))).collect()
    }

    /// Returns a mapping of lists of texts.
    pub(super) fn lists(&self, name: &str) -> Result<HashMap<String, Vec<String>>, String> {
        let Some(below) = self.mapping(name)? else { return Ok(HashMap::new()) };
        below.names().map(|name| Ok((name.clone(), below.texts(name)?))).collect()
    }

    fn names(&self) -> impl Iterator<Item = &'a String> {
        self.fields.into_iter().flat_map(Map::keys)
    }

    /// Returns a boolean.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        match self.value(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => Err(wrong(&self.path(name), other, "true or false")),
        }
    }

    /// Returns bytes that are written in base64. Line breaks in them are skipped, as Go does.
    pub(super) fn bytes(&self, name: &str) -> Result<Vec<u8>, String> {
        let text: String = self.text(name)?.chars().filter(|letter| !matches!(letter, '\n' | '\r')).collect();
        let decoded = serde_json::from_value::<ByteString>(Value::String(text));
        decoded.map(|bytes| bytes.0).map_err(|_| format!("{} is not base64", self.path(name)))
    }
}

fn text(path: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        other => Err(wrong(path, other, "a text")),
    }
}

fn wrong(path: &str, value: &Value, expected: &str) -> String {
    let is = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    let path = if path.is_empty() { "it" } else { path };
    format!("{path} is {is}, where {expected} belongs")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn null_and_missing_are_empty() {
        let document = json!({ "text": null, "list": [null, {}], "map": { "a": null } });
        let fields = Fields::of(&document).unwrap();
        assert_eq!((fields.text("text"), fields.text("other")), (Ok(String::new()), Ok(String::new())));
        assert_eq!(fields.mappings("list").unwrap().len(), 2);
        assert_eq!(fields.map("map").unwrap()["a"], "");
        assert_eq!((fields.flag("x"), fields.bytes("x")), (Ok(false), Ok(Vec::new())));
    }

    #[test]
    fn a_message_names_the_field_and_no_value() {
        let document = json!({ "users": [{ "user": { "token": ["secret"], "data": "secret!" } }] });
        let users = Fields::of(&document).unwrap().mappings("users").unwrap();
        let user = users[0].mapping("user").unwrap().unwrap();
        assert_eq!(user.text("token").unwrap_err(), "users[0].user.token is a list, where a text belongs");
        assert_eq!(user.bytes("data").unwrap_err(), "users[0].user.data is not base64");
        assert_eq!(Fields::of(&json!("secret")).err().as_deref(), Some("it is a text, where a mapping belongs"));
    }

    #[test]
    fn base64_may_have_line_breaks() {
        let document = json!({ "lines": "aGVs\nbG8K\r\n", "space": "aGVs bG8K" });
        let fields = Fields::of(&document).unwrap();
        assert_eq!(fields.bytes("lines").unwrap(), b"hello\n");
        assert!(fields.bytes("space").is_err());
    }
}
