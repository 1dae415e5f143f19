//! Lines of `describe`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::fit::broken;
use crate::output::table_within;

/// The number of characters before a value.
const LABEL: usize = 15;
/// The spaces before a line of a table or a text.
const INDENT: usize = 2;

/// Lines of `Name: value`, aligned.
pub(crate) struct Lines(Vec<Part>);

/// A part of the output.
enum Part {
    /// A line with a value.
    Value(String),
    /// A line that is never broken.
    Line(String),
    Table(Vec<Vec<String>>),
}

impl Lines {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a line. An empty value is a dash, as in a table.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let value = if value.is_empty() { Cow::Borrowed("-") } else { escape::line(value) };
        self.value(&format!("{name}:"), &value);
    }

    fn value(&mut self, label: &str, value: &str) {
        self.0.push(Part::Value(format!("{label:<width$} {value}", width = LABEL - 1)));
    }

    /// Adds labels or annotations, one a line, as kubectl does.
    pub(crate) fn pairs(&mut self, name: &str, pairs: Option<&BTreeMap<String, String>>) {
        let mut lines = pairs.into_iter().flatten();
        let Some((key, value)) = lines.next() else { return self.add(name, "") };
        self.add(name, &format!("{key}={value}"));
        for (key, value) in lines {
            self.value("", &escape::line(&format!("{key}={value}")));
        }
    }

    /// Adds several values, one a line.
    pub(crate) fn several(&mut self, name: &str, values: &[String]) {
        for (at, value) in values.iter().enumerate() {
            let label = if at == 0 { format!("{name}:") } else { String::new() };
            self.value(&label, &escape::line(value));
        }
    }

    /// Adds a text of several lines.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.0.push(Part::Line(format!("{name}:")));
        self.0.extend(text.lines().map(|line| Part::Line(format!("{:INDENT$}{}", "", escape::line(line)))));
    }

    pub(crate) fn block(&mut self, name: &str, rows: &[Vec<String>]) {
        if rows.len() < 2 {
            return self.add(name, "");
        }
        self.0.push(Part::Line(format!("{name}:")));
        self.0.push(Part::Table(rows.to_vec()));
    }

    pub(crate) fn events(&mut self, mut rows: Vec<Vec<String>>) {
        rows.insert(0, ["TYPE", "REASON", "AGE", "FROM", "MESSAGE"].map(str::to_owned).to_vec());
        self.block("Events", &rows);
    }

    /// Returns the text, whose lines have at most `room` characters.
    fn within(&self, room: usize) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Value(line) => text.push_str(&(broken(line, room, LABEL) + "\n")),
                Part::Line(line) => text.push_str(&format!("{line}\n")),
                Part::Table(rows) => {
                    for line in table_within(rows, room.saturating_sub(INDENT)).lines() {
                        text.push_str(&format!("{:INDENT$}{line}\n", ""));
                    }
                }
            }
        }
        text
    }
}

pub(crate) fn print(context: &Context<'_>, at: usize, lines: &Lines) -> Result<(), CliError> {
    if at > 0 {
        context.ui.line("")?;
    }
    context.ui.out(&lines.within(context.ui.room()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fit::UNLIMITED;

    #[test]
    fn values_and_tables_fit_the_terminal() {
        let mut lines = Lines::new();
        lines.add("Name", "web");
        lines.add("Reason", "web-0: no node has enough room");
        lines.pairs("Labels", Some(&[("app".to_owned(), "x".to_owned()), ("b".to_owned(), String::new())].into()));
        lines.text("Manifest", "image: a b c d e f g h i j k l m n o p q r s");
        lines.block("Instances", &[["NAME", "NODE"], ["web-0", ""]].map(|row| row.map(str::to_owned).to_vec()));
        let wide = "\
Name:          web
Reason:        web-0: no node has enough room
Labels:        app=x
               b=
Manifest:
  image: a b c d e f g h i j k l m n o p q r s
Instances:
  NAME    NODE
  web-0   -
";
        assert_eq!(lines.within(UNLIMITED), wide);
        let narrow = wide.replace("enough room\n", "enough\n               room\n");
        assert_eq!(lines.within(40), narrow);
    }
}
