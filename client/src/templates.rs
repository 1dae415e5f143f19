//! Templates in their ConfigMaps: administrators store them and everybody reads them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use cmp_core::keys;
use cmp_core::name::TemplateName;
use cmp_core::template::{LONGEST, Template, built_in_type};

use crate::error::ApiError;

/// Limit for the total of YAML events that aliases expand to.
const MOST_REPLAYED: usize = 10_000;

/// A template as it is stored in its ConfigMap.
#[derive(Debug, Clone)]
pub struct Found {
    /// The name of its ConfigMap.
    pub name: String,
    /// The template, or the reason why it cannot be used, if it was stored while cmp-webhook was not asked.
    pub template: Result<Template, String>,
    /// The stored manifest; null if it cannot be parsed.
    pub manifest: Value,
    /// The uid of its ConfigMap.
    pub uid: String,
    /// The creation time of the ConfigMap.
    pub created: Option<Timestamp>,
    /// The labels of its ConfigMap.
    pub labels: BTreeMap<String, String>,
}

/// All templates that are stored.
#[derive(Clone)]
pub struct Templates {
    api: Api<ConfigMap>,
}

/// Reports whether a ConfigMap is a template.
pub fn is_template(map: &ConfigMap) -> bool {
    map.labels().get(keys::TEMPLATE).is_some_and(|value| value == keys::TRUE)
}

/// Parses a manifest, which is YAML or JSON.
pub fn manifest(text: &str) -> Result<Value, String> {
    if text.len() > LONGEST {
        return Err(format!("it takes {} bytes, the maximum is {LONGEST}", text.len()));
    }
    // An alias expands to everything that it names, so that nested aliases multiply.
    let mut options = serde_saphyr::Options::default();
    options.alias_limits.max_total_replayed_events = MOST_REPLAYED;
    serde_saphyr::from_str_with_options(text, options).map_err(|error| not_yaml(&error))
}

/// Describes in one line why a text is not YAML. The parser's own message is a multi-line drawing.
pub fn not_yaml(error: &serde_saphyr::Error) -> String {
    if matches!(error.without_snippet(), serde_saphyr::Error::MultipleDocuments { .. }) {
        return "it holds several documents, separated by ---: only one is allowed".to_owned();
    }
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

/// Judges a ConfigMap that is to be a template. Returns the template and a list of the parts that are not used.
pub fn judge(map: &ConfigMap) -> Result<(Template, Vec<String>), String> {
    let name = map.name_any();
    name.parse::<TemplateName>().map_err(|error| error.to_string())?;
    if built_in_type(&name).is_some() {
        return Err(format!("{name} is the name of a built-in template: choose another"));
    }
    let text = map.data.as_ref().and_then(|data| data.get(keys::data::TEMPLATE));
    let text = text.ok_or_else(|| format!("data.{} is missing: it holds a Pod, as YAML", keys::data::TEMPLATE))?;
    Template::read(&manifest(text)?).map_err(|wrong| wrong.to_string())
}

fn found(map: &ConfigMap) -> Found {
    let text = map.data.as_ref().and_then(|data| data.get(keys::data::TEMPLATE));
    Found {
        name: map.name_any(),
        template: judge(map).map(|(template, _)| template),
        manifest: text.and_then(|text| manifest(text).ok()).unwrap_or_default(),
        uid: map.metadata.uid.clone().unwrap_or_default(),
        created: map.metadata.creation_timestamp.as_ref().map(|time| time.0),
        labels: map.labels().clone(),
    }
}

impl Templates {
    /// Creates a view that makes its calls through `client`.
    pub fn new(client: Client) -> Self {
        Self { api: Api::namespaced(client, keys::TEMPLATES_NAMESPACE) }
    }

    /// Reads one template; `None` if no template has this name.
    pub async fn get(&self, name: &TemplateName) -> Result<Option<Found>, ApiError> {
        Ok(self.api.get_opt(name.as_str()).await?.filter(is_template).map(|map| found(&map)))
    }

    /// Reads all templates, including those that cannot be used.
    pub async fn list(&self) -> Result<Vec<Found>, ApiError> {
        let only = ListParams::default().labels(&format!("{}={}", keys::TEMPLATE, keys::TRUE));
        Ok(self.api.list(&only).await?.items.iter().map(found).collect())
    }

    /// Creates a template, which cmp-webhook judges.
    pub async fn create(
        &self,
        name: &TemplateName,
        text: String,
        manager: &str,
        dry_run: bool,
    ) -> Result<Found, ApiError> {
        let labels = [(keys::TEMPLATE, keys::TRUE), (keys::MANAGED_BY, keys::MANAGER)];
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_string()),
                labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
                ..ObjectMeta::default()
            },
            data: Some([(keys::data::TEMPLATE.to_owned(), text)].into()),
            ..ConfigMap::default()
        };
        let params = PostParams { dry_run, field_manager: Some(manager.to_owned()) };
        Ok(found(&self.api.create(&params, &map).await?))
    }

    /// Deletes the template, or fails if it does not exist.
    pub async fn delete(&self, name: &TemplateName, dry_run: bool) -> Result<(), ApiError> {
        let params = DeleteParams { dry_run, ..DeleteParams::default() };
        self.api.delete(name.as_str(), &params).await?;
        Ok(())
    }
}
