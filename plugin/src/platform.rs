//! The parts of the plugin that differ between operating systems. Each system has the same functions.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::{
    EDITOR, Mode, become_it, edits, escaped, interrupted, link, make_raw, make_unbuffered, private_folder, quoted,
    set_mode, signalled,
};
#[cfg(windows)]
pub(crate) use windows::{
    EDITOR, Mode, become_it, edits, escaped, interrupted, link, make_raw, make_unbuffered, private_folder, quoted,
    set_mode, signalled,
};
