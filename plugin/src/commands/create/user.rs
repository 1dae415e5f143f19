//! `create user`: a ServiceAccount, an account, and the right to it; and the kubeconfig of the user.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use cmp_core::account::Policy;
use cmp_core::name::UserName;
use cmp_core::plan::amounts::{Amount, with_more};
use cmp_core::plan::user::Wish;
use cmp_core::quantity::Quantity;
use cmp_core::resources::Resources;

use crate::args::values::{amount, lifetime, memory, name, quantity};
use crate::args::{ChangeArgs, SuspendedQuota};
use crate::commands::shared::create_user::{CredentialRequest, create};
use crate::context::Context;
use crate::error::CliError;

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp create user john --cpu 16 --memory 64Gi --kubeconfig-out john.kubeconfig\n  kubectl cmp create user mary --cpu 8 --memory 32Gi --resource nvidia.com/gpu=2"
)]
pub(crate) struct CreateUser {
    /// The name of the user
    #[arg(value_name = "NAME", value_parser = name::<UserName>)]
    pub(crate) name: UserName,
    /// The CPU quota of the user, for all instances together
    #[arg(long, value_name = "CPU", value_parser = quantity, allow_negative_numbers = true)]
    pub(crate) cpu: Quantity,
    /// The memory quota of the user, for all instances together
    #[arg(long, value_name = "MEMORY", value_parser = memory, allow_negative_numbers = true)]
    pub(crate) memory: Quantity,
    /// The quota of another resource, such as nvidia.com/gpu=4 (repeatable)
    #[arg(long, value_name = "NAME=AMOUNT", value_parser = amount)]
    pub(crate) resource: Vec<Amount>,
    /// Whether suspended clusters keep their quota, or release it until they are resumed
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    pub(crate) suspended: SuspendedQuota,
    /// Requested lifetime of the token in the kubeconfig
    #[arg(long, value_name = "DURATION", default_value = "720h", value_parser = lifetime)]
    pub(crate) token_duration: Duration,
    /// Write the user's kubeconfig to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig_out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

pub(crate) async fn run(context: &Context<'_>, args: CreateUser) -> Result<(), CliError> {
    let CreateUser { name, cpu, memory, resource, suspended, token_duration, kubeconfig_out, change } = args;
    let quota = with_more(Resources::new(cpu, memory), &resource)?;
    let wish = Wish { name, quota, policy: Policy { suspended: suspended.into(), ..Policy::default() } };
    let credential = CredentialRequest { duration: token_duration, kubeconfig: kubeconfig_out.as_deref() };
    create(context, &wish, Some(credential), &change).await
}
