//! The results of the checks, one line for each.

use serde_json::{Value, json};

use cmp_client::error::without_numbers;
use cmp_core::keys;

use crate::error::CliError;
use crate::escape;
use crate::output::fit::broken_sentence;
use crate::output::{Format, print_object};
use crate::ui::Ui;

/// The number of characters of a status, with the space after it.
const STATUS: usize = 10;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    /// The component works, but somebody should look; or the check could not run.
    Warning,
    Failed,
}

impl Status {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// A check with its result.
#[derive(Debug, Clone)]
pub(super) struct Check {
    name: String,
    status: Status,
    message: String,
    hints: Vec<String>,
    /// Whether the API server gave no answer, so that no other check can run.
    unreachable: bool,
}

impl Check {
    fn new(name: &str, status: Status, message: impl Into<String>) -> Self {
        let message = without_numbers(&message.into()).into_owned();
        Self { name: name.to_owned(), status, message, hints: Vec::new(), unreachable: false }
    }

    pub(super) fn ok(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, message)
    }

    pub(super) fn warning(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Warning, message)
    }

    pub(super) fn failed(name: &str, message: impl Into<String>) -> Self {
        Self::new(name, Status::Failed, message)
    }

    /// Adds a hint about what to do.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(without_numbers(&hint.into()).into_owned());
        self
    }

    /// Converts a result into a check. A caller without access gets a warning, because that is no failure of the
    /// checked object.
    pub(super) fn of(name: &str, found: Result<String, CliError>) -> Self {
        match found {
            Ok(message) => Self::ok(name, message),
            Err(error) if error.is_forbidden() => {
                Self::warning(name, format!("not checked: {}", error.message())).hint("an administrator can check this")
            }
            Err(error) => {
                let unreachable = error.is_unreachable();
                let check = Self { unreachable, ..Self::failed(name, error.message()) };
                error.hints().iter().fold(check, Self::hint)
            }
        }
    }

    /// Returns the lines of the check, of at most `room` characters. Text that is broken stands below the name.
    pub(super) fn lines(&self, room: usize) -> String {
        let (name, message) = (escape::line(&self.name), escape::line(&self.message));
        let status = format!("{:<STATUS$}", self.status.as_str());
        let mut text = broken_sentence(&format!("{status}{name}: {message}"), room, STATUS) + "\n";
        for hint in &self.hints {
            text.push_str(&broken_sentence(&format!("hint: {}", escape::line(hint)), room, "hint: ".len()));
            text.push('\n');
        }
        text
    }

    fn object(&self) -> Value {
        let hints = (!self.hints.is_empty()).then_some(&self.hints);
        json!({ "name": self.name, "status": self.status.as_str(), "message": self.message, "hints": hints })
    }
}

/// All checks: printed as they arrive, or as one object at the end.
pub(super) struct Report<'a> {
    ui: &'a Ui,
    format: Option<Format>,
    checks: Vec<Check>,
}

impl<'a> Report<'a> {
    pub(super) fn new(ui: &'a Ui, format: Option<Format>) -> Self {
        Self { ui, format, checks: Vec::new() }
    }

    /// Adds a check. Returns an error if the API server gave no answer to it: then there is nothing left to check.
    pub(super) fn add(&mut self, check: Check) -> Result<(), CliError> {
        if check.unreachable {
            return Err(check.hints.into_iter().fold(CliError::user(check.message), CliError::hint));
        }
        if self.format.is_none() {
            self.ui.out(&check.lines(self.ui.room()))?;
        }
        self.checks.push(check);
        Ok(())
    }

    pub(super) fn add_all(&mut self, checks: Vec<Check>) -> Result<(), CliError> {
        checks.into_iter().try_for_each(|check| self.add(check))
    }

    /// Prints a line that is not a check.
    pub(super) fn note(&self, text: &str) -> Result<(), CliError> {
        if self.format.is_none() { self.ui.line(text) } else { Ok(()) }
    }

    /// Prints the rest of the output. Returns an error if a check failed.
    pub(super) fn end(self) -> Result<(), CliError> {
        let worst = if self.has(Status::Failed) {
            Status::Failed
        } else if self.has(Status::Warning) {
            Status::Warning
        } else {
            Status::Ok
        };
        if let Some(format) = &self.format {
            let checks: Vec<Value> = self.checks.iter().map(Check::object).collect();
            let object = json!({
                "apiVersion": keys::API_VERSION,
                "kind": "Check",
                "metadata": {},
                "status": { "result": worst.as_str(), "checks": checks },
            });
            print_object(self.ui, format, &object)?;
        }
        if worst == Status::Failed { Err(CliError::silent()) } else { Ok(()) }
    }

    fn has(&self, status: Status) -> bool {
        self.checks.iter().any(|check| check.status == status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fit::UNLIMITED;
    use crate::ui::captured::Captured;

    #[test]
    fn a_check_is_a_line_and_its_hints() {
        assert_eq!(Check::ok("kubernetes", "v1.36.3").lines(UNLIMITED), "ok        kubernetes: v1.36.3\n");
        assert_eq!(
            Check::failed("cmp-webhook", "it is gone").hint("kubectl cmp install").lines(UNLIMITED),
            "failed    cmp-webhook: it is gone\nhint: kubectl cmp install\n"
        );
        assert_eq!(
            Check::failed("a\nb", "no\nok").hint("\x1b[2J\nok").lines(UNLIMITED),
            "failed    a\\nb: no\\nok\nhint: ^[[2J\\nok\n"
        );
        assert_eq!(
            Check::failed("cmp", "it is not installed here").hint("`kubectl cmp install` installs cmp").lines(32),
            "failed    cmp: it is not\n          installed here\nhint: `kubectl cmp install`\n      installs cmp\n"
        );
        assert_eq!(
            Check::warning("account", "too much").hint("no cluster can grow until enough is released").lines(32),
            "warning   account: too much\nhint: no cluster can grow until\n      enough is released\n"
        );
    }

    #[test]
    fn a_forbidden_check_is_a_warning() {
        let forbidden = CliError::from(cmp_client::ApiError::refused(403, "Forbidden", "no"));
        assert_eq!(Check::of("rights", Err(forbidden)).status, Status::Warning);
        assert_eq!(Check::of("rights", Err(CliError::user("no").hint("yes"))).hints, ["yes"]);
    }

    #[test]
    fn a_server_that_does_not_answer_ends_the_report() {
        let ui = Captured::new().ui();
        let mut report = Report::new(&ui, None);
        let down = cmp_client::ApiError::Unreachable("Connection refused".to_owned());
        let error = report.add(Check::of("rights", Err(down.into()))).unwrap_err();
        assert!(error.text().starts_with("error: unable to connect to the server: Connection refused\nhint: "));
        assert!(report.add(Check::failed("rights", "no (os error 2)").hint("x (os error 3)")).is_ok());
        assert_eq!(report.checks[0].lines(UNLIMITED), "failed    rights: no\nhint: x\n");
    }
}
