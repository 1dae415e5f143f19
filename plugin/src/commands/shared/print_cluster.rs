//! The output of a command that changes a cluster.

use cmp_client::accounts::Stored;
use cmp_core::name::ClusterName;

use crate::args::ChangeArgs;
use crate::commands::shared::write_account::print_outcome;
use crate::context::Context;
use crate::error::CliError;
use crate::output::{done, print_object};
use crate::view;

/// Prints the line for the change, or the cluster as an object.
pub(crate) async fn print_cluster_change(
    context: &Context<'_>,
    stored: &Stored,
    name: &ClusterName,
    word: &str,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    match &change.output {
        Some(format) if change.prints_objects() => {
            let client = context.client().await?;
            let looked = view::clusters(&client, &stored.account, std::slice::from_ref(name)).await?;
            looked.iter().try_for_each(|cluster| print_object(context.ui, format, &cluster.object()))?;
        }
        _ => done(context.ui, change, &format!("cluster/{name}"), word)?,
    }
    print_outcome(context.ui, change.dry.dry_run, &stored.account, [name]);
    Ok(())
}
