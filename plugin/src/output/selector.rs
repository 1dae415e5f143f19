//! Label selectors of `-l`: `app=web,tier!=db,env in (a,b),new,!old`.

use std::collections::{BTreeMap, BTreeSet};

use kube::core::{Expression, SelectorExt};
use serde_json::Value;

/// A label selector; all of its expressions must match.
#[derive(Debug, Clone)]
pub(crate) struct Selector(Vec<Expression>);

impl Selector {
    /// Parses a label selector, or returns the reason why it is invalid.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut depth = 0;
        let parts = text.split(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            c == ',' && depth == 0
        });
        parts.map(requirement).collect::<Result<_, _>>().map(Self)
    }

    /// Reports whether all expressions match the labels.
    pub(crate) fn matches(&self, labels: &Value) -> bool {
        let labels: BTreeMap<String, String> = serde_json::from_value(labels.clone()).unwrap_or_default();
        self.0.iter().all(|expression| expression.matches(&labels))
    }
}

fn requirement(text: &str) -> Result<Expression, String> {
    let wrong =
        || format!("{text:?} is not a label selector: use a form such as app=web, app!=web, app in (a,b), app or !app");
    let key = |text: &str| {
        let key = text.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        Some(key.to_owned()).filter(|key| !key.is_empty() && key.chars().all(plain)).ok_or_else(wrong)
    };
    // A value with another operator in it would match nothing.
    let value = |text: &str| {
        let value = text.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        Some(value.to_owned()).filter(|value| value.chars().all(plain)).ok_or_else(wrong)
    };
    let set = |text: &str| -> Result<BTreeSet<String>, String> {
        let inner = text.trim().strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).ok_or_else(wrong)?;
        inner.split(',').map(value).collect()
    };
    if let Some((name, is)) = text.split_once("!=") {
        return Ok(Expression::NotEqual(key(name)?, value(is)?));
    }
    if let Some((name, is)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Expression::Equal(key(name)?, value(is)?));
    }
    if let Some((name, values)) = text.split_once(" notin ") {
        return Ok(Expression::NotIn(key(name)?, set(values)?));
    }
    if let Some((name, values)) = text.split_once(" in ") {
        return Ok(Expression::In(key(name)?, set(values)?));
    }
    match text.trim().strip_prefix('!') {
        Some(name) => Ok(Expression::DoesNotExist(key(name)?)),
        None => Ok(Expression::Exists(key(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_selected_as_kubectl_selects_them() {
        let labels = json!({ "app": "web", "tier": "front" });
        let check = |text: &str, expected: bool| {
            assert_eq!(Selector::read(text).unwrap().matches(&labels), expected, "{text}");
        };
        check("app=web", true);
        check("app==web,tier=front", true);
        check("app=web,tier=back", false);
        check("app!=web", false);
        check("other!=web", true);
        check("app in (web, db)", true);
        check("app in (db),tier", false);
        check("app notin (db)", true);
        check("tier", true);
        check("!tier", false);
        check("other=", false);
        check("app in (web,)", true);
        for wrong in [
            "",
            "=x",
            "app in web",
            "a b",
            "a=b=c",
            "a==b=c",
            "a!=b!=c",
            "a=b c",
            "a in (b c)",
            "a notin (b=c)",
            "a=(b)",
        ] {
            assert!(Selector::read(wrong).is_err(), "{wrong:?}");
        }
    }
}
