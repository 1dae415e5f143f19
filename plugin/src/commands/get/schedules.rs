//! `get schedules`: lists the schedules of clusters.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use cmp_client::accounts::Stored;
use cmp_core::account::{Account, Entry};
use cmp_core::keys;
use cmp_core::name::{ClusterName, UserName};
use cmp_core::plan::schedule::{SHOWN, zone_name};
use cmp_core::schedule::{self, Schedule, Transition};

use crate::args::ListArgs;
use crate::args::values::{name, scheduled};
use crate::commands::shared::schedules::{next, what_was};
use crate::commands::shared::select_clusters::{known, owned, select};
use crate::context::{Context, complete, each_said};
use crate::error::CliError;
use crate::output::{Heads, Item, print};

#[derive(Debug, Args)]
#[command(before_help = "Examples:\n  kubectl cmp get schedules\n  kubectl cmp get schedule web -o yaml")]
pub(crate) struct GetSchedules {
    /// The names of the clusters; all of yours by default
    #[arg(value_name = "NAME", value_parser = scheduled, conflicts_with = "selector")]
    pub(crate) names: Vec<ClusterName>,
    /// Show the schedules of all users (administrators)
    #[arg(short = 'A', long, conflicts_with = "owner")]
    pub(crate) all_namespaces: bool,
    /// Show the schedules of this user (administrators)
    #[arg(long, value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) owner: Option<UserName>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

const SCHEDULES: Heads =
    (&["NAME", "SUSPEND", "RESUME", "TIME-ZONE", "NEXT", "LAST"], &["OWNER", "MODE", "SKIP-UNTIL", "REASON"]);

/// The columns of several users' schedules.
const ALL_SCHEDULES: Heads =
    (&["OWNER", "NAME", "SUSPEND", "RESUME", "TIME-ZONE", "NEXT", "LAST"], &["MODE", "SKIP-UNTIL", "REASON"]);

pub(crate) async fn run(context: &Context<'_>, args: GetSchedules) -> Result<(), CliError> {
    let GetSchedules { names, all_namespaces, owner, list } = args;
    let now = Timestamp::now();
    let mut found: Vec<(Stored, Vec<ClusterName>)> = Vec::new();
    let mut all = true;
    if names.is_empty() {
        found = match context.cluster_of_namespace()? {
            Some(cluster) if !all_namespaces => vec![(known(context, &cluster, owner.as_ref()).await?, vec![cluster])],
            _ => select(context, all_namespaces, owner.as_ref()).await?,
        };
    } else {
        all = each_said(context, &names, &mut found, |name: &ClusterName| {
            let (name, owner) = (name.clone(), owner.as_ref());
            async move {
                let stored = owned(context, &name, owner).await?;
                match stored.account.cluster(&name).schedule() {
                    Some(_) => Ok((stored, vec![name])),
                    None => Err(CliError::not_found("schedule", name.as_str())
                        .hint(format!("to set a schedule: kubectl cmp schedule cluster {name}"))),
                }
            }
        })
        .await?;
    }
    let of_account = |(stored, clusters): &(Stored, Vec<ClusterName>)| {
        let items = clusters.iter().filter_map(|cluster| item(&stored.account, cluster, now));
        let shown = |mut item: Item| {
            if !all_namespaces {
                return item;
            }
            item.wide.remove(0);
            item.with_owner(&stored.account.user)
        };
        items.map(shown).collect::<Vec<_>>()
    };
    let items: Vec<Item> = found.iter().flat_map(of_account).collect();
    if all || !items.is_empty() {
        let heads = if all_namespaces { ALL_SCHEDULES } else { SCHEDULES };
        print(context.ui, &list, heads, items, names.len() == 1)?;
    }
    complete(all)
}

/// Returns the schedule of a cluster for every output format.
fn item(account: &Account, name: &ClusterName, now: Timestamp) -> Option<Item> {
    let entry = account.cluster(name);
    let schedule = entry.schedule()?;
    let last = entry.scheduled.as_ref();
    let zone = schedule.zone().unwrap_or(TimeZone::UTC);
    Some(Item {
        name: format!("schedule/{name}"),
        object: object(account, name, &entry, schedule, now),
        cells: vec![
            name.to_string(),
            schedule.suspend.join("; "),
            schedule.resume.join("; "),
            zone_name(schedule).to_owned(),
            next(schedule, now),
            last.map_or_else(String::new, |last| what_was(last, now)),
        ],
        wide: vec![
            account.user.to_string(),
            schedule.mode.map_or_else(String::new, |mode| mode.as_str().to_owned()),
            schedule.skip_until.map_or_else(String::new, |skip| schedule::local_time(skip, &zone)),
            last.and_then(|last| last.reason.clone()).unwrap_or_default(),
        ],
    })
}

fn object(account: &Account, name: &ClusterName, entry: &Entry, schedule: &Schedule, now: Timestamp) -> Value {
    let shown =
        |transition: Transition| json!({ "turn": transition.action, "cause": transition.trigger, "at": transition.at });
    let next = schedule.after(now).map(|transitions| transitions.take(SHOWN).map(shown).collect::<Vec<_>>());
    let mut spec = json!(schedule);
    spec["owner"] = json!(account.user);
    json!({
        "apiVersion": keys::API_VERSION,
        "kind": "Schedule",
        "metadata": {
            "name": name,
            "namespace": name.namespace(),
            "labels": entry.want.as_ref().map(|want| &want.labels).filter(|labels| !labels.is_empty()),
        },
        "spec": spec,
        "status": {
            "next": next.as_ref().ok(),
            "last": entry.scheduled,
            "reason": next.as_ref().err().map(ToString::to_string),
        },
    })
}
