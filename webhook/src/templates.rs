//! Answers the API server's question whether a ConfigMap may be a template.
//!
//! As with accounts, the handler reads nothing, writes nothing, and has no state and no clock. The answer is
//! [`cmp_client::templates::judge`] of the object in the question. A wrong template is refused when it is stored, and
//! not when somebody uses it.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Deserialize;
use tracing::info;

use cmp_client::templates::judge;
use cmp_core::keys;

use crate::logged::Logged;
use crate::review::{Answered, Labels, Review, allowed, refused};

/// The part of the object that is judged.
#[derive(Deserialize)]
struct Map<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: Option<Labels<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    template: Option<Cow<'a, str>>,
}

impl Map<'_> {
    fn is_template(&self) -> bool {
        self.metadata.labels.as_ref().is_some_and(|labels| labels.is_true(keys::TEMPLATE))
    }

    /// Returns the ConfigMap to judge.
    fn config_map(&self) -> ConfigMap {
        let template = self.data.as_ref().and_then(|data| data.template.as_ref());
        ConfigMap {
            metadata: ObjectMeta { name: Some(self.metadata.name.to_string()), ..ObjectMeta::default() },
            data: template.map(|text| [(keys::data::TEMPLATE.to_owned(), text.to_string())].into()),
            ..ConfigMap::default()
        }
    }
}

/// Reads a question and answers it.
pub(crate) fn answer(body: &[u8]) -> Answered {
    let Review { request }: Review<'_, Map<'_>> = serde_json::from_slice(body)?;
    let Some(map) = request.object.as_ref().filter(|map| map.is_template()) else {
        return Ok(("Allowed", allowed(&request.uid)));
    };
    let (template, by) = (Logged(&map.metadata.name), Logged(&request.user_info.username));
    let uid = Logged(&request.uid);
    Ok(match judge(&map.config_map()) {
        Ok((_, unused)) => {
            info!(%uid, %template, %by, dry_run = request.dry_run, "allowed");
            let mut response = allowed(&request.uid);
            response.warnings = Some(unused).filter(|unused| !unused.is_empty());
            ("Allowed", response)
        }
        Err(why) => {
            info!(%uid, %template, %by, dry_run = request.dry_run, refused = %Logged(&why), "judged");
            let message = format!("template {}: {why}", map.metadata.name);
            ("BadTemplate", refused(&request.uid, 422, "Invalid", &message))
        }
    })
}
