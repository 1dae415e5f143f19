//! `describe user`: details of users, their quota and their clusters.

use jiff::Timestamp;

use cmp_core::name::UserName;

use crate::commands::shared::describe_lines::{Lines, print};
use crate::commands::shared::quota::quota_rows;
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::age;
use cmp_core::plan::user::allows_nothing;

pub(crate) async fn run(context: &Context<'_>, names: Vec<UserName>) -> Result<(), CliError> {
    let now = Timestamp::now();
    let mut found = Vec::new();
    let all_found = each_said(context, &names, &mut found, |name: &UserName| {
        let name = name.clone();
        async move { context.account(&name).await }
    })
    .await?;
    for (at, stored) in found.iter().enumerate() {
        let name = &stored.account.user;
        let account = &stored.account;
        let mut lines = Lines::new();
        lines.add("Name", name.as_str());
        lines.add("Username", &name.username());
        lines.add("Age", &age(stored.created, now));
        lines.add("Settled", if account.is_settled() { "yes" } else { "no: nothing can be created or grown yet" });
        if allows_nothing(&account.policy) {
            lines.add("Deletion", &format!("started: `kubectl cmp delete user {name} --cascade` completes it"));
        }
        let (clusters, instances) = account.counts();
        lines.add("Clusters", &format!("{clusters} of {}", account.policy.clusters));
        lines.add("Instances", &format!("{instances} of {}", account.policy.instances));
        lines.block("Quota", &quota_rows(account));
        let mut rows = vec![["NAME", "WANTED", "HELD", "CHARGE"].map(str::to_owned).to_vec()];
        for (cluster, entry) in account.existing() {
            let wanted =
                entry.want.as_ref().map_or_else(String::new, |want| format!("{} of {}", want.count, want.size));
            let held = entry
                .held
                .as_ref()
                .map_or_else(String::new, |held| format!("{} of {} ({})", held.count, held.size, held.state.as_str()));
            rows.push(vec![cluster.to_string(), wanted, held, entry.charge().unwrap_or_default().to_string()]);
        }
        lines.block("Holds", &rows);
        print(context, at, &lines)?;
    }
    complete(all_found)
}
