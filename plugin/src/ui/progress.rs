//! Progress of a command: one line that is redrawn in place on a terminal, elsewhere one line for each change.

use std::time::Duration;

use tokio::time::Instant;

use super::terminal::Ui;

/// Minimum time between two lines where lines are not redrawn.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// Progress of a wait. Dropping it erases the live line.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    said: Option<(String, Instant)>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self { ui, said: None }
    }

    /// Shows the progress: a new line if `counts` has changed, with an optional remark. The last call ignores the
    /// minimum time between lines.
    pub(crate) fn show(&mut self, counts: &str, besides: Option<&str>, last: bool) {
        let line = besides.map_or_else(|| counts.to_owned(), |besides| format!("{counts} ({besides})"));
        if self.ui.terminal.redraws {
            let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| width.0);
            self.ui.draw(&line, usize::from(width));
            return;
        }
        let now = Instant::now();
        let due = self.said.as_ref().is_none_or(|(said, at)| said != counts && (last || now - *at >= AT_MOST_EVERY));
        if due {
            self.ui.note(&line);
            self.said = Some((counts.to_owned(), now));
        }
    }

    /// Shows a line on a terminal only, where it is redrawn.
    pub(crate) fn passing(&mut self, line: &str) {
        if self.ui.terminal.redraws {
            self.show(line, None, false);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.ui.erase();
    }
}
