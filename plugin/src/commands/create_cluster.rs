//! `create cluster`: the whole cluster is requested in one write and judged as a whole; then its instances are created.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Client;
use kube::api::{Api, PostParams};
use serde_json::Value;
use tokio::time::Instant;

use cmp_client::accounts::{Accounts, Stored};
use cmp_client::kubevirt::Machines;
use cmp_client::{ApiError, kubevirt};
use cmp_core::account::{Change, Entry, Held, HeldState, InstanceType, Suspended, Variable, Want};
use cmp_core::lifecycle::Asker;
use cmp_core::manifest;
use cmp_core::name::{ClusterName, InstanceName, UserName};
use cmp_core::powered_off::{self, PoweredOff};
use cmp_core::progress::Goal;
use cmp_core::resources::{Resources, STORAGE};
use cmp_core::schedule::Transition;
use cmp_core::state::State;
use cmp_core::template::{self, Blueprint};
use cmp_core::verdict::judge;

use super::waiting::{self, Waited};
use super::{objects, schedules, templates};
use crate::cli::{ChangeArgs, CreateCluster, DryRun, WaitArgs, with_more};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::files;
use crate::output::{done, print_object};
use crate::ui::{Progress, Ui};
use crate::view;

mod from_file;
mod patch;

pub(super) use from_file::of_object;
pub(super) use patch::Patch;

/// Number of instances that are created in parallel.
const AT_ONCE: usize = 32;
/// Reason of a suspension that was read from a file.
const RESTORED: &str = "as in the file it was created from";
/// Time for which a refusal is retried. It may come from an API server that has not seen the latest writes yet.
const CATCH_UP: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(200);

/// A cluster that the user asks for.
pub(super) struct Asked {
    pub(super) name: ClusterName,
    want: Want,
    /// The patch of the want, as it was typed.
    patch: Option<Patch>,
    /// The instances that must be off.
    off: PoweredOff,
    /// A timer of the file that has expired and is not set again.
    over: Option<Transition>,
    /// The requested owner, if one is given.
    owner: Option<UserName>,
    /// Reports whether the type was given, rather than derived from the template.
    typed: bool,
}

pub(crate) async fn run(context: &Context<'_>, args: CreateCluster) -> Result<(), CliError> {
    let (wait, change) = (args.wait.clone(), args.change.clone());
    match &args.filename {
        Some(path) => {
            let asked = from_file::read(path, args.owner.as_ref())?;
            let asked = asked.into_iter().map(|one| objects::Asked::Cluster(Box::new(one))).collect();
            objects::make(context, path, asked, &wait, &change).await
        }
        None => create(context, typed(args)?, &wait, &change).await,
    }
}

pub(super) async fn create(
    context: &Context<'_>,
    asked: Asked,
    wait: &WaitArgs,
    change: &ChangeArgs,
) -> Result<(), CliError> {
    let Asked { name, mut want, patch, off, over, owner, typed } = asked;
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
        return said(context, &stored, &name, "created", change).await;
    }
    // Read the want again, because it may be released by now.
    let want = stored.account.cluster(&name).want.unwrap_or(want);
    prepared(context.ui, &accounts, &user, &name, &want, wait.timeout).await?;
    // A cluster that was not wanted before has no instances. If one exists all the same, it is not created again.
    let there = if resumed { indexes(context, &name).await? } else { BTreeSet::new() };
    let blueprint = templates::blueprint(&template, &want, patch.as_ref())?;
    let made = make_instances(context, &name, want.count, &blueprint, &there, &off).await?;
    if wait.wait && want.released {
        context.ui.note(&format!("its instances are off: kubectl cmp resume cluster {name}"));
    } else if wait.wait {
        running(context, &name, off.others(want.count), wait.timeout).await?;
    }
    let word = if resumed && made == 0 { "unchanged" } else { "created" };
    let stored = if change.prints_objects() { accounts.get(&user).await? } else { stored };
    said(context, &stored, &name, word, change).await
}

/// Converts the flags into a request.
fn typed(args: CreateCluster) -> Result<Asked, CliError> {
    // clap requires them if there is no file.
    let (Some(name), Some(cpu), Some(memory)) = (args.name, args.cpu, args.memory) else {
        return Err(CliError::internal("a name and a size are missing"));
    };
    let built_in = args.template.as_ref().and_then(|name| template::built_in_type(name.as_str()));
    if let (Some(kind), Some(of)) = (args.kind, built_in)
        && kind != of
    {
        return Err(CliError::user(format!("--type {kind}: the template is of type {of}"))
            .hint("leave the type out: it follows from the template"));
    }
    let kind = args.kind.or(built_in).unwrap_or(InstanceType::Container);
    let mut size = with_more(Resources::new(cpu, memory), args.resource)?;
    if let Some(disk) = &args.disk {
        if size.named(STORAGE).is_some() {
            return Err(CliError::user("--disk and --resource storage: both say how much storage an instance has")
                .hint("use --disk for a disk in each instance, --resource storage for claims of your own"));
        }
        size.set(STORAGE.parse().map_err(|_| CliError::internal(STORAGE))?, disk.size);
    }
    let ssh_key = args.ssh_key.map(|path| public_key(&path)).transpose()?;
    let vm = kind == InstanceType::Vm;
    let only = |given: bool, flag: &str, vms: bool| {
        if !given || vm == vms {
            return Ok(());
        }
        let (of, use_it) = if vms { ("VMs", "--type vm") } else { ("containers", "--type container") };
        Err(CliError::user(format!("{flag} is for {of}")).hint(format!("use {use_it}, or leave it out")))
    };
    only(ssh_key.is_some(), "--ssh-key", true)?;
    only(!args.env.is_empty(), "--env", false)?;
    only(!args.port.is_empty(), "--port", false)?;
    only(args.command || !args.args.is_empty(), "a command", false)?;
    only(args.disk.is_some(), "--disk", false)?;
    if args.command && args.args.is_empty() {
        return Err(CliError::user("--command: there is no command")
            .hint("it stands at the end, after --, as in: --command -- sh -c 'sleep 9'"));
    }
    let mut env: Vec<Variable> = Vec::new();
    for variable in args.env {
        if env.iter().any(|earlier| earlier.name == variable.name) {
            return Err(CliError::user(format!("--env {} is given twice", variable.name)).hint("say it once"));
        }
        env.push(variable);
    }
    let (command, args_) = if args.command { (args.args, Vec::new()) } else { (Vec::new(), args.args) };
    let patch = args.patch.as_deref().map(Patch::read).transpose()?;
    let want = Want {
        image: args.image,
        ssh_key,
        command,
        args: args_,
        env,
        ports: args.port,
        disk: args.disk.map(|disk| disk.path),
        patch: patch.as_ref().map(|patch| patch.value.clone()),
        // A built-in template is the default and needs no name.
        template: args.template.filter(|_| built_in.is_none()),
        ..Want::new(kind, args.count.unwrap_or(1), size)
    };
    Ok(Asked {
        name,
        want,
        patch,
        off: PoweredOff::default(),
        over: None,
        owner: args.owner,
        typed: args.kind.is_some(),
    })
}

/// Prints the line for the change, or the cluster as an object.
pub(super) async fn said(
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
            looked.iter().try_for_each(|cluster| print_object(context.ui, format, &cluster.object()))
        }
        _ => done(context.ui, change, &format!("cluster/{name}"), word),
    }
}

/// Writes the want. On a conflict with another writer, it reads the account again and retries.
async fn write_want(
    context: &Context<'_>,
    accounts: &Accounts,
    mut stored: Stored,
    name: &ClusterName,
    want: &Want,
    dry_run: DryRun,
) -> Result<Stored, CliError> {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let entry = stored.account.cluster(name);
        if entry.delete.is_some() && entry.held.is_some() {
            return Err(CliError::user(format!("cluster {name} is being deleted"))
                .hint(format!("wait until it is gone: kubectl cmp delete cluster {name} --yes --wait")));
        }
        match &entry.want {
            Some(wanted) if *wanted == as_wanted(want, wanted) => return Ok(stored),
            Some(wanted) => return Err(different(name, wanted, &as_wanted(want, wanted))),
            None => {}
        }
        let change = Change::new().want(name, Some(want));
        let changed = change.apply(&stored.account).map_err(|error| CliError::internal(&error.to_string()))?;
        // Judge the change here first, which saves a round trip. The verdict of the webhook is the one that counts.
        let verdict = judge(Some(&stored.account), &changed);
        if let Err(denial) = &verdict
            && stored.account.is_settled()
        {
            return Err(ApiError::denied(denial).into());
        }
        if dry_run == DryRun::Client {
            return Ok(Stored { account: changed, ..stored });
        }
        match accounts.change(&stored, &change, MANAGER, dry_run == DryRun::Server).await {
            Ok(written) => return Ok(written),
            Err(error) if error.is_conflict() => {}
            Err(error) if error.is_not_settled() && Instant::now() < deadline => {
                context.verbose("waiting for the account to be settled");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
        stored = accounts.get(&stored.account.user).await?;
    }
}

/// Returns the default image of instances that name none.
pub(super) fn default_image(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::Container => manifest::DEFAULT_IMAGE,
        InstanceType::Vm => cmp_core::kubevirt::DEFAULT_IMAGE,
    }
}

/// Returns the request with the existing values of fields that do not count as a difference. These are whether the
/// cluster is released, and the schedule unless the request names another one.
fn as_wanted(asked: &Want, wanted: &Want) -> Want {
    let schedule = match (&asked.schedule, &wanted.schedule) {
        (Some(asked), Some(wanted)) if !asked.says_what(wanted, Timestamp::now()) => Some(asked.clone()),
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

/// Waits until the whole want is held and the Namespace is ready for it.
pub(super) async fn prepared(
    ui: &Ui,
    accounts: &Accounts,
    user: &UserName,
    name: &ClusterName,
    want: &Want,
    timeout: Duration,
) -> Result<(), CliError> {
    let mut last = None;
    let mut progress = Progress::new(ui);
    let waited = accounts
        .wait(user, &format!("cluster {name} to be prepared"), timeout, |stored| {
            let entry = stored.account.cluster(name);
            last = Some(entry.clone());
            match &entry.blocked {
                Some(blocked) => progress.show(&format!("{name}: {}", blocked.reason), None, false),
                None => progress.passing(&format!("{name}: preparing, {}", missing(entry.held.as_ref()))),
            }
            let wanted = entry.want.as_ref().is_some_and(|wanted| want.shape().fits(&wanted.shape()));
            match (&entry.held, &entry.refused) {
                // The webhook took the want back. An older refusal can stand beside a want that still exists.
                (_, Some(refused)) if !wanted => Some(Err(refused.reason.clone())),
                (None, None) if !wanted => Some(Err("it was deleted in the meantime".to_owned())),
                (Some(held), _) if held.state == HeldState::Ready && want.shape().fits(&held.shape()) => Some(Ok(())),
                _ => None,
            }
        })
        .await;
    drop(progress);
    match waited {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(CliError::user(format!("cluster {name} was refused: {reason}"))),
        Err(ApiError::TimedOut { seconds, .. }) => {
            let late = |why: &str| CliError::user(format!("cluster {name} is not ready after {seconds} s: {why}"));
            let goes_on = "nothing is lost: the same command goes on where this one ended";
            let error = match &last {
                Some(Entry { blocked: Some(blocked), .. }) => late(&blocked.reason).hint(format!(
                    "cmp-webhook tries again; to give its quota back: kubectl cmp delete cluster {name}"
                )),
                last => late(&missing(last.as_ref().and_then(|entry| entry.held.as_ref())))
                    .hint("is cmp-webhook running? it prepares clusters (deployment cmp-webhook in cmp-system)"),
            };
            Err(error.hint(goes_on))
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns the reason why a cluster is not ready yet.
fn missing(held: Option<&Held>) -> String {
    match held {
        None => "nothing is held for it yet".to_owned(),
        Some(held) if held.uid.is_empty() => "its namespace does not exist yet".to_owned(),
        Some(held) => format!("it is {}", held.state.as_str()),
    }
}

/// Returns the indexes of the existing instances.
pub(super) async fn indexes(context: &Context<'_>, name: &ClusterName) -> Result<BTreeSet<u32>, CliError> {
    let instances = view::instances(&context.client().await?, name).await?;
    Ok(instances.iter().map(|instance| instance.name.index).collect())
}

/// Creates the instances that are missing beside `there`, some of them off. Returns how many it created.
pub(super) async fn make_instances(
    context: &Context<'_>,
    name: &ClusterName,
    count: u32,
    blueprint: &Blueprint,
    there: &BTreeSet<u32>,
    off: &PoweredOff,
) -> Result<usize, CliError> {
    let client = context.client().await?;
    let asker = if off.is_empty() {
        None
    } else {
        let by = context.who().await?.username.clone();
        Some(Asker { by, at: Timestamp::now(), reason: Some(RESTORED.to_owned()), woken_by: None })
    };
    let missing = (0..count).filter(|index| !there.contains(index));
    let mut making = stream::iter(missing)
        .map(|index| {
            let (client, instance) = (client.clone(), name.instance(index));
            let born = asker.clone().and_then(|asker| {
                let state = off.state(index)?;
                Some((state, Asker { woken_by: off.woken_by(index), ..asker }))
            });
            async move { make_instance(&client, &instance, blueprint, born).await }
        })
        .buffer_unordered(AT_ONCE);
    let mut progress = Progress::new(context.ui);
    let (mut done, mut new, mut failed) = (there.len(), 0, None);
    while let Some(made) = making.next().await {
        match made {
            Ok(made) => new += usize::from(made),
            Err(error) => failed = failed.or(Some(error)),
        }
        done += 1;
        progress.passing(&format!("{name}: {done}/{count} created"));
    }
    failed.map_or(Ok(new), Err)
}

/// Reads the public key in a file: the first line that is a key.
fn public_key(path: &Path) -> Result<String, CliError> {
    let wrong = |why: &str| {
        CliError::user(format!("--ssh-key {}: {why}", path.display()))
            .hint("name a file with a public key, such as ~/.ssh/id_ed25519.pub")
    };
    let text = files::read(path, files::OBJECT).map_err(|error| wrong(&error.to_string()))?;
    if text.contains("PRIVATE KEY") {
        return Err(wrong("it holds a private key"));
    }
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let line = line.filter(|line| ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| line.starts_with(kind)));
    line.map(str::to_owned).ok_or_else(|| wrong("it holds no public key"))
}

async fn make_instance(
    client: &Client,
    instance: &InstanceName,
    blueprint: &Blueprint,
    born: Option<(State, Asker)>,
) -> Result<bool, CliError> {
    let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), &instance.cluster.namespace());
    let machines = Machines::of(client, &instance.cluster);
    let (mut set, mut machine) = (blueprint.stateful_set(instance), blueprint.virtual_machine(instance));
    if let Some((state, asker)) = born {
        set = set.and_then(|set| powered_off::stateful_set(&set, state, &asker));
        machine = machine.and_then(|machine| powered_off::virtual_machine(&machine, state, &asker));
        if set.is_none() && machine.is_none() {
            return Err(CliError::internal(&format!("{instance} cannot be made {state}")));
        }
    }
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let made = match (&set, machine.clone()) {
            (Some(set), _) => sets.create(&params, set).await.map(|_| ()).map_err(ApiError::from),
            (_, Some(machine)) => machines.create(&params, machine).await,
            (None, None) => return Ok(false),
        };
        match made {
            Ok(()) => return Ok(true),
            Err(error) if error.is_already_there() => return Ok(false),
            // The ResourceQuota is checked before the existence of the object. Another writer may just have created it.
            Err(error) if error.is_fenced() && view::instance(client, instance).await?.is_some() => {
                return Ok(false);
            }
            // The RoleBinding or the count was written a moment ago, and not every API server has seen it.
            Err(error) if error.is_not_seen_yet() && Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until all of these instances run.
pub(super) async fn running(
    context: &Context<'_>,
    name: &ClusterName,
    indexes: impl Iterator<Item = u32>,
    timeout: Duration,
) -> Result<(), CliError> {
    let names: Vec<InstanceName> = indexes.map(|index| name.instance(index)).collect();
    let count = names.len();
    let waited = Waited { cluster: name.clone(), names, goal: Goal::State(State::Running) };
    let tallies = waiting::until(context, &[waited], timeout).await?;
    let Some(tally) = tallies.iter().find(|tally| !tally.is_done()) else { return Ok(()) };
    let runs = tally.total - tally.late.len();
    let why = tally.why().map_or_else(String::new, |why| format!("; {why}"));
    Err(CliError::user(format!("only {runs} of {count} instances run after {} s{why}", timeout.as_secs()))
        .hint(format!("kubectl cmp describe cluster {name}"))
        .hint("nothing is lost: the same command waits again"))
}
