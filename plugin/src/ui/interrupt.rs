//! Ctrl-C while a command waits. The command ends at once, and says what goes on without it.
//!
//! Until a command says so, or draws its live line, ctrl-C ends the process as usual. A question, which blocks the
//! thread, comes before that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::error::CliError;
use crate::platform::interrupted;

/// The text for a command that did not say what goes on.
const BEGUN: [&str; 2] =
    ["the command ended before its work did, which may go on", "`kubectl cmp get clusters` shows the state"];

/// Ctrl-C, and the text that it leads to.
#[derive(Default)]
pub(super) struct Interrupt {
    goes_on: Mutex<Option<[String; 2]>>,
    listens: AtomicBool,
    came: Arc<Notify>,
}

impl Interrupt {
    /// Sets what goes on after ctrl-C, and the hint about the next step. From now on ctrl-C is an error of the command.
    pub(super) fn goes_on(&self, what: String, hint: String) {
        *self.goes_on.lock().unwrap_or_else(PoisonError::into_inner) = Some([what, hint]);
        self.listen();
    }

    /// Makes ctrl-C an error of the command from now on. The process would end without erasing its live line.
    pub(super) fn listen(&self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.listens.swap(true, Ordering::Relaxed) {
            return;
        }
        // The handler is there before the task runs: the signal may come earlier.
        let (came, interrupted) = (self.came.clone(), interrupted());
        runtime.spawn(async move {
            interrupted.await;
            came.notify_one();
        });
    }

    /// Reports whether ctrl-C is an error of the command already.
    #[cfg(test)]
    pub(super) fn listens(&self) -> bool {
        self.listens.load(Ordering::Relaxed)
    }

    /// Waits for ctrl-C, and returns the error for it.
    pub(super) async fn error(&self) -> CliError {
        self.came.notified().await;
        let what_and_hint = self.goes_on.lock().unwrap_or_else(PoisonError::into_inner).take();
        let [what, hint] = what_and_hint.unwrap_or_else(|| BEGUN.map(str::to_owned));
        CliError::interrupted(&what).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_interrupted_command_says_what_goes_on() {
        let interrupt = Interrupt::default();
        interrupt.goes_on("web is prepared".to_owned(), "the same command continues".to_owned());
        interrupt.goes_on("web-0 starts".to_owned(), "the same command waits again".to_owned());
        interrupt.came.notify_one();
        let error = interrupt.error().await;
        assert_eq!(error.text(), "error: interrupted: web-0 starts\nhint: the same command waits again\n");
        assert!(error.is_interrupted());
    }

    #[tokio::test]
    async fn a_command_that_said_nothing_ends_with_a_hint() {
        let interrupt = Interrupt::default();
        interrupt.came.notify_one();
        let text = interrupt.error().await.text();
        assert!(
            text.starts_with(
                "error: interrupted: the command ended before its work did, which may go on\nhint: `kubectl cmp get"
            ),
            "{text}"
        );
    }
}
