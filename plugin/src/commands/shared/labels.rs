//! Labels and annotations of clusters: one write of the account for each cluster.

use cmp_client::accounts::Stored;
use cmp_core::labels::Field;
use cmp_core::name::ClusterName;
use cmp_core::plan::describe;
use cmp_core::plan::label::{self, Wish};

use crate::args::{ChangeArgs, PairArgs};
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::select_clusters::{check_owner, matching};
use crate::commands::shared::write_account::{print_plan, write};
use crate::context::{Context, complete};
use crate::error::CliError;

/// Sets and removes labels or annotations. If one of several clusters fails, the others are changed all the same.
pub(crate) async fn change(context: &Context<'_>, field: Field, args: PairArgs) -> Result<(), CliError> {
    let overwrite = args.overwrite;
    let (which, pairs, change) = args.split(field.one())?;
    let wish = Wish { field, set: pairs.set, remove: pairs.remove, overwrite };
    label::check(&wish)?;
    let names = if which.is_query() {
        let selected = matching(context, &which).await?;
        let existing = selected
            .into_iter()
            .flat_map(|(stored, names)| names.into_iter().filter(move |name| stored.account.cluster(name).exists()));
        existing.collect()
    } else {
        context.clusters(which.names.clone())?
    };
    if names.is_empty() {
        context.ui.note("No resources found.");
    }
    let mut all_changed = true;
    for name in &names {
        let holder = context.holder(name).await;
        let held = holder.and_then(|stored| check_owner(&stored, name, which.owner.as_ref()).map(|()| stored));
        let changed = match held {
            Ok(stored) => change_one(context, &wish, stored, name, &change).await,
            Err(error) => Err(error),
        };
        match changed {
            Err(error) if names.len() == 1 || error.is_broken_pipe() => return Err(error),
            Err(error) if error.is_not_found() => {
                error.print(context.ui);
                all_changed = false;
            }
            Err(error) => {
                error.about(&format!("cluster/{name}")).print(context.ui);
                all_changed = false;
            }
            Ok(()) => {}
        }
    }
    complete(all_changed)
}

async fn change_one(
    context: &Context<'_>,
    wish: &Wish,
    stored: Stored,
    name: &ClusterName,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let dry_run = change.dry.dry_run;
    let plan = label::write(wish, name, &stored.account)?;
    for key in label::missing(wish, name, &stored.account)? {
        context.ui.note(&format!("{} {key:?} not found.", wish.field.one()));
    }
    print_plan(context.ui, dry_run, || Ok(describe::write(&plan)))?;
    let accounts = context.accounts().await?;
    let stored = write(&accounts, stored, dry_run, |account| label::write(wish, name, account)).await?.stored;
    print_cluster_change(context, &stored, name, label::word(wish, !plan.change.is_empty()), change).await
}
