//! Ctrl-C while a command waits. The command ends at once, and says what goes on without it.
//!
//! Until a command says so, ctrl-C ends the process as usual. A question, which blocks the thread, comes before that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::error::CliError;

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
        let Ok(runtime) = Handle::try_current() else { return };
        if self.listens.swap(true, Ordering::Relaxed) {
            return;
        }
        let came = self.came.clone();
        runtime.spawn(async move {
            // Without a handler the signal ends the process.
            if tokio::signal::ctrl_c().await.is_ok() {
                came.notify_one();
            }
        });
    }

    /// Waits for ctrl-C, and returns the error for it.
    pub(super) async fn error(&self) -> CliError {
        self.came.notified().await;
        let [what, hint] = self.goes_on.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default();
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
}
