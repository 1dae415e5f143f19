//! The raw mode of the terminal: each byte that is typed goes on unchanged, also that of ctrl-C.

use std::sync::{Mutex, PoisonError};

use crate::platform::{Mode, make_raw, set_mode};

/// The mode of the terminal before. It is global, so that a panic in any thread can restore it.
static BEFORE: Mutex<Option<Mode>> = Mutex::new(None);

/// The raw mode. Dropping it restores the mode before.
pub(crate) struct Raw(());

impl Raw {
    /// Changes the mode of standard input, if it is a terminal.
    pub(crate) fn new() -> Self {
        // A panic from now on restores the mode.
        let mut kept = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = make_raw();
        Self(())
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the mode of the terminal before [`Raw`], if there is one.
pub(crate) fn restore() {
    // A panic while the lock is held comes from here: there is no mode to restore then.
    if let Some(before) = BEFORE.try_lock().ok().and_then(|mut before| before.take()) {
        set_mode(&before);
    }
}
