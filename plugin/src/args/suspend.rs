//! Parameters of a suspension.

use clap::{Args, ValueEnum};

use cmp_core::vocabulary;

use crate::args::yes::YesArg;

/// The mode of a suspension.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModeArg {
    /// Suspend mode: halt switches off; pause keeps the memory of a VM. By default a VM is paused if its root disk is ephemeral
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) mode: Option<Mode>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SuspendArgs {
    #[command(flatten)]
    pub(crate) mode: ModeArg,
    /// The reason to show while they are suspended
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    #[command(flatten)]
    pub(crate) yes: YesArg,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Pause,
    Halt,
}

impl From<Mode> for vocabulary::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Pause => Self::Pause,
            Mode::Halt => Self::Halt,
        }
    }
}
