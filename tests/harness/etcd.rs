//! Client of etcd's HTTP gateway. It sees every change in one order, without any API server in between.
//!
//! The stored objects are readable if the API server runs with `--storage-media-type=application/json`.

use std::pin::Pin;
use std::time::Duration;

use futures::{AsyncBufReadExt, Stream, StreamExt, stream};
use k8s_openapi::ByteString;
use kube::Client;
use serde_json::{Value, json};

/// The longest time for an answer of etcd. A stopped etcd would otherwise block without a message.
const ANSWER: Duration = Duration::from_secs(10);

/// A change of one key.
#[derive(Debug, Clone)]
pub struct Change {
    /// The revision of the change, in the one order of all changes.
    pub revision: i64,
    /// The changed key, for example `/registry/pods/web-ns/web-0-0`.
    pub key: String,
    /// The new stored value; `None` if the key was deleted.
    pub value: Option<Vec<u8>>,
}

/// The reason for the end of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The connection broke. A new watch can start after the last change.
    Broken(String),
    /// The requested revisions are compacted: the watcher missed changes. This is no statement about their content.
    Compacted,
}

/// A connection to etcd.
#[derive(Clone)]
pub struct Etcd {
    client: Client,
    url: String,
}

/// The changes that a watch reports, until it ends.
pub type Changes = Pin<Box<dyn Stream<Item = Result<Vec<Change>, Ended>> + Send>>;

impl Etcd {
    /// Returns a client for this URL.
    pub fn new(url: &str) -> Self {
        let config = kube::Config::new(url.parse().expect("an address"));
        Self { client: Client::try_from(config).expect("a client"), url: url.to_owned() }
    }

    async fn call(&self, path: &str, body: &Value) -> Result<Value, String> {
        let answer = tokio::time::timeout(ANSWER, self.client.request_text(self.post(path, body))).await;
        let answer = answer.map_err(|_| format!("etcd did not answer {path} within {ANSWER:?}"))?;
        let text = answer.map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    }

    fn post(&self, path: &str, body: &Value) -> http::Request<Vec<u8>> {
        let request = http::Request::post(format!("{}{path}", self.url)).header("content-type", "application/json");
        request.body(body.to_string().into_bytes()).expect("a request")
    }

    /// Stores a key outside the keys of the API servers, and returns the revision of the write.
    pub async fn put(&self, key: &str, value: &str) -> Result<i64, String> {
        let said = self.call("/v3/kv/put", &json!({ "key": bytes(key), "value": bytes(value) })).await?;
        number(&said["header"]["revision"]).ok_or_else(|| format!("no revision: {said}"))
    }

    /// Watches every change from this revision on, of keys with this prefix.
    pub async fn watch(&self, prefix: &str, from: i64) -> Result<Changes, String> {
        let mut end = prefix.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let asked = json!({ "create_request": {
            "key": bytes(prefix), "range_end": ByteString(end), "start_revision": from.to_string() } });
        let lines = self.client.request_stream(self.post("/v3/watch", &asked)).await.map_err(|e| e.to_string())?;
        let changes = Box::pin(lines).lines().map(|line| {
            let line = line.map_err(|error| Ended::Broken(error.to_string()))?;
            read(&line)
        });
        let end = stream::once(async { Err(Ended::Broken("the watch ended".to_owned())) });
        Ok(Box::pin(changes.chain(end)))
    }
}

fn bytes(text: &str) -> ByteString {
    ByteString(text.as_bytes().to_vec())
}

/// Parses a 64-bit number, which the gateway writes as a JSON string.
fn number(value: &Value) -> Option<i64> {
    value.as_str()?.parse().ok()
}

fn read(line: &str) -> Result<Vec<Change>, Ended> {
    let broken = |why: &str| Ended::Broken(format!("{why}: {line}"));
    let said: Value = serde_json::from_str(line).map_err(|error| broken(&error.to_string()))?;
    let result = &said["result"];
    if !result.is_object() {
        return Err(broken("no result"));
    }
    if !result["compact_revision"].is_null() {
        return Err(Ended::Compacted);
    }
    if result["canceled"] == true {
        return Err(broken("cancelled"));
    }
    let decode = |value: &Value| serde_json::from_value::<ByteString>(value.clone()).map(|bytes| bytes.0);
    let events = result["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let changes = events.iter().map(|event| {
        let kv = &event["kv"];
        let key = decode(&kv["key"]).map_err(|error| broken(&error.to_string()))?;
        let deleted = event["type"] == "DELETE";
        let value = if deleted { None } else { Some(decode(&kv["value"]).map_err(|e| broken(&e.to_string()))?) };
        Ok(Change {
            revision: number(&kv["mod_revision"]).ok_or_else(|| broken("no revision"))?,
            key: String::from_utf8_lossy(&key).into_owned(),
            value,
        })
    });
    changes.collect()
}
