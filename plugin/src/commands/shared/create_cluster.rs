//! Creation of a cluster: the whole cluster is requested in one write and judged as a whole; then its instances are
//! created.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::Value;

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::kubevirt;
use cmp_client::update::Update;
use cmp_core::account::change::Change;
use cmp_core::account::{Suspended, Want};
use cmp_core::name::{ClusterName, UserName};
use cmp_core::powered_off::PoweredOff;
use cmp_core::resources::Resources;
use cmp_core::schedule::Transition;
use cmp_core::vocabulary::InstanceType;

use crate::args::{ChangeArgs, DryRun, WaitArgs};
use crate::commands::shared::make_instances::{indexes, make_instances, running};
use crate::commands::shared::patch::Patch;
use crate::commands::shared::prepared_cluster::prepared;
use crate::commands::shared::print_cluster::print_cluster_change;
use crate::commands::shared::{schedules, templates};
use crate::context::{Context, MANAGER};
use crate::error::CliError;

/// A cluster that the user asks for.
pub(crate) struct ClusterRequest {
    pub(crate) name: ClusterName,
    pub(crate) want: Want,
    /// The patch of the want, as it was typed.
    pub(crate) patch: Option<Patch>,
    /// The instances that must be off.
    pub(crate) off: PoweredOff,
    /// A timer of the file that has expired and is not set again.
    pub(crate) over: Option<Transition>,
    /// The requested owner, if one is given.
    pub(crate) owner: Option<UserName>,
    /// Reports whether the type was given, rather than derived from the template.
    pub(crate) typed: bool,
}

pub(crate) async fn create(
    context: &Context<'_>,
    asked: ClusterRequest,
    wait: &WaitArgs,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let ClusterRequest { name, mut want, patch, off, over, owner, typed } = asked;
    context.check_namespace(&name)?;
    let template = templates::of(context, &want).await?;
    if want.template.is_some() {
        let of = template.kind();
        if typed && want.kind != of {
            return Err(CliError::user(format!("--type {}: the template is of type {of}", want.kind))
                .hint("leave the type out: it follows from the template"));
        }
        want.kind = of;
    }
    if want.kind == InstanceType::Vm && !kubevirt::installed(&context.client().await?).await? {
        return Err(CliError::user("--type vm: there is no KubeVirt in this cluster, so that no VM can run")
            .hint("an administrator installs KubeVirt 1.7 or newer (kubevirt.io); or use --type container"));
    }
    templates::blueprint(&template, &want, patch.as_ref())?;
    let user = context.account_of(owner.as_ref()).await?;
    let accounts = context.accounts().await?;
    let known = context.account(&user).await?;
    let resumed = known.account.cluster(&name).want.is_some();
    if let Some(over) = over.filter(|_| !resumed) {
        schedules::say_over(context, &name, &want, over);
    }
    // A cluster that is suspended as a whole needs no quota if the account's policy releases it. The quota comes back
    // when the cluster is resumed.
    want.released = off.all_suspended(want.count) && known.account.policy.suspended == Suspended::Release;
    let stored = write_want(context, &accounts, known, &name, &want, change.dry.dry_run).await?;
    if change.dry.dry_run != DryRun::None {
        return print_cluster_change(context, &stored, &name, "created", change).await;
    }
    // Read the want again, because it may be released by now.
    let want = stored.account.cluster(&name).want.unwrap_or(want);
    prepared(context.ui, &accounts, &user, &name, &want, wait.timeout).await?;
    // A cluster that was not wanted before has no instances. If one exists all the same, it is not created again.
    let there = if resumed { indexes(context, &name, want.kind).await? } else { BTreeSet::new() };
    let blueprint = templates::blueprint(&template, &want, patch.as_ref())?;
    let made = make_instances(context, &name, want.count, &blueprint, &there, &off).await?;
    if wait.wait && want.released {
        context.ui.note(&format!("its instances are off: kubectl cmp resume cluster {name}"));
    } else if wait.wait {
        running(context, &name, want.kind, off.others(want.count), wait.timeout).await?;
    }
    let word = if resumed && made == 0 { "unchanged" } else { "created" };
    let stored = if change.prints_objects() { accounts.get(&user).await? } else { stored };
    print_cluster_change(context, &stored, &name, word, change).await
}

/// Writes the want. On a conflict with another writer, it reads the account again and retries.
async fn write_want(
    context: &Context<'_>,
    accounts: &Accounts,
    stored: Stored,
    name: &ClusterName,
    want: &Want,
    dry_run: DryRun,
) -> Result<Stored, CliError> {
    let update = Update { manager: MANAGER, dry_run: dry_run.into(), judge: true };
    let mut again = false;
    let updated = accounts.update(stored, update, |stored| {
        let entry = stored.account.cluster(name);
        if std::mem::replace(&mut again, true) && !stored.account.is_settled() {
            context.verbose("waiting for the account to be settled");
        }
        if entry.delete.is_some() && entry.held.is_some() {
            return Err(CliError::user(format!("cluster {name} is being deleted"))
                .hint(format!("wait until it is gone: kubectl cmp delete cluster {name} --yes --wait")));
        }
        match &entry.want {
            Some(wanted) if *wanted == as_wanted(want, wanted) => Ok(Change::new()),
            Some(wanted) => Err(different(name, wanted, &as_wanted(want, wanted))),
            None => Ok(Change::new().want(name, Some(want))),
        }
    });
    Ok(updated.await?.stored)
}

/// Returns the request with the existing values of fields that do not count as a difference. These are whether the
/// cluster is released, and the schedule unless the request names another one.
fn as_wanted(asked: &Want, wanted: &Want) -> Want {
    let schedule = match (&asked.schedule, &wanted.schedule) {
        (Some(asked), Some(wanted)) if !asked.is_equivalent(wanted, Timestamp::now()) => Some(asked.clone()),
        (Some(asked), None) => Some(asked.clone()),
        (_, wanted) => wanted.clone(),
    };
    Want { released: wanted.released, schedule, ..asked.clone() }
}

/// Builds the error that lists the differences between the existing want and the request.
fn different(name: &ClusterName, is: &Want, asked: &Want) -> CliError {
    let fields = |want: &Want| match serde_json::to_value(want) {
        Ok(Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (is, asked) = (fields(is), fields(asked));
    let shown = |value: Option<&Value>| match value {
        None => "not said".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => {
            serde_json::from_value(value.clone()).map_or_else(|_| value.to_string(), |size: Resources| size.to_string())
        }
    };
    let keys: BTreeSet<&String> = is.keys().chain(asked.keys()).filter(|key| is.get(*key) != asked.get(*key)).collect();
    let list: Vec<String> = keys
        .iter()
        .map(|key| format!("{key} is {}, asked for is {}", shown(is.get(*key)), shown(asked.get(*key))))
        .collect();
    let error = CliError::user(format!("cluster {name} exists and is different: {}", list.join("; ")));
    let rest = keys.iter().any(|key| !["count", "size", "schedule"].contains(&key.as_str()));
    if rest {
        return error.hint("delete it first, or choose another name");
    }
    let count = asked.get("count").map(ToString::to_string).unwrap_or_default();
    let scale = format!("to change the number of instances: kubectl cmp scale cluster {name} --count {count}");
    let resize = format!("to change their size: kubectl cmp resize cluster {name}");
    let error = if is.get("count") == asked.get("count") { error } else { error.hint(scale) };
    let error = if is.get("size") == asked.get("size") { error } else { error.hint(resize) };
    let schedule = format!("to change when it is suspended: kubectl cmp schedule cluster {name}");
    if is.get("schedule") == asked.get("schedule") { error } else { error.hint(schedule) }
}
