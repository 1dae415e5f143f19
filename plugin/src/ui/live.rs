//! A table that is redrawn on the whole terminal, until a key or a signal ends it.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::terminal::Ui;
use crate::error::CliError;
use crate::platform::{Mode, make_unbuffered, set_mode, signalled};

/// The first line of the screen.
const HEAD: &str = "Every 2s. Press q to quit.";

/// The alternate screen of the terminal. Dropping it shows the previous screen again.
pub(crate) struct Live<'a> {
    ui: &'a Ui,
    end: UnboundedReceiver<()>,
    _keys: Unbuffered,
}

impl<'a> Live<'a> {
    /// Opens the screen. It ends with the key `q`, ctrl-C, and a request to terminate.
    pub(crate) fn open(ui: &'a Ui) -> Self {
        let (ends, end) = unbounded_channel();
        // A signal from now on leaves the screen before the process ends.
        let signalled = signalled();
        ui.alternate(true);
        if ui.terminal.interactive {
            until_q(ends.clone());
        }
        tokio::spawn(async move {
            signalled.await;
            ends.send(())
        });
        Self { ui, end, _keys: Unbuffered(ui.terminal.interactive.then(make_unbuffered).flatten()) }
    }

    /// Returns the present number of columns.
    pub(crate) fn columns(&self) -> usize {
        self.ui.size().0
    }

    /// Draws the lines of a table, as far as they fit.
    pub(crate) fn draw(&self, table: &str) -> Result<(), CliError> {
        let (columns, rows) = self.ui.size();
        self.ui.redraw(&fitted(&format!("{HEAD}\n\n{table}"), columns, rows))
    }

    /// Waits until the user or a signal ends it.
    pub(crate) async fn ended(&mut self) {
        // The channel is closed if no signal can be received.
        self.end.recv().await;
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.ui.alternate(false);
    }
}

/// Cuts a text to the size of the terminal. The last line says how much is left out.
fn fitted(text: &str, columns: usize, rows: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    // The cursor stands on the last row.
    let room = rows.saturating_sub(1).max(1);
    let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
    let mut fitted = String::new();
    for line in lines.iter().take(shown) {
        fitted.extend(line.chars().take(columns));
        fitted.push('\n');
    }
    if shown < lines.len() {
        let rest = format!("... and {} more: --once prints all", lines.len() - shown);
        fitted.extend(rest.chars().take(columns));
        fitted.push('\n');
    }
    fitted
}

/// Sends the end when `q` is typed or the terminal is closed. The thread ends with the process, because a read of the
/// terminal cannot be cancelled.
fn until_q(ends: UnboundedSender<()>) {
    std::thread::spawn(move || {
        let mut key = [0];
        while let Ok(1) = std::io::Read::read(&mut std::io::stdin(), &mut key) {
            if key == *b"q" {
                break;
            }
        }
        ends.send(())
    });
}

/// The mode of the terminal before each key is read at once. Dropping it restores that mode.
struct Unbuffered(Option<Mode>);

impl Drop for Unbuffered {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            set_mode(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::captured::Captured;
    use super::super::terminal::Terminal;
    use super::*;

    #[test]
    fn the_table_is_cut_to_the_terminal() {
        let text = "NAME   CPU\nweb-0   250m\nweb-1   1m\n";
        assert_eq!(fitted(text, 80, 24), text);
        assert_eq!(fitted(text, 80, 4), text);
        assert_eq!(fitted(text, 80, 3), "NAME   CPU\n... and 2 more: --once prints all\n");
        assert_eq!(fitted(text, 4, 24), "NAME\nweb-\nweb-\n");
        assert_eq!(fitted(text, 80, 1), "... and 3 more: --once prints all\n");
    }

    #[tokio::test]
    async fn the_screen_is_redrawn_in_place_and_left_at_the_end() {
        let captured = Captured::new();
        let ui = captured.ui_of(Terminal { live: true, ..Terminal::default() });
        let live = Live::open(&ui);
        live.draw("web\x1b[2J\n").unwrap();
        drop(live);
        let expected = format!("\x1b[?1049h\x1b[H{HEAD}\x1b[K\n\x1b[K\nweb^[[2J\x1b[K\n\x1b[J\x1b[?1049l");
        assert_eq!(captured.data(), expected);
    }
}
