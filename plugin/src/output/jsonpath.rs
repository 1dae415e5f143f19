//! `JSONPath` in kubectl's dialect (`k8s.io/client-go/util/jsonpath`), which is not RFC 9535. A template has text
//! around `{...}`, `{range ...}{end}`, and `\.` in names. A filter compares one value, and a missing field is empty.
//!
//! No crate implements this dialect. A test runs the same templates through the real kubectl.

use std::cmp::Ordering;

use serde_json::Value;

use crate::escape;

/// A parsed `JSONPath` template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq)]
enum Part {
    /// Text that is printed unchanged.
    Text(String),
    /// The values that these steps select.
    Path(Vec<Step>),
    /// Parts that are repeated for each value that the steps select.
    Range(Vec<Step>, Vec<Part>),
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Literal(Value),
    Field(String),
    Slice { from: Option<i64>, to: To, step: Option<i64> },
    Filter(Vec<Step>, Option<(String, Vec<Step>)>),
    Wildcard,
    Recursive,
    Union(Vec<Vec<Step>>),
    Range,
    End,
}

/// The end of a slice.
#[derive(Debug, Clone, Copy, PartialEq)]
enum To {
    /// The position after the one element that `[3]` selects.
    Next,
    /// The end of the list.
    End,
    /// The position before this index.
    Before(i64),
}

impl Template {
    /// Parses a template, or returns kubectl's error for it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut flat = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            if !before.is_empty() {
                flat.push(Part::Text(before.to_owned()));
            }
            let mut action = Action { rest: after, steps: Vec::new() };
            action.read()?;
            flat.push(Part::Path(action.steps));
            rest = action.rest;
        }
        if !rest.is_empty() {
            flat.push(Part::Text(rest.to_owned()));
        }
        let mut flat = flat.into_iter();
        let parts = nested(&mut flat, false)?;
        Ok(Self(parts))
    }

    /// Fills the template with the values of an object.
    pub(crate) fn fill(&self, object: &Value) -> Result<String, String> {
        let mut text = String::new();
        fill(&self.0, object, &mut text)?;
        Ok(text)
    }

    /// Returns the values that the paths of the template select.
    pub(crate) fn find(&self, object: &Value) -> Result<Vec<Value>, String> {
        let mut found = Vec::new();
        for part in &self.0 {
            if let Part::Path(steps) = part {
                found.extend(walk(vec![object.clone()], steps)?);
            }
        }
        Ok(found)
    }
}

/// Moves the parts between `{range}` and `{end}` into their range.
fn nested(flat: &mut impl Iterator<Item = Part>, inside: bool) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    while let Some(part) = flat.next() {
        match part {
            Part::Path(mut steps) if steps.first() == Some(&Step::Range) => {
                steps.remove(0);
                parts.push(Part::Range(steps, nested(flat, true)?));
            }
            Part::Path(steps) if steps.first() == Some(&Step::End) => {
                return if inside { Ok(parts) } else { Err("not in range, nothing to end".to_owned()) };
            }
            part => parts.push(part),
        }
    }
    Ok(parts)
}

/// The parser of one `{...}`, and the text after it.
struct Action<'a> {
    rest: &'a str,
    steps: Vec<Step>,
}

/// Reports whether a character ends a name.
fn ends(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}')
}

impl<'a> Action<'a> {
    fn of(text: &str) -> Result<Vec<Step>, String> {
        let closed = format!("{text}}}");
        let mut action = Action { rest: &closed, steps: Vec::new() };
        action.read()?;
        Ok(action.steps)
    }

    fn read(&mut self) -> Result<(), String> {
        loop {
            if let Some(rest) = self.rest.strip_prefix("[?(") {
                self.rest = rest;
                self.filter()?;
                continue;
            }
            if let Some(rest) = self.rest.strip_prefix("..") {
                if self.steps.last() == Some(&Step::Recursive) {
                    return Err("invalid multiple recursive descent".to_owned());
                }
                self.rest = rest;
                self.steps.push(Step::Recursive);
                if rest.starts_with(|c: char| c == '_' || c.is_alphanumeric()) {
                    self.field();
                }
                continue;
            }
            let Some(c) = self.rest.chars().next() else { return Err("unclosed action".to_owned()) };
            let after = &self.rest[c.len_utf8()..];
            match c {
                '}' => {
                    self.rest = after;
                    return Ok(());
                }
                '\r' | '\n' => return Err("unclosed action".to_owned()),
                ' ' | '@' | '$' => self.rest = after,
                '[' => self.array()?,
                '"' | '\'' => self.quoted(c)?,
                '.' => {
                    self.rest = after;
                    self.field();
                }
                '+' | '-' | '0'..='9' => self.number()?,
                c if c == '_' || c.is_alphanumeric() => self.identifier()?,
                c => return Err(format!("unrecognized character in action: {c:?}")),
            }
        }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.rest = rest;
        taken
    }

    fn field(&mut self) {
        let mut name = String::new();
        let mut chars = self.rest.char_indices();
        let mut end = self.rest.len();
        while let Some((at, c)) = chars.next() {
            if c == '\\' {
                name.extend(chars.next().map(|(_, c)| c));
            } else if ends(c) {
                end = at;
                break;
            } else {
                name.push(c);
            }
        }
        let written = self.take(end);
        self.steps.push(if written == "*" { Step::Wildcard } else { Step::Field(name) });
    }

    fn identifier(&mut self) -> Result<(), String> {
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        let step = match self.take(end) {
            "range" => Step::Range,
            "end" => Step::End,
            "true" => Step::Literal(true.into()),
            "false" => Step::Literal(false.into()),
            other => return Err(format!("unrecognized identifier {other}")),
        };
        self.steps.push(step);
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        let signed = usize::from(self.rest.starts_with(['+', '-']));
        let digits = self.rest[signed..].find(|c: char| c != '.' && !c.is_ascii_digit());
        let end = digits.map_or(self.rest.len(), |end| end + signed);
        let written = self.take(end);
        let number = serde_json::from_str(written.trim_start_matches('+'));
        self.steps.push(Step::Literal(number.map_err(|_| format!("cannot parse number {written}"))?));
        Ok(())
    }

    /// Reads a quoted text up to its closing quote. A quote after a backslash does not close it.
    fn quoted(&mut self, quote: char) -> Result<(), String> {
        let inner = &self.rest[1..];
        let mut before = quote;
        let close = inner.char_indices().find(|(_, c)| {
            let closes = *c == quote && before != '\\';
            before = *c;
            closes
        });
        let unterminated = || "unterminated quoted string".to_owned();
        let (end, _) = close.filter(|(end, _)| !inner[..*end].contains('\n')).ok_or_else(unterminated)?;
        let text = unescaped(&inner[..end])?;
        self.take(end + 2);
        self.steps.push(Step::Literal(text.into()));
        Ok(())
    }

    fn array(&mut self) -> Result<(), String> {
        let end = self.rest.find([']', '\n']).filter(|end| self.rest[*end..].starts_with(']'));
        let end = end.ok_or("unterminated array")?;
        let written = self.take(end + 1);
        let inner = &written[1..end];
        if inner.contains(',') {
            let union: Result<_, _> =
                inner.split(',').map(|one| Action::of(&format!("[{}]", one.trim_matches(' ')))).collect();
            self.steps.push(Step::Union(union?));
            return Ok(());
        }
        if let Some(name) = inner.strip_prefix('\'').and_then(|name| name.strip_suffix('\'')) {
            self.steps.extend(Action::of(&format!(".{name}"))?);
            return Ok(());
        }
        self.steps.push(slice(inner)?);
        Ok(())
    }

    fn filter(&mut self) -> Result<(), String> {
        let mut quote: Option<char> = None;
        let mut before = ' ';
        let close = self.rest.char_indices().find(|(_, c)| {
            let closes = *c == ')' && quote.is_none();
            match quote {
                Some(open) if *c == open && before != '\\' => quote = None,
                None if matches!(c, '"' | '\'') => quote = Some(*c),
                _ => {}
            }
            before = *c;
            closes
        });
        let (end, _) = close.ok_or("unterminated filter")?;
        let inner = self.take(end);
        self.rest = self.rest.strip_prefix(")]").ok_or("unclosed array expect ]")?;
        let is_operator = |c: char| matches!(c, '!' | '<' | '>' | '=');
        let compared = inner.find(is_operator).filter(|at| *at > 0).and_then(|at| {
            let (left, rest) = inner.split_at(at);
            let length = rest.find(|c| !is_operator(c))?;
            Some((left, rest.split_at(length)))
        });
        let step = match compared {
            None => Step::Filter(Action::of(inner)?, None),
            Some((left, (operator, right))) => {
                if !matches!(operator, "==" | "!=" | "<" | "<=" | ">" | ">=") {
                    return Err(format!("unrecognized filter operator {operator}"));
                }
                Step::Filter(Action::of(left)?, Some((operator.to_owned(), Action::of(right)?)))
            }
        };
        self.steps.push(step);
        Ok(())
    }
}

/// Parses `3`, `-1`, `1:3`, `::2`, `*`.
fn slice(inner: &str) -> Result<Step, String> {
    let invalid = || format!("invalid array index {inner}");
    let inner_or_all = if inner == "*" { ":" } else { inner };
    let mut numbers = Vec::new();
    for number in inner_or_all.split(':') {
        numbers.push(match number {
            "" => None,
            number => Some(number.parse::<i64>().map_err(|_| invalid())?),
        });
    }
    let (from, to, step) = match numbers[..] {
        [from] => (from, To::Next, None),
        [from, to] => (from, to.map_or(To::End, To::Before), None),
        [from, to, step] => (from, to.map_or(To::End, To::Before), step),
        _ => return Err(invalid()),
    };
    Ok(Step::Slice { from, to, step })
}

/// Replaces Go's escape sequences in a quoted text.
fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        let code = |chars: &mut std::str::Chars<'_>, length: usize| {
            let digits: String = chars.by_ref().take(length).collect();
            u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == length).and_then(char::from_u32)
        };
        let meant = match chars.next() {
            Some('n') => Some('\n'),
            Some('t') => Some('\t'),
            Some('r') => Some('\r'),
            Some('a') => Some('\x07'),
            Some('b') => Some('\x08'),
            Some('f') => Some('\x0c'),
            Some('v') => Some('\x0b'),
            Some(same @ ('\\' | '"' | '\'')) => Some(same),
            Some('x') => code(&mut chars, 2),
            Some('u') => code(&mut chars, 4),
            Some('U') => code(&mut chars, 8),
            _ => None,
        };
        plain.push(meant.ok_or_else(|| format!("unquote string {text:?} error invalid syntax"))?);
    }
    Ok(plain)
}

fn fill(parts: &[Part], object: &Value, text: &mut String) -> Result<(), String> {
    for part in parts {
        match part {
            Part::Text(plain) => text.push_str(plain),
            Part::Path(steps) => {
                let found = walk(vec![object.clone()], steps)?;
                let shown: Vec<String> = found.iter().map(shown).collect();
                text.push_str(&shown.join(" "));
            }
            Part::Range(steps, inner) => {
                for one in walk(vec![object.clone()], steps)? {
                    fill(inner, &one, text)?;
                }
            }
        }
    }
    Ok(())
}

/// Formats a result for printing: objects and lists become JSON as Go writes it.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Object(_) | Value::Array(_) => {
            escape::json(&value.to_string()).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
        }
        value => value.to_string(),
    }
}

/// Formats a value as Go's `fmt.Sprint` does. A custom column shows this form.
pub(super) fn sprint(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => format!("[{}]", joined(values.iter().map(sprint).collect())),
        Value::Object(fields) => {
            format!("map[{}]", joined(fields.iter().map(|(name, value)| format!("{name}:{}", sprint(value))).collect()))
        }
        value => value.to_string(),
    }
}

fn walk(from: Vec<Value>, steps: &[Step]) -> Result<Vec<Value>, String> {
    steps.iter().try_fold(from, |from, next| step(&from, next))
}

fn children(value: &Value) -> Vec<Value> {
    match value {
        Value::Object(fields) => fields.values().cloned().collect(),
        Value::Array(values) => values.clone(),
        _ => Vec::new(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

fn step(from: &[Value], step: &Step) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    match step {
        Step::Literal(Value::String(text)) => found.push(text.clone().into()),
        Step::Literal(value) => found.extend(from.iter().map(|_| value.clone())),
        Step::Field(name) => found.extend(from.iter().filter_map(|value| value.get(name)).cloned()),
        Step::Wildcard => found.extend(from.iter().flat_map(children)),
        Step::Recursive => {
            for value in from {
                descend(value, &mut found);
            }
        }
        Step::Union(paths) => {
            for path in paths {
                found.extend(walk(from.to_vec(), path)?);
            }
        }
        Step::Slice { from: first, to, step } => {
            for value in from.iter().filter(|value| !value.is_null()) {
                let values = value.as_array().ok_or_else(|| format!("{} is not array or slice", kind(value)))?;
                found.extend(sliced(values, *first, *to, *step)?);
            }
        }
        Step::Filter(left, compared) => {
            for value in from {
                let values = value
                    .as_array()
                    .ok_or_else(|| format!("{} is not array or slice and cannot be filtered", kind(value)))?;
                for one in values {
                    if passes(one, left, compared.as_ref())? {
                        found.push(one.clone());
                    }
                }
            }
        }
        Step::Range | Step::End => return Err("range and end stand alone in their braces".to_owned()),
    }
    Ok(found)
}

fn descend(value: &Value, found: &mut Vec<Value>) {
    let below = children(value);
    if !below.is_empty() {
        found.push(value.clone());
        for value in &below {
            descend(value, found);
        }
    }
}

fn sliced(values: &[Value], from: Option<i64>, to: To, step: Option<i64>) -> Result<Vec<Value>, String> {
    let length = i64::try_from(values.len()).unwrap_or(i64::MAX);
    let end = match to {
        To::Next => match from.unwrap_or(0).saturating_add(1) {
            // `[-1]` selects the last element.
            0 => length,
            end => end,
        },
        To::End => length,
        To::Before(end) => end,
    };
    let wrapped = |index: i64| if index < 0 { index.saturating_add(length) } else { index };
    let (first, end) = (wrapped(from.unwrap_or(0)), wrapped(end));
    if first == end {
        return Ok(Vec::new());
    }
    let out = |index: i64| Err(format!("array index out of bounds: index {index}, length {length}"));
    if first >= length || first < 0 {
        return out(first);
    }
    if end > length || end < 0 {
        return out(end.saturating_sub(1));
    }
    if first > end {
        return Err(format!("starting index {first} is greater than ending index {end}"));
    }
    let step = step.map_or(Some(1), |step| usize::try_from(step).ok().filter(|step| *step > 0));
    let step = step.ok_or("step must be > 0")?;
    let at = |index: i64| usize::try_from(index).unwrap_or(0);
    Ok(values[at(first)..at(end)].iter().step_by(step).cloned().collect())
}

fn passes(one: &Value, left: &[Step], compared: Option<&(String, Vec<Step>)>) -> Result<bool, String> {
    let left = walk(vec![one.clone()], left);
    let Some((operator, right)) = compared else { return Ok(left.is_ok_and(|found| !found.is_empty())) };
    let (left, right) = (left?, walk(vec![one.clone()], right)?);
    let (left, right) = match (&left[..], &right[..]) {
        ([], _) | (_, []) => return Ok(false),
        ([left], [right]) => (left, right),
        _ => return Err("can only compare one element at a time".to_owned()),
    };
    let order = match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
        },
        _ => return Err("incompatible types for comparison".to_owned()),
    };
    Ok(match operator.as_str() {
        "==" => order.is_eq(),
        "!=" => order.is_ne(),
        "<" => order.is_lt(),
        "<=" => order.is_le(),
        ">" => order.is_gt(),
        _ => order.is_ge(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, expected: &str) {
        let object = json!({ "kind": "List", "items": [
            { "name": "web", "count": 3, "labels": { "a.b/c": "x" }, "tags": ["p", "q"] },
            { "name": "db", "count": 1, "labels": {}, "ready": true },
        ] });
        let filled = Template::read(template).and_then(|template| template.fill(&object));
        assert_eq!(filled.unwrap_or_else(|error| format!("error: {error}")), expected, "{template}");
    }

    #[test]
    fn templates_are_filled_in_as_kubectl_fills_them_in() {
        check("{.kind}", "List");
        check("it is {.kind}!", "it is List!");
        check("{.items[*].name}", "web db");
        check("{.items[0].name} {.items[-1].name}", "web db");
        check("{.items[0:1].name}", "web");
        check("{range .items[*]}{.name}={.count}{\"\\n\"}{end}done", "web=3\ndb=1\ndone");
        check("{range .items[*]}{range .tags[*]}{@}-{end}{.name};{end}", "p-q-web;db;");
        check("{.items[?(@.name==\"db\")].count}", "1");
        check("{.items[?(@.count>1)].name}", "web");
        check("{.items[?(@.ready)].name}", "db");
        check("{.items[?(@.ready==true)].name}", "db");
        check("{.items[0].labels.a\\.b/c}", "x");
        check("{.items[0].labels['a\\.b/c']}", "x");
        check("{.items[0]['name','count']}", "web 3");
        check("{..name}", "web db");
        check("{.items[0].tags}", r#"["p","q"]"#);
        check("{.nothing.there}", "");
        check("{.items[5].name}", "error: array index out of bounds: index 5, length 2");
        check("{.kind", "error: unclosed action");
        check("{end}", "error: not in range, nothing to end");
        check("{.items[?(@.name=\"db\")]}", "error: unrecognized filter operator =");
        check("{foo}", "error: unrecognized identifier foo");
        check("{.items[?(@.name>1)]}", "error: incompatible types for comparison");
    }

    proptest::proptest! {
        #[test]
        fn no_template_makes_it_panic(template in "[{}\\[\\]()?@.$*'\"\\\\a-z0-9:,=<> é-]{0,40}") {
            let object = json!({ "a": [{ "b": 1 }, "é", null], "c": { "d": "e" } });
            if let Ok(template) = Template::read(&template) {
                template.fill(&object).ok();
            }
        }
    }
}
