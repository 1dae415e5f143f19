//! The output formats of `-o`.

use std::path::Path;

use serde_json::Value;

use crate::files;
use crate::output::jsonpath::{Template, sprint};

/// An output format, as `-o` names it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    Json,
    Yaml,
    Wide,
    Name,
    /// A `JSONPath` template in kubectl's dialect.
    JsonPath(Template),
    /// Columns of `custom-columns`, each with its header.
    Columns(Vec<(String, Template)>),
}

/// Formats for one object, as errors list them.
const OBJECT: &str = "json, yaml, jsonpath=TEMPLATE, jsonpath-file=FILE";

/// All formats, as errors list them.
const ANY: &str = "json, yaml, wide, name, jsonpath=TEMPLATE, jsonpath-file=FILE, custom-columns=HEAD:FIELD,..., \
                   custom-columns-file=FILE";

impl Format {
    /// Parses any output format.
    pub(crate) fn any(text: &str) -> Result<Self, String> {
        let (form, value) = text.split_once('=').map_or((text, None), |(form, value)| (form, Some(value)));
        let needs = |what: &str| format!("{form} needs a value: use a form such as {form}={what}");
        let file = || {
            let path = value.filter(|path| !path.is_empty()).ok_or_else(|| needs("FILE"))?;
            files::read(Path::new(path), files::OBJECT).map_err(|error| format!("{path}: {error}"))
        };
        match (form, value) {
            ("json", None) => Ok(Self::Json),
            ("yaml", None) => Ok(Self::Yaml),
            ("wide", None) => Ok(Self::Wide),
            ("name", None) => Ok(Self::Name),
            ("jsonpath", Some(template)) if !template.is_empty() => Ok(Self::JsonPath(Template::read(template)?)),
            ("jsonpath", _) => Err(needs("{.metadata.name}")),
            ("jsonpath-file", _) => Ok(Self::JsonPath(Template::read(&file()?)?)),
            ("custom-columns", Some(columns)) if !columns.is_empty() => columns
                .split(',')
                .map(|column| {
                    let (head, field) = column
                        .split_once(':')
                        .ok_or_else(|| format!("{column:?} has no field: use a form such as NAME:.metadata.name"))?;
                    Ok((head.to_owned(), field_of(field)?))
                })
                .collect::<Result<_, String>>()
                .map(Self::Columns),
            ("custom-columns", _) => Err(needs("NAME:.metadata.name")),
            ("custom-columns-file", _) => {
                let text = file()?;
                let mut lines = text.lines();
                let mut words = || lines.next().unwrap_or_default().split_whitespace();
                let (heads, fields): (Vec<&str>, Vec<&str>) = (words().collect(), words().collect());
                if heads.len() != fields.len() || heads.is_empty() {
                    return Err(
                        "the file must have a line of headers and a line with the same number of fields".to_owned()
                    );
                }
                let columns =
                    heads.into_iter().zip(fields).map(|(head, field)| Ok((head.to_owned(), field_of(field)?)));
                columns.collect::<Result<_, String>>().map(Self::Columns)
            }
            _ => Err(format!("{text:?} is not an output format: use one of {ANY}")),
        }
    }

    /// Parses a format for one object that has no table, or the format for its name.
    pub(crate) fn object_or_name(text: &str) -> Result<Self, String> {
        if text == "name" { Ok(Self::Name) } else { Self::of_object(text, &format!("{OBJECT}, name")) }
    }

    /// Parses a format for one object that has no table and no name.
    pub(crate) fn object(text: &str) -> Result<Self, String> {
        Self::of_object(text, OBJECT)
    }

    fn of_object(text: &str, forms: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an output format of this command: use one of {forms}");
        match Self::any(text) {
            Ok(Self::Wide | Self::Name | Self::Columns(_)) => Err(wrong()),
            Err(error) if error.contains(ANY) => Err(wrong()),
            read => read,
        }
    }

    /// Reports whether the format prints objects, and not rows of a table or names.
    pub(crate) fn is_of_objects(&self) -> bool {
        !matches!(self, Self::Wide | Self::Name)
    }
}

/// Parses a field in any form that kubectl accepts: `{.metadata.name}`, `.metadata.name`, `metadata.name`.
pub(crate) fn field_of(text: &str) -> Result<Template, String> {
    let inner = text.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(text);
    let inner = inner.strip_prefix('.').unwrap_or(inner);
    if inner.is_empty() || inner.contains(['{', '}']) {
        return Err(format!("{text:?} is not a field: use a form such as .metadata.name"));
    }
    Template::read(&format!("{{.{inner}}}"))
}

/// The cell of an absent field in custom columns, and of absent labels, as kubectl prints them.
pub(super) const NONE: &str = "<none>";

/// Returns the cells of one object in custom columns.
pub(super) fn cells(columns: &[(String, Template)], object: &Value) -> Result<Vec<String>, String> {
    columns
        .iter()
        .map(|(_, field)| {
            let found: Vec<String> = field.find(object)?.iter().map(sprint).collect();
            let found = found.join(",");
            Ok(if found.is_empty() { NONE.to_owned() } else { found })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_format_is_refused_with_the_list_of_formats() {
        assert_eq!(Format::any("json"), Ok(Format::Json));
        assert!(matches!(Format::any("jsonpath={.a}"), Ok(Format::JsonPath(_))));
        assert!(matches!(Format::any("custom-columns=A:.a,B:{b}"), Ok(Format::Columns(columns)) if columns.len() == 2));
        assert!(Format::any("xml").unwrap_err().contains("use one of json, yaml, wide"));
        assert_eq!(Format::any("jsonpath={.a").unwrap_err(), "unclosed action");
        assert!(Format::any("jsonpath").unwrap_err().contains("jsonpath={.metadata.name}"));
        assert!(Format::any("custom-columns=A").unwrap_err().contains("has no field"));
        assert!(Format::any("jsonpath-file=/no/such").unwrap_err().contains("/no/such"));
        assert!(Format::object("wide").unwrap_err().contains("is not an output format of this command"));
        assert!(Format::object("yaml").is_ok() && Format::object_or_name("yaml").is_ok());
        assert_eq!(Format::object_or_name("name"), Ok(Format::Name));
        assert!(Format::object("name").unwrap_err().ends_with("jsonpath-file=FILE"));
        assert!(Format::object_or_name("wide").unwrap_err().ends_with("jsonpath-file=FILE, name"));
    }
}
