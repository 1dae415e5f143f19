//! Events in the Namespace of a cluster: read them, and tell what happened to the cluster.

use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1;
use k8s_openapi::api::events::v1 as new;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use cmp_core::keys;
use cmp_core::name::ClusterName;
use cmp_core::plan::killed::{self, End};
use cmp_core::story::Told;

use crate::error::ApiError;
use crate::namespaces;

/// How long one watch lasts, in seconds. Between two watches it is checked that the cluster is still there.
const WATCHED: u32 = 5;

/// An event about an object.
#[derive(Debug, Clone)]
pub struct Event(v1::Event);

impl Event {
    /// Returns the name of the event.
    pub fn name(&self) -> String {
        self.0.name_any()
    }

    /// Returns `Normal` or `Warning`.
    pub fn kind(&self) -> &str {
        self.0.type_.as_deref().unwrap_or_default()
    }

    /// Returns the reason in one word.
    pub fn reason(&self) -> &str {
        self.0.reason.as_deref().unwrap_or_default()
    }

    /// Returns the message.
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }

    /// Returns the kind of the object that the event is about.
    pub fn object_kind(&self) -> &str {
        self.0.involved_object.kind.as_deref().unwrap_or_default()
    }

    /// Returns the name of the object that the event is about.
    pub fn object_name(&self) -> &str {
        self.0.involved_object.name.as_deref().unwrap_or_default()
    }

    /// Returns how often it occurred. The number is in an old field, or in a series.
    pub fn count(&self) -> i32 {
        self.0.series.as_ref().and_then(|series| series.count).or(self.0.count).unwrap_or(1)
    }

    /// Returns the component that reported it.
    pub fn from(&self) -> &str {
        let source = self.0.source.as_ref().and_then(|source| source.component.as_deref());
        source.or(self.0.reporting_component.as_deref()).unwrap_or_default()
    }

    /// Returns the time of the last occurrence in the field that kube-controller-manager writes.
    pub(crate) fn occurred(&self) -> Option<Timestamp> {
        self.0.last_timestamp.as_ref().map(|time| time.0)
    }

    /// Returns the time of the last occurrence, if the event says it.
    pub fn last(&self) -> Option<Timestamp> {
        let series = self.0.series.as_ref().and_then(|series| series.last_observed_time.as_ref());
        self.occurred().or(series.or(self.0.event_time.as_ref()).map(|time| time.0))
    }

    /// Returns the time of the last occurrence, or else that of the creation of the event.
    pub fn at(&self) -> Option<Timestamp> {
        self.last().or_else(|| self.0.creation_timestamp().map(|time| time.0))
    }

    /// Returns the event as Kubernetes stores it; null if it cannot be shown.
    pub fn object(&self) -> Value {
        serde_json::to_value(&self.0).unwrap_or(Value::Null)
    }
}

/// Events, and the version of the list from which a watch goes on.
#[derive(Debug)]
pub struct Listed {
    /// The events, in no order.
    pub events: Vec<Event>,
    /// The `resourceVersion` of the list.
    pub version: String,
}

fn api(client: &Client, cluster: &ClusterName) -> Api<v1::Event> {
    Api::namespaced(client.clone(), &cluster.namespace())
}

/// Lists the events of a cluster.
pub async fn list(client: &Client, cluster: &ClusterName) -> Result<Listed, ApiError> {
    let list = api(client, cluster).list(&ListParams::default()).await?;
    let version = list.metadata.resource_version.unwrap_or_default();
    Ok(Listed { events: list.items.into_iter().map(Event).collect(), version })
}

/// Lists the events by which the StatefulSet controller reports that it cannot create a Pod.
pub(crate) async fn refused_pods(client: &Client, cluster: &ClusterName) -> Result<Vec<Event>, ApiError> {
    let failed = ListParams::default().fields("involvedObject.kind=StatefulSet,reason=FailedCreate");
    Ok(api(client, cluster).list(&failed).await?.items.into_iter().map(Event).collect())
}

/// Lists the ends of the guests of a cluster, as virt-handler reports them. Kubernetes keeps them for an hour.
pub async fn guest_ends(client: &Client, cluster: &ClusterName) -> Result<Vec<End>, ApiError> {
    let of =
        format!("involvedObject.kind=VirtualMachineInstance,reason={},source={}", killed::REASON, killed::REPORTER);
    let list = api(client, cluster).list(&ListParams::default().fields(&of)).await?;
    let end = |event: v1::Event| {
        let event = Event(event);
        Some(End::new(event.object_name(), event.0.involved_object.uid.as_deref()?, event.kind(), event.at()))
    };
    Ok(list.items.into_iter().filter_map(end).collect())
}

/// Streams the events of a cluster after a version, until the cluster is gone or its owner loses access.
pub fn follow(
    client: &Client,
    cluster: ClusterName,
    from: String,
) -> BoxStream<'static, Result<(ClusterName, Event), ApiError>> {
    let client = client.clone();
    stream::try_unfold((from, Vec::<Event>::new()), move |(mut from, mut waiting)| {
        let (client, cluster) = (client.clone(), cluster.clone());
        async move {
            loop {
                if let Some(event) = waiting.pop() {
                    return Ok(Some(((cluster, event), (from, waiting))));
                }
                // Watch for a few seconds only, to notice that the cluster is gone.
                let params = WatchParams::default().timeout(WATCHED);
                let watched = match api(&client, &cluster).watch(&params, &from).await.map_err(ApiError::from) {
                    Ok(watched) => watched,
                    Err(error) if error.is_forbidden() || error.is_not_found() => return Ok(None),
                    Err(error) => return Err(error),
                };
                let mut watched = watched.boxed();
                while let Ok(Some(event)) = watched.try_next().await {
                    match event {
                        WatchEvent::Added(event) | WatchEvent::Modified(event) => {
                            from = event.resource_version().unwrap_or(from);
                            waiting.push(Event(event));
                            break;
                        }
                        WatchEvent::Bookmark(mark) => from = mark.metadata.resource_version,
                        WatchEvent::Deleted(_) => {}
                        // The resourceVersion is too old to continue from.
                        WatchEvent::Error(_) => from = String::new(),
                    }
                }
                if waiting.is_empty() && !there(&client, &cluster).await? {
                    return Ok(None);
                }
            }
        }
    })
    .boxed()
}

/// Writes an Event about the Namespace of a cluster into it. `uid` is that of the Namespace, and `at` the time of the
/// transition. An Event that is there already was written for the same transition: it stays, or counts once more.
pub async fn tell(
    client: &Client,
    cluster: &ClusterName,
    uid: &str,
    told: &Told,
    at: Timestamp,
) -> Result<(), ApiError> {
    let namespace = cluster.namespace();
    let api: Api<new::Event> = Api::namespaced(client.clone(), &namespace);
    let event = new::Event {
        metadata: ObjectMeta {
            name: Some(told.name.clone()),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        action: Some(told.reason.to_owned()),
        event_time: Some(MicroTime(at)),
        note: Some(told.note.clone()),
        reason: Some(told.reason.to_owned()),
        regarding: Some(v1::ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Namespace".to_owned()),
            name: Some(namespace.clone()),
            namespace: Some(namespace),
            uid: Some(uid.to_owned()),
            ..v1::ObjectReference::default()
        }),
        reporting_controller: Some(keys::REPORTER.to_owned()),
        reporting_instance: Some(keys::WEBHOOK.to_owned()),
        type_: Some(if told.is_warning { "Warning" } else { "Normal" }.to_owned()),
        ..new::Event::default()
    };
    match api.create(&PostParams::default(), &event).await.map_err(ApiError::from) {
        Err(error) if error.is_already_there() && told.repeats => count_once_more(&api, &told.name, at).await,
        Err(error) if error.is_already_there() => Ok(()),
        created => created.map(drop),
    }
}

/// Counts one more occurrence of an Event.
async fn count_once_more(api: &Api<new::Event>, name: &str, at: Timestamp) -> Result<(), ApiError> {
    let params = PatchParams::default();
    // cmp-webhook may patch Events and not read them. The answer to a patch that changes nothing is the Event.
    let now = api.patch(name, &params, &Patch::Merge(json!({}))).await?;
    let count = now.series.as_ref().map_or(1, |series| series.count).saturating_add(1);
    let series = new::EventSeries { count, last_observed_time: MicroTime(at) };
    let version = now.metadata.resource_version.unwrap_or_default();
    let patch = json!({ "metadata": { "resourceVersion": version }, "series": series });
    api.patch(name, &params, &Patch::Merge(patch)).await.map(drop).map_err(ApiError::from)
}

/// Reports whether a cluster exists. Without access to its Namespace, it counts as gone.
async fn there(client: &Client, cluster: &ClusterName) -> Result<bool, ApiError> {
    match namespaces::get(client, &cluster.namespace()).await {
        Ok(found) => Ok(found.is_some()),
        // The owner has lost access, because the cluster is being deleted.
        Err(error) if error.is_forbidden() => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(fields: Value) -> Event {
        Event(serde_json::from_value(fields).unwrap())
    }

    #[test]
    fn the_time_is_that_of_the_last_occurrence() {
        let (first, last) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let check = |fields: Value, last: Option<&str>, at: Option<&str>| {
            let shown = |at: Option<Timestamp>| at.map(|at| at.to_string());
            let event = event(fields);
            assert_eq!((shown(event.last()).as_deref(), shown(event.at()).as_deref()), (last, at));
        };
        let of = json!({});
        let created = json!({ "creationTimestamp": first });
        check(
            json!({ "metadata": created, "involvedObject": of, "lastTimestamp": last, "eventTime": first }),
            Some(last),
            Some(last),
        );
        check(json!({ "metadata": created, "involvedObject": of, "eventTime": last }), Some(last), Some(last));
        let series = json!({ "count": 3, "lastObservedTime": last });
        check(
            json!({ "metadata": created, "involvedObject": of, "eventTime": first, "series": series }),
            Some(last),
            Some(last),
        );
        check(json!({ "metadata": created, "involvedObject": of }), None, Some(first));
        check(json!({ "metadata": {}, "involvedObject": of }), None, None);
    }

    #[test]
    fn the_count_has_an_old_field_and_a_new_one() {
        let check = |fields: Value, expected: i32| assert_eq!(event(fields).count(), expected);
        let of = json!({});
        check(json!({ "metadata": {}, "involvedObject": of }), 1);
        check(json!({ "metadata": {}, "involvedObject": of, "count": 4 }), 4);
        check(json!({ "metadata": {}, "involvedObject": of, "series": { "count": 3 } }), 3);
    }

    #[test]
    fn the_reporter_has_an_old_field_and_a_new_one() {
        let check = |fields: Value, expected: &str| assert_eq!(event(fields).from(), expected);
        let of = json!({});
        let old = json!({ "component": "old" });
        check(json!({ "metadata": {}, "involvedObject": of, "source": old, "reportingComponent": "new" }), "old");
        check(json!({ "metadata": {}, "involvedObject": of, "source": {}, "reportingComponent": "new" }), "new");
        check(json!({ "metadata": {}, "involvedObject": of }), "");
    }
}
