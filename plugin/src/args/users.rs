//! The name of a user, and the handling of the quota of suspended clusters.

use clap::{Args, ValueEnum};

use cmp_core::account::Suspended;
use cmp_core::name::UserName;

use crate::args::values::name;

/// The name of one existing user.
#[derive(Debug, Args)]
pub(crate) struct UserNameArg {
    /// The name of the user
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: UserName,
}

/// Handling of the quota of suspended clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SuspendedQuota {
    #[default]
    Keep,
    Release,
}

impl From<SuspendedQuota> for Suspended {
    fn from(suspended: SuspendedQuota) -> Self {
        match suspended {
            SuspendedQuota::Keep => Self::Keep,
            SuspendedQuota::Release => Self::Release,
        }
    }
}
