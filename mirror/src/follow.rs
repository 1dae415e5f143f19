//! Watches the cluster, and records what is observed.
//!
//! The end of a watched period advances only when the API server has just answered: without an answer, nobody observes.
//! After any break everything is read again.

use std::fmt::Debug;
use std::time::Duration;

use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use kube::{Client, Resource};
use tokio::time::{Instant, MissedTickBehavior};

use cmp_client::accounts::Accounts;
use cmp_client::watches::{self, Watch};
use cmp_client::{ApiError, kubevirt, namespaces};

use crate::store::{Store, StoreError, Written};
use crate::world::{Change, News, World};

/// Interval of the liveness request to the API server, and (`ANSWER`) its time limit.
const BEAT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(10);
/// Number of beats between two checks whether KubeVirt was installed.
const KUBEVIRT: u32 = 15;
/// Time to collect news before they are written.
const GATHER: Duration = Duration::from_millis(100);
/// Wait after a break.
const PATIENCE: Duration = Duration::from_millis(500);

/// The reason why [`run`] ended.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The file could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The API server refused or did not answer.
    #[error(transparent)]
    Api(#[from] ApiError),
}

/// The duration of the observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A single look at everything, then the end.
    Once,
    /// Without end, if the first look succeeded.
    Watch,
    /// Without end, whatever errors the API server returns.
    Always,
}

/// A progress report of [`run`].
#[derive(Debug)]
pub enum Told {
    /// Everything was read once.
    Seen {
        /// The number of clusters.
        clusters: usize,
        /// The number of instances.
        instances: usize,
    },
    /// A write was done. It may have advanced nothing but the end of the watched period.
    Written(Written),
    /// The observation is interrupted by this error, and will be tried again.
    Lost(ApiError),
}

/// Returns the identity of the Kubernetes cluster: the uid of one Namespace that every cluster has.
pub async fn cluster(client: &Client) -> Result<String, ApiError> {
    namespaces::identity(client).await
}

/// Observes the cluster and writes to the store. The future may be dropped at any moment.
pub async fn run(client: &Client, store: &mut Store, mode: Mode, mut tell: impl FnMut(Told)) -> Result<(), Failure> {
    let mut went_well = false;
    loop {
        let mut told = |told| {
            went_well |= matches!(told, Told::Seen { .. });
            tell(told);
        };
        match session(client, store, mode, &mut told).await {
            Ok(()) => return Ok(()),
            Err(Failure::Api(error)) if mode == Mode::Always || mode == Mode::Watch && went_well => {
                tell(Told::Lost(error));
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(PATIENCE).await;
    }
}

/// Runs from a first full read to the next break.
async fn session(client: &Client, store: &mut Store, mode: Mode, tell: &mut impl FnMut(Told)) -> Result<(), Failure> {
    store.of_cluster(&cluster(client).await?)?;
    let kubevirt = kubevirt::installed(client).await?;
    let mut world = World::new(kubevirt);
    let mut changes = changes(client, kubevirt);
    let accounts = Accounts::new(client.clone());
    let mut beats = tokio::time::interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut begun, mut count, mut newest, mut due) = (false, 0, 0, None);
    loop {
        let gathered = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = changes.next() => {
                let Some(change) = change else { return Err(ended()) };
                world.take(change?);
                // Apply all changes that have arrived already before the next write.
                while let Some(change) = changes.next().now_or_never() {
                    world.take(change.ok_or_else(ended)??);
                }
                if begun && world.has_news() {
                    due = due.or_else(|| Some(Instant::now() + GATHER));
                } else if !begun && world.is_complete() {
                    world.take_news();
                    let written = store.begin(Timestamp::now(), world.all())?;
                    begun = true;
                    tell(Told::Seen { clusters: world.clusters(), instances: store.instances() });
                    tell(Told::Written(written));
                    if mode == Mode::Once {
                        return Ok(());
                    }
                }
            }
            () = gathered => {
                due = None;
                let (places, users) = world.take_news();
                let seen = world.seen(&places, &users);
                tell(Told::Written(store.see(Timestamp::now(), &places, &users, &seen)?));
            }
            _ = beats.tick() => {
                // A change that arrives during this request belongs to a later time.
                let asked = Timestamp::now();
                let answer = tokio::time::timeout(ANSWER, accounts.revision()).await;
                let silent = || ApiError::TimedOut { what: "the API server".to_owned(), seconds: ANSWER.as_secs() };
                let revision = answer.map_err(|_| silent())??.unwrap_or(newest);
                if revision < newest {
                    return Err(ApiError::Other("etcd was restored from a snapshot".to_owned()).into());
                }
                newest = revision;
                if begun {
                    store.beat(asked)?;
                    tell(Told::Written(Written::default()));
                }
                count += 1;
                if !kubevirt && count % KUBEVIRT == 0 && kubevirt::installed(client).await? {
                    return Err(ApiError::Other("KubeVirt was installed".to_owned()).into());
                }
            }
        }
    }
}

fn ended() -> Failure {
    ApiError::Unreachable("a watch ended".to_owned()).into()
}

type Changes = BoxStream<'static, Result<Change, ApiError>>;

fn changes(client: &Client, kubevirt: bool) -> stream::SelectAll<Changes> {
    let mut streams: Vec<Changes> = vec![
        watch(watches::namespaces(client), Change::Namespace),
        watch(watches::stateful_sets(client), Change::Set),
        watch(watches::stateful_pods(client), Change::Pod),
        watch(watches::accounts(client), Change::Account),
    ];
    if kubevirt {
        let [machines, guests] = kubevirt::everywhere(client);
        streams.push(watch_dynamic(machines, Change::Machine));
        streams.push(watch_dynamic(guests, Change::Guest));
    }
    stream::select_all(streams)
}

fn watch<K, T>(events: Watch<K>, change: impl Fn(News<T>) -> Change + Send + 'static) -> Changes
where
    K: Resource + Clone + serde::de::DeserializeOwned + Debug + Send + 'static,
    T: From<K>,
{
    events
        .map(move |event| match event {
            Ok(event) => Ok(change(match event {
                Event::Init => News::First,
                Event::InitApply(object) | Event::Apply(object) => News::Is(plain(object).into()),
                Event::InitDone => News::All,
                Event::Delete(object) => News::Gone(object.into()),
            })),
            Err(error) => Err(why(error)),
        })
        .boxed()
}

/// Removes `managedFields`, which is about half of an object and is not used.
fn plain<K: Resource>(mut object: K) -> K {
    object.meta_mut().managed_fields = None;
    object
}

fn watch_dynamic<K>(events: Watch<DynamicObject>, change: impl Fn(News<K>) -> Change + Send + 'static) -> Changes
where
    K: serde::de::DeserializeOwned + Send + 'static,
{
    events
        .filter_map(move |event| {
            let news = match event {
                Ok(Event::Init) => Ok(Some(News::First)),
                Ok(Event::InitApply(object) | Event::Apply(object)) => Ok(readable(object).map(News::Is)),
                Ok(Event::InitDone) => Ok(Some(News::All)),
                Ok(Event::Delete(object)) => Ok(readable(object).map(News::Gone)),
                Err(error) => Err(why(error)),
            };
            let news = news.transpose().map(|news| news.map(&change));
            async move { news }
        })
        .boxed()
}

/// Reads an object of KubeVirt. An unreadable one is logged and ignored, since it is not ours.
fn readable<K: serde::de::DeserializeOwned>(object: DynamicObject) -> Option<K> {
    let name = object.metadata.name.clone().unwrap_or_default();
    match kubevirt::read(plain(object)) {
        Ok(read) => Some(read),
        Err(error) => {
            tracing::warn!(%name, %error, "the object cannot be read and is left out");
            None
        }
    }
}

fn why(error: watcher::Error) -> ApiError {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error.into(),
        watcher::Error::WatchError(status) => (*status).into(),
        error @ watcher::Error::NoResourceVersion => ApiError::Other(error.to_string()),
    }
}
