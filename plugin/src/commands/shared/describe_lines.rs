//! Lines of `describe`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::CliError;
use crate::escape;
use crate::output::table;

/// Lines of `Name: value`, aligned.
pub(crate) struct Lines(String);

impl Lines {
    pub(crate) fn new() -> Self {
        Self(String::new())
    }

    /// Adds a line. An empty value is a dash, as in a table.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        let value = if value.is_empty() { Cow::Borrowed("-") } else { escape::line(value) };
        self.0.push_str(&format!("{:<14} {value}\n", format!("{name}:")));
    }

    /// Adds labels or annotations, one a line, as kubectl does.
    pub(crate) fn pairs(&mut self, name: &str, pairs: Option<&BTreeMap<String, String>>) {
        let mut lines = pairs.into_iter().flatten();
        let Some((key, value)) = lines.next() else { return self.add(name, "") };
        self.add(name, &format!("{key}={value}"));
        for (key, value) in lines {
            self.0.push_str(&format!("{:<14} {}\n", "", escape::line(&format!("{key}={value}"))));
        }
    }

    /// Adds a text of several lines.
    pub(crate) fn text(&mut self, name: &str, text: &str) {
        self.0.push_str(&format!("{name}:\n"));
        text.lines().for_each(|line| self.0.push_str(&format!("  {}\n", escape::line(line))));
    }

    pub(crate) fn block(&mut self, name: &str, rows: &[Vec<String>]) {
        if rows.len() < 2 {
            return self.add(name, "");
        }
        self.0.push_str(&format!("{name}:\n"));
        for line in table(rows).lines() {
            self.0.push_str(&format!("  {line}\n"));
        }
    }

    pub(crate) fn events(&mut self, mut rows: Vec<Vec<String>>) {
        rows.insert(0, ["TYPE", "REASON", "AGE", "FROM", "MESSAGE"].map(str::to_owned).to_vec());
        self.block("Events", &rows);
    }
}

pub(crate) fn print(context: &Context<'_>, at: usize, lines: &Lines) -> Result<(), CliError> {
    if at > 0 {
        context.ui.line("")?;
    }
    context.ui.out(&lines.0)
}
