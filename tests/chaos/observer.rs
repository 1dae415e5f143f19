//! Observer: reads every change from etcd itself, in the one order of all changes, and reports violations of the
//! invariants in `docs/ARCHITECTURE.md`. It shares no code with the code under test, neither the quantities nor the
//! account.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cmp_tests::etcd::{Change, Ended, Etcd};
use futures::StreamExt;
use serde_json::{Value, json};

/// Amounts in thousandths, by resource.
type Amounts = BTreeMap<String, i128>;

/// A number of instances, and the size of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Shape {
    count: i128,
    size: Amounts,
    /// Nothing may run, and only storage is charged.
    released: bool,
}

impl Shape {
    fn charge(&self) -> Amounts {
        let charged = self.size.iter().filter(|(name, _)| !self.released || name.as_str() == "storage");
        charged.map(|(name, amount)| (name.clone(), amount * self.count)).collect()
    }

    fn larger(&self, other: &Self) -> Self {
        let mut size = self.size.clone();
        for (name, amount) in &other.size {
            let mine = size.entry(name.clone()).or_default();
            *mine = (*mine).max(*amount);
        }
        Self { count: self.count.max(other.count), size, released: self.released && other.released }
    }
}

#[derive(Debug, Clone, Default)]
struct Account {
    quota: Amounts,
    wants: BTreeMap<String, Shape>,
    helds: BTreeMap<String, Held>,
    deletes: BTreeMap<String, String>,
}

#[derive(Debug, Clone)]
struct Held {
    uid: String,
    state: String,
    shape: Shape,
}

impl Account {
    fn held(&self) -> Amounts {
        sum(self.helds.values().map(|held| held.shape.charge()))
    }

    fn charged(&self) -> Amounts {
        let nothing = Shape { released: true, ..Shape::default() };
        let mut all: BTreeMap<&str, Shape> = self.wants.iter().map(|(k, want)| (k.as_str(), want.clone())).collect();
        for (cluster, held) in &self.helds {
            let want = all.get(cluster.as_str()).unwrap_or(&nothing).larger(&held.shape);
            all.insert(cluster, want);
        }
        sum(all.values().map(Shape::charge))
    }
}

#[derive(Debug, Clone, Default)]
struct Namespace {
    uid: String,
    owner: String,
    cluster: String,
    shape: Shape,
    /// Whether it is being deleted. Kubernetes then admits nothing new, whatever the Namespace and its quota say.
    deleting: bool,
}

/// The observed objects in one Namespace.
#[derive(Debug, Clone, Default)]
struct Inside {
    limits: Option<Amounts>,
    /// The larger value of `spec.hard` and `status.hard`, by resource.
    hard: Option<Amounts>,
    /// The requests of each Pod that has not ended.
    pods: BTreeMap<String, Amounts>,
    /// The replicas of each StatefulSet, and the requests of each of its Pods.
    sets: BTreeMap<String, (i128, Amounts)>,
}

/// The observed state as of one revision.
#[derive(Default)]
struct World {
    accounts: BTreeMap<String, Account>,
    namespaces: BTreeMap<String, Namespace>,
    inside: BTreeMap<String, Inside>,
    /// The maxima so far: Pods by Namespace, and the charge of each user in thousandths of a CPU.
    peaks: BTreeMap<String, i128>,
}

fn sum(all: impl Iterator<Item = Amounts>) -> Amounts {
    let mut total = Amounts::new();
    for (name, amount) in all.flatten() {
        *total.entry(name).or_default() += amount;
    }
    total
}

/// Parses a quantity into thousandths. It accepts only the forms that Kubernetes and cmp write here.
fn quantity(text: &str) -> Result<i128, String> {
    let bad = || format!("{text:?} is no quantity");
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len());
    let (number, suffix) = text.split_at(at);
    let factor: i128 = match suffix {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        _ => return Err(bad()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: i128 = whole.parse().map_err(|_| bad())?;
    let mut parts: i128 = 0;
    for (at, digit) in part.chars().enumerate() {
        let digit = i128::from(digit.to_digit(10).ok_or_else(bad)?);
        parts += digit * factor / 10_i128.pow(u32::try_from(at).map_err(|_| bad())? + 1);
    }
    Ok(whole * factor + parts)
}

fn amounts(map: &Value) -> Result<Amounts, String> {
    let entries = map.as_object().into_iter().flatten();
    entries.map(|(name, amount)| Ok((name.clone(), quantity(amount.as_str().unwrap_or_default())?))).collect()
}

fn shape(value: &Value) -> Result<Shape, String> {
    let count = value["count"].as_i64().ok_or_else(|| format!("no count: {value}"))?;
    Ok(Shape { count: count.into(), size: amounts(&value["size"])?, released: value["released"] == true })
}

fn account(object: &Value) -> Result<Account, String> {
    let mut account = Account::default();
    for (key, text) in object["data"].as_object().into_iter().flatten() {
        let text = text.as_str().unwrap_or_default();
        let parse = || serde_json::from_str::<Value>(text).map_err(|error| format!("{key}: {error}"));
        if key == "quota" {
            account.quota = amounts(&parse()?)?;
        } else if let Some(cluster) = key.strip_prefix("want.") {
            account.wants.insert(cluster.to_owned(), shape(&parse()?)?);
        } else if let Some(cluster) = key.strip_prefix("held.") {
            let value = parse()?;
            let word = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
            let held = Held { uid: word("uid"), state: word("state"), shape: shape(&value)? };
            account.helds.insert(cluster.to_owned(), held);
        } else if let Some(cluster) = key.strip_prefix("delete.") {
            account.deletes.insert(cluster.to_owned(), text.to_owned());
        }
    }
    Ok(account)
}

/// Returns a cluster's Namespace; `None` for any other.
fn namespace(object: &Value) -> Result<Option<Namespace>, String> {
    let metadata = &object["metadata"];
    let label = |name: &str| metadata["labels"][format!("kubectl-cmp.dev/{name}")].as_str().map(str::to_owned);
    let annotation = |name: &str| metadata["annotations"][format!("kubectl-cmp.dev/{name}")].as_str();
    let (Some(owner), Some(cluster)) = (label("owner"), label("cluster")) else { return Ok(None) };
    let mut size = Amounts::new();
    for part in annotation("size").unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
        let (name, amount) = part.split_once('=').ok_or_else(|| format!("{part:?} is no amount"))?;
        size.insert(name.to_owned(), quantity(amount)?);
    }
    let count = annotation("count").unwrap_or("0").parse().map_err(|_| "a count that is no number".to_owned())?;
    let released = annotation("released") == Some("true");
    let uid = metadata["uid"].as_str().unwrap_or_default().to_owned();
    let deleting = !metadata["deletionTimestamp"].is_null();
    Ok(Some(Namespace { uid, owner, cluster, shape: Shape { count, size, released }, deleting }))
}

/// Returns the requests of the containers of a Pod. Instances here have neither init containers nor overhead.
fn pod(spec: &Value) -> Result<Amounts, String> {
    let containers = spec["containers"].as_array().into_iter().flatten();
    let each: Result<Vec<Amounts>, String> =
        containers.map(|container| amounts(&container["resources"]["requests"])).collect();
    Ok(sum(each?.into_iter()))
}

fn exceeds(some: &Amounts, bound: &Amounts) -> Option<String> {
    let over = some.iter().find(|(name, amount)| **amount > bound.get(*name).copied().unwrap_or_default())?;
    Some(format!("{} {} > {}", over.0, over.1, bound.get(over.0).copied().unwrap_or_default()))
}

/// A violation of an invariant, with the expected value.
#[derive(Debug, Clone)]
struct Violation {
    revision: i64,
    /// Search words for the related lines of the history.
    about: Vec<String>,
    what: String,
}

impl World {
    /// Applies one change, and returns the violations that it causes.
    fn take(&mut self, change: &Change) -> Vec<Violation> {
        let violation = |about: &[&str], what: String| Violation {
            revision: change.revision,
            about: about.iter().map(|word| (*word).to_owned()).collect(),
            what,
        };
        let parts: Vec<&str> = change.key.split('/').collect();
        let object = change.value.as_ref().map(|bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_default());
        let result = match parts.as_slice() {
            ["", "registry", "configmaps", "cmp-users", user] => self.account(user, object.as_ref()),
            ["", "registry", "namespaces", name] => self.namespace(name, object.as_ref()),
            ["", "registry", "limitranges" | "resourcequotas" | "pods" | "statefulsets", space, name] => {
                self.inside(parts[2], space, name, object.as_ref())
            }
            _ => Ok(Vec::new()),
        };
        match result {
            Ok(found) => {
                found.into_iter().map(|(about, what)| violation(&[&about, parts[parts.len() - 1]], what)).collect()
            }
            Err(why) => vec![violation(&[parts[parts.len() - 1]], format!("{} cannot be read: {why}", change.key))],
        }
    }

    fn account(&mut self, user: &str, object: Option<&Value>) -> Result<Vec<(String, String)>, String> {
        let cpu = |account: &Account| account.charged().get("cpu").copied().unwrap_or_default();
        let is_account = |object: &&Value| object["metadata"]["labels"]["kubectl-cmp.dev/account"] == "true";
        let now = object.filter(is_account).map(account).transpose()?;
        let before = self.accounts.get(user).cloned().unwrap_or_default();
        self.peak(user, now.as_ref().map(cpu).unwrap_or_default());
        let mut broken = Vec::new();
        if let Some(now) = &now {
            for (what, was, is) in [
                ("the sum of what is held", before.held(), now.held()),
                ("the sum of the charges", before.charged(), now.charged()),
            ] {
                for (name, amount) in &is {
                    let limit = now.quota.get(name).copied().unwrap_or_default();
                    let old = was.get(name).copied().unwrap_or_default();
                    if *amount > limit && *amount > old {
                        broken.push((
                            user.to_owned(),
                            format!("I1: {what} of {user} rose to {amount} of {name} (thousandths) from {old}, above the quota of {limit}"),
                        ));
                    }
                }
            }
        }
        match now {
            Some(now) => self.accounts.insert(user.to_owned(), now),
            None => self.accounts.remove(user),
        };
        let now = self.accounts.get(user).cloned().unwrap_or_default();
        for cluster in before.helds.keys().chain(now.helds.keys()) {
            broken.extend(self.within(&format!("{cluster}-ns")));
        }
        Ok(broken)
    }

    fn namespace(&mut self, name: &str, object: Option<&Value>) -> Result<Vec<(String, String)>, String> {
        match object.map(namespace).transpose()?.flatten() {
            Some(found) => {
                self.namespaces.insert(name.to_owned(), found);
            }
            None => {
                let was = self.namespaces.remove(name);
                let left = self.inside.remove(name).unwrap_or_default();
                if was.is_some() && !left.pods.is_empty() {
                    let what = format!("I2: the Namespace {name} is gone, and there are Pods in it: {:?}", left.pods);
                    return Ok(vec![(name.to_owned(), what)]);
                }
            }
        }
        Ok(self.within(name))
    }

    fn inside(
        &mut self,
        kind: &str,
        space: &str,
        name: &str,
        object: Option<&Value>,
    ) -> Result<Vec<(String, String)>, String> {
        let inside = self.inside.entry(space.to_owned()).or_default();
        match (kind, object) {
            ("limitranges", None) => inside.limits = None,
            ("limitranges", Some(object)) => {
                let items = object["spec"]["limits"].as_array().into_iter().flatten();
                let mut pods = items.filter(|item| item["type"] == "Pod").map(|item| amounts(&item["max"]));
                inside.limits = pods.next_back().transpose()?;
            }
            ("resourcequotas", None) => inside.hard = None,
            ("resourcequotas", Some(object)) => {
                let mut hard = amounts(&object["spec"]["hard"])?;
                for (name, amount) in amounts(&object["status"]["hard"])? {
                    let mine = hard.entry(name).or_default();
                    *mine = (*mine).max(amount);
                }
                inside.hard = Some(hard);
            }
            ("pods", Some(object))
                if !["Succeeded", "Failed"].map(Value::from).contains(&object["status"]["phase"]) =>
            {
                inside.pods.insert(name.to_owned(), pod(&object["spec"])?);
            }
            ("pods", _) => {
                inside.pods.remove(name);
            }
            (_, Some(object)) => {
                let replicas = object["spec"]["replicas"].as_i64().unwrap_or(1);
                let each = pod(&object["spec"]["template"]["spec"])?;
                inside.sets.insert(name.to_owned(), (replicas.into(), each));
            }
            (_, None) => {
                inside.sets.remove(name);
            }
        }
        let pods = inside.pods.len();
        self.peak(space, i128::try_from(pods).unwrap_or(i128::MAX));
        Ok(self.within(space))
    }

    fn peak(&mut self, of: &str, amount: i128) {
        let peak = self.peaks.entry(of.to_owned()).or_default();
        *peak = (*peak).max(amount);
    }

    /// Checks I2: everything in one Namespace is within the held amounts.
    fn within(&self, space: &str) -> Vec<(String, String)> {
        let Some(namespace) = self.namespaces.get(space) else { return Vec::new() };
        let held = self.accounts.get(&namespace.owner).and_then(|account| account.helds.get(&namespace.cluster));
        let held = held.filter(|held| held.uid.is_empty() || held.uid == namespace.uid);
        let bound = held.map_or_else(|| Shape { released: true, ..Shape::default() }, |held| held.shape.clone());
        let nothing = Inside::default();
        let inside = self.inside.get(space).unwrap_or(&nothing);
        let mut broken = Vec::new();
        let mut over = |what: &str, how: String| {
            let found = format!("I2: {what} of {space} is above what is held for it ({held:?}): {how}");
            broken.push((space.to_owned(), found));
        };
        let open = &namespace.shape;
        if open.count > bound.count && !namespace.deleting {
            over("the count on the Namespace", format!("{} > {}", open.count, bound.count));
        }
        if open.count > 0 && !namespace.deleting {
            if let Some(how) = exceeds(&open.size, &bound.size) {
                over("the size on the Namespace", how);
            }
            if bound.released && !open.released {
                over("the Namespace", "instances may run, and the cluster is released".to_owned());
            }
        }
        // Where the size does not name it, the LimitRange bounds what a Pod writes to the disk of its node. It is not
        // charged.
        let disk = "ephemeral-storage";
        let limits = inside.limits.clone().filter(|_| !namespace.deleting).map(|mut limits| {
            limits.retain(|name, _| name != disk || bound.size.contains_key(disk));
            limits
        });
        if let Some(how) = limits.and_then(|limits| exceeds(&limits, &bound.size)) {
            over("the LimitRange", how);
        }
        let charge = bound.charge();
        for (key, amount) in inside.hard.iter().flatten().filter(|_| !namespace.deleting) {
            // The count of StatefulSets is exempt: it is wider on purpose, because the policies check their exact
            // names.
            let name = key.strip_prefix("requests.").or_else(|| key.strip_prefix("limits."));
            let Some(name) = name else { continue };
            let limit = charge.get(name).copied().unwrap_or_default();
            if *amount > limit {
                over("the ResourceQuota", format!("{key} {amount} > {limit}"));
            }
        }
        if let Some(how) = exceeds(&sum(inside.pods.values().cloned()), &charge) {
            over("the sum of the Pods", how);
        }
        if i128::try_from(inside.pods.len()).unwrap_or(i128::MAX) > bound.count {
            over("the number of Pods", format!("{:?}", inside.pods.keys()));
        }
        if let Some(how) = inside.pods.values().find_map(|pod| exceeds(pod, &bound.size)) {
            over("a Pod", how);
        }
        broken
    }

    /// Checks I3: returns everything that has not settled yet.
    fn unsettled(&self) -> Vec<String> {
        let mut open = Vec::new();
        for (user, account) in &self.accounts {
            for (cluster, uid) in &account.deletes {
                open.push(format!("{user}: delete.{cluster} = {uid}"));
            }
            for cluster in account.wants.keys().filter(|cluster| !account.helds.contains_key(*cluster)) {
                open.push(format!("{user}: {cluster} is wanted and not held"));
            }
            for (cluster, held) in &account.helds {
                let space = format!("{cluster}-ns");
                let namespace = self.namespaces.get(&space).filter(|namespace| namespace.uid == held.uid);
                let inside = self.inside.get(&space);
                let Some((namespace, inside)) = namespace.zip(inside) else {
                    open.push(format!("{user}: {cluster} is held, and there is no Namespace: {held:?}"));
                    continue;
                };
                let Some(want) = account.wants.get(cluster) else {
                    open.push(format!("{user}: {cluster} is held and not wanted: {held:?}"));
                    continue;
                };
                // A cluster may hold more than it wants for as long as the surplus exists.
                let exists = (want.released && inside.sets.values().any(|(replicas, _)| *replicas > 0))
                    || inside.sets.values().any(|(_, each)| exceeds(each, &want.size).is_some())
                    || inside.sets.keys().any(|set| {
                        set.rsplit_once('-').and_then(|(_, at)| at.parse().ok()).is_none_or(|at: i128| at >= want.count)
                    });
                if exists && held.state == "releasing" {
                    continue;
                }
                if held.shape != *want || held.state != "ready" {
                    open.push(format!("{user}: {cluster} wants {want:?} and holds {held:?}"));
                } else if namespace.shape != *want {
                    open.push(format!("{user}: {cluster} wants {want:?} and has open {:?}", namespace.shape));
                }
            }
        }
        for (space, namespace) in &self.namespaces {
            let account = self.accounts.get(&namespace.owner);
            if account.and_then(|account| account.helds.get(&namespace.cluster)).is_none() {
                open.push(format!("the Namespace {space} of {} is held by nobody", namespace.owner));
            }
        }
        open
    }
}

/// The history of all events: line by line in a file, and the last lines in memory to be shown.
pub(crate) struct History {
    file: File,
    last: VecDeque<String>,
    started: Instant,
}

/// The number of lines that are kept to be shown.
const LAST: usize = 20_000;

impl History {
    fn line(&mut self, mut entry: Value) {
        entry["ms"] = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).into();
        let line = entry.to_string();
        writeln!(self.file, "{line}").expect("the history is written");
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

struct Shared {
    world: World,
    revision: i64,
    violations: Vec<Violation>,
    /// The reason why the observer missed changes.
    blind: Option<String>,
    changes: u64,
    history: History,
}

/// A handle to the observer, which watches until its runtime ends.
#[derive(Clone)]
pub(crate) struct Observer {
    shared: Arc<Mutex<Shared>>,
    etcd: Etcd,
}

impl Observer {
    /// Starts with the very first revision. The history goes to `history.jsonl` in the folder.
    pub(crate) fn start(etcd: Etcd, folder: &Path, runtime: &tokio::runtime::Runtime) -> Self {
        let file = File::create(folder.join("history.jsonl")).expect("a file");
        let history = History { file, last: VecDeque::new(), started: Instant::now() };
        let shared =
            Shared { world: World::default(), revision: 0, violations: Vec::new(), blind: None, changes: 0, history };
        let observer = Self { shared: Arc::new(Mutex::new(shared)), etcd };
        runtime.spawn(observer.clone().look());
        observer
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(self) {
        loop {
            let from = self.shared().revision + 1;
            // A new watch continues where a broken one ended.
            if let Ok(mut changes) = self.etcd.watch("/registry/", from).await {
                while let Some(changes) = changes.next().await {
                    match changes {
                        Ok(changes) => self.take(&changes),
                        Err(Ended::Compacted) => {
                            let why = format!("etcd compacted what follows revision {from} before it was seen");
                            self.shared().blind = Some(why);
                            return;
                        }
                        Err(Ended::Broken(why)) => {
                            self.note(json!({ "observer": "the watch broke", "why": why }));
                            break;
                        }
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn take(&self, changes: &[Change]) {
        let mut shared = self.shared();
        let shared = &mut *shared;
        for change in changes {
            let kept = ["/registry/configmaps/cmp-users/", "/registry/namespaces/", "/registry/limitranges/"];
            let kept = kept.iter().any(|prefix| change.key.starts_with(prefix));
            if kept
                || ["/registry/resourcequotas/", "/registry/pods/", "/registry/statefulsets/"]
                    .iter()
                    .any(|p| change.key.starts_with(p))
            {
                shared.history.line(json!({
                    "revision": change.revision, "key": change.key.trim_start_matches("/registry/"), "value": told(change) }));
            }
            shared.violations.extend(shared.world.take(change));
            shared.revision = shared.revision.max(change.revision);
            shared.changes += 1;
        }
    }

    /// Adds an action of a client or of the test to the history.
    pub(crate) fn note(&self, entry: Value) {
        self.shared().history.line(entry);
    }

    /// Returns the number of observed changes.
    pub(crate) fn changes(&self) -> u64 {
        self.shared().changes
    }

    /// Waits until the observer has seen everything that etcd has stored by now.
    pub(crate) async fn catch_up(&self) -> Result<(), String> {
        let mark = self.etcd.put("/registry/mark", "of the observer").await?;
        for _ in 0..200 {
            if self.shared().revision >= mark {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("the observer is at revision {} and not yet at {mark}", self.shared().revision))
    }

    /// Returns the maximum of a user's charge in thousandths of a CPU, or of the Pods in a Namespace.
    pub(crate) fn peak(&self, of: &str) -> i128 {
        self.shared().world.peaks.get(of).copied().unwrap_or_default()
    }

    /// Resets the maxima, which then start from the current state.
    pub(crate) fn forget_peaks(&self) {
        self.shared().world.peaks.clear();
    }

    /// Reports whether everything has settled.
    pub(crate) async fn settled(&self) -> Result<(), String> {
        self.catch_up().await?;
        let open = self.shared().world.unsettled();
        if open.is_empty() { Ok(()) } else { Err(open.join("\n")) }
    }

    /// Returns all held clusters: user, cluster and uid.
    pub(crate) fn held(&self) -> Vec<(String, String, String)> {
        let shared = self.shared();
        let accounts = shared.world.accounts.iter();
        let held = accounts.flat_map(|(user, account)| account.helds.iter().map(move |held| (user, held)));
        held.map(|(user, (cluster, held))| (user.clone(), cluster.clone(), held.uid.clone())).collect()
    }

    /// Reports whether nothing is held, wanted or left of any cluster.
    pub(crate) async fn empty(&self) -> Result<(), String> {
        self.catch_up().await?;
        let shared = self.shared();
        let world = &shared.world;
        let left: Vec<String> = world
            .accounts
            .iter()
            .filter(|(_, account)| !(account.helds.is_empty() && account.wants.is_empty()))
            .map(|(user, account)| format!("{user}: {account:?}"))
            .chain(world.namespaces.iter().map(|(name, namespace)| format!("{name}: {namespace:?}")))
            .collect();
        if left.is_empty() { Ok(()) } else { Err(left.join("\n")) }
    }

    /// Asserts that the observer saw everything, and that no invariant was broken. The failure starts with `told`.
    pub(crate) fn judge(&self, told: &str) {
        let shared = self.shared();
        assert!(
            shared.blind.is_none(),
            "{told}: the observer did not see everything, which is no word about cmp: {}",
            shared.blind.as_deref().unwrap_or_default()
        );
        let Some(first) = shared.violations.first() else { return };
        let mut text =
            format!("{told}: {} violations; the first, at revision {}:\n", shared.violations.len(), first.revision);
        let _written = writeln!(text, "{}\nwhat happened around it:", first.what);
        let about: Vec<&str> = first.about.iter().map(String::as_str).collect();
        let lines: Vec<&String> = shared
            .history
            .last
            .iter()
            .filter(|line| about.iter().any(|word| line.contains(word)) || line.contains("\"fault\""))
            .collect();
        let mark = format!("\"revision\":{},", first.revision);
        let at = lines.iter().position(|line| line.contains(&mark)).unwrap_or(lines.len());
        for line in &lines[at.saturating_sub(60)..(at + 10).min(lines.len())] {
            let _written = writeln!(text, "{line}");
        }
        for violation in shared.violations.iter().skip(1).take(20) {
            let _written = writeln!(text, "also, at revision {}: {}", violation.revision, violation.what);
        }
        panic!("{text}");
    }
}

/// Returns the part of an object that goes into the history.
fn told(change: &Change) -> Value {
    let Some(object) = change.value.as_ref().and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok()) else {
        return Value::Null;
    };
    let metadata = &object["metadata"];
    match change.key.split('/').nth(2) {
        Some("configmaps") => object["data"].clone(),
        Some("namespaces") => {
            json!({ "uid": metadata["uid"], "owner": metadata["labels"]["kubectl-cmp.dev/owner"],
            "annotations": metadata["annotations"], "deleting": metadata["deletionTimestamp"] })
        }
        Some("pods") => json!({ "phase": object["status"]["phase"], "deleting": metadata["deletionTimestamp"],
            "requests": object["spec"]["containers"][0]["resources"]["requests"] }),
        Some("statefulsets") => json!({ "replicas": object["spec"]["replicas"],
            "requests": object["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"] }),
        _ => json!({ "spec": object["spec"], "status": object["status"]["hard"], "fence": metadata["annotations"] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the observer's findings on a sequence of stored objects.
    fn story(objects: &[(&str, Value)]) -> Vec<String> {
        let mut world = World::default();
        let changes = objects.iter().zip(1..).map(|((key, object), revision)| Change {
            revision,
            key: format!("/registry/{key}"),
            value: (!object.is_null()).then(|| object.to_string().into_bytes()),
        });
        let changes: Vec<Change> = changes.collect();
        changes.iter().flat_map(|change| world.take(change)).map(|violation| violation.what).collect()
    }

    fn account(quota: &str, cpu: &str, want: u32, held: u32) -> (&'static str, Value) {
        let size = json!({ "cpu": cpu });
        let object = json!({ "metadata": { "labels": { "kubectl-cmp.dev/account": "true" } }, "data": {
            "quota": json!({ "cpu": quota }).to_string(),
            "want.web": json!({ "type": "container", "count": want, "size": size }).to_string(),
            "held.web": json!({ "uid": "u", "count": held, "size": size, "state": "ready" }).to_string(),
        } });
        ("configmaps/cmp-users/john", object)
    }

    fn namespace(count: u32, size: &str) -> (&'static str, Value) {
        let object = json!({ "metadata": { "uid": "u",
            "labels": { "kubectl-cmp.dev/owner": "john", "kubectl-cmp.dev/cluster": "web" },
            "annotations": { "kubectl-cmp.dev/count": count.to_string(), "kubectl-cmp.dev/size": size } } });
        ("namespaces/web-ns", object)
    }

    fn pod(name: &'static str, cpu: &str, phase: &str) -> (&'static str, Value) {
        let containers = json!([{ "resources": { "requests": { "cpu": cpu } } }]);
        (name, json!({ "spec": { "containers": containers }, "status": { "phase": phase } }))
    }

    #[test]
    fn a_story_within_the_limits_passes() {
        let limits = json!({ "spec": { "limits": [{ "type": "Pod", "max": { "cpu": "500m" } }] } });
        let hard = json!({ "requests.cpu": "1", "count/statefulsets.apps": "2", "count/secrets": "100" });
        let said = story(&[
            account("1", "500m", 2, 2),
            namespace(2, "cpu=500m"),
            ("limitranges/web-ns/cmp", limits),
            ("resourcequotas/web-ns/cmp", json!({ "spec": { "hard": hard } })),
            pod("pods/web-ns/web-0-0", "0.5", "Running"),
            pod("pods/web-ns/web-1-0", "500m", "Pending"),
            pod("pods/web-ns/web-1-0", "500m", "Failed"),
            pod("pods/web-ns/another", "500m", "Running"),
            // The quota is lowered below the held amount, and the held amount falls from there.
            account("500m", "500m", 2, 2),
        ]);
        assert!(said.is_empty(), "{said:?}");
    }

    #[test]
    fn a_story_above_a_limit_is_found() {
        let limits = json!({ "spec": { "limits": [{ "type": "Pod", "max": { "cpu": "501m" } }] } });
        let quota =
            json!({ "spec": { "hard": { "limits.cpu": "1" } }, "status": { "hard": { "limits.cpu": "1001m" } } });
        let released = ("namespaces/web-ns", json!({ "metadata": {} }));
        for (change, found) in [
            (account("1", "500m", 3, 2), "I1: the sum of the charges of john rose to 1500"),
            (account("1", "500m", 3, 3), "I1: the sum of what is held of john rose to 1500"),
            (account("1", "500m", 1, 1), "I2: the count on the Namespace"),
            (account("1", "400m", 2, 2), "I2: the size on the Namespace"),
            (namespace(3, "cpu=500m"), "I2: the count on the Namespace"),
            (namespace(2, "cpu=1,memory=1Gi"), "I2: the size on the Namespace"),
            (("limitranges/web-ns/cmp", limits), "I2: the LimitRange"),
            (("resourcequotas/web-ns/cmp", quota), "I2: the ResourceQuota"),
            (pod("pods/web-ns/web-1-0", "501m", "Running"), "I2: the sum of the Pods"),
            (pod("pods/web-ns/web-1-0", "501m", "Running"), "I2: a Pod"),
            (("namespaces/web-ns", Value::Null), "is gone, and there are Pods in it"),
            (("configmaps/cmp-users/john", Value::Null), "above what is held for it (None)"),
            (pod("pods/web-ns/web-1-0", "1e3", "Running"), "is no quantity"),
        ] {
            let start =
                [account("1", "500m", 2, 2), namespace(2, "cpu=500m"), pod("pods/web-ns/web-0-0", "500m", "Running")];
            let said = story(&[start.as_slice(), &[change]].concat());
            assert!(said.iter().any(|said| said.contains(found)), "{found}: {said:?}");
        }
        // A Namespace in deletion admits nothing: only its Pods count.
        let going = |name: &'static str| {
            let (name, mut object) = (name, namespace(2, "cpu=500m").1);
            object["metadata"]["deletionTimestamp"] = json!("2026-11-23T20:00:00Z");
            (name, object)
        };
        let lowered = || account("1", "500m", 0, 0);
        let start = [account("1", "500m", 2, 2), going("namespaces/web-ns"), lowered()];
        assert_eq!(story(&start), Vec::<String>::new());
        let said = story(&[start.as_slice(), &[pod("pods/web-ns/web-0-0", "500m", "Running")]].concat());
        assert!(said.iter().any(|said| said.contains("the sum of the Pods")), "{said:?}");
        let third = pod("pods/web-ns/x", "0", "Running");
        let said = story(&[account("1", "500m", 0, 0), namespace(0, "cpu=500m"), third, released]);
        assert!(said.iter().any(|said| said.contains("the number of Pods")), "{said:?}");
    }
}
