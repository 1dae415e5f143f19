//! `get users`: lists users with their quota and usage.

use clap::Args;
use jiff::Timestamp;

use cmp_client::accounts::Stored;
use cmp_core::name::UserName;

use crate::args::values::name;
use crate::args::{ListArgs, without_owner};
use crate::commands::shared::users::{object, readable};
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::{Heads, Item, age, print};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get users --sort-by .status.charge.cpu", arg = without_owner())]
pub(crate) struct GetUsers {
    /// The names of the users; all by default
    #[arg(value_name = "NAME", value_parser = name::<UserName>, conflicts_with = "selector")]
    pub(crate) names: Vec<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

const USERS: Heads = (&["NAME", "CPU", "MEMORY", "CLUSTERS", "INSTANCES", "AGE"], &["SETTLED"]);

pub(crate) async fn run(context: &Context<'_>, args: GetUsers) -> Result<(), CliError> {
    let GetUsers { names, list } = args;
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &UserName| {
        let name = name.clone();
        async move { context.account(&name).await }
    })
    .await?;
    if names.is_empty() {
        found.extend(readable(context).await?.0);
    }
    if found.is_empty() && !all_found {
        return complete(false);
    }
    let now = Timestamp::now();
    let items = found.iter().map(|stored| item(stored, now)).collect();
    print(context.ui, &list, USERS, items, names.len() == 1)?;
    complete(all_found)
}

fn item(stored: &Stored, now: Timestamp) -> Item {
    let account = &stored.account;
    let used = account.charge().unwrap_or_default();
    let of = |used: String, total: String| format!("{used}/{total}");
    let (clusters, instances) = account.counts();
    Item {
        name: format!("user/{}", account.user),
        object: object(stored),
        cells: vec![
            account.user.to_string(),
            of(used.cpu().to_string(), account.quota.cpu().to_string()),
            of(used.memory().to_string(), account.quota.memory().to_string()),
            clusters.to_string(),
            instances.to_string(),
            age(stored.created, now),
        ],
        wide: vec![if account.is_settled() { "yes" } else { "no" }.to_owned()],
    }
}
