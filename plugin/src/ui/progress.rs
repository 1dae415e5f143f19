//! How far a command has come: on a terminal one line that is drawn again in place, elsewhere a line a change.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ui, escape};

/// How often a line is written at most where lines stay.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// What is said while something is waited for. The line that is drawn in place goes with it.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    said: Option<(String, Instant)>,
}

impl<'a> Progress<'a> {
    pub(crate) fn new(ui: &'a Ui) -> Self {
        Self { ui, said: None }
    }

    /// Says how far it is: a line where `counts` have changed, with what is to be known besides. The last one is said in
    /// any case.
    pub(crate) fn show(&mut self, counts: &str, besides: Option<&str>, last: bool) {
        let line = besides.map_or_else(|| counts.to_owned(), |besides| format!("{counts} ({besides})"));
        if self.ui.redraws {
            let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| width.0);
            self.ui.draw(&cut(&line, usize::from(width)));
            return;
        }
        let now = Instant::now();
        let due = self.said.as_ref().is_none_or(|(said, at)| said != counts && (last || now - *at >= AT_MOST_EVERY));
        if due {
            self.ui.note(&line);
            self.said = Some((counts.to_owned(), now));
        }
    }

    /// Says what goes on, to whoever looks at it: nothing where lines stay.
    pub(crate) fn passing(&mut self, line: &str) {
        if self.ui.redraws {
            self.show(line, None, false);
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.ui.erase();
    }
}

/// What fits on one line; a longer one could not be taken away again.
fn cut(line: &str, width: usize) -> String {
    let line = escape::line(line);
    if line.chars().count() < width {
        return line.into_owned();
    }
    let kept: String = line.chars().take(width.saturating_sub(4)).collect();
    format!("{kept}...")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_drawn_in_place_fits() {
        assert_eq!(cut("web: 3/3 running", 80), "web: 3/3 running");
        assert_eq!(cut("web: 3/3 running", 17), "web: 3/3 running");
        assert_eq!(cut("web: 3/3 running", 16), "web: 3/3 run...");
        assert_eq!(cut("web", 2), "...");
        assert_eq!(cut("a\x1b[2Jb\nc", 80), "a^[[2Jb\\nc");
    }
}
