//! The API server's question: may this be a template?
//!
//! As with accounts there is no read, no write, no state and no clock: [`cmp_client::templates::judge`] of the object in
//! the question is the answer. A template that is wrong is refused when it is stored, and not when somebody uses it.

use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::core::admission::AdmissionResponse;
use serde::Deserialize;
use tracing::info;

use cmp_client::templates::{is_template, judge};

use crate::admission::{allowed, refused};

/// As much of a question as is judged.
#[derive(Deserialize)]
struct Question {
    request: Request,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    uid: String,
    user_info: UserInfo,
    #[serde(default)]
    dry_run: bool,
    object: Option<ConfigMap>,
}

/// Reads a question and answers it.
pub(crate) fn answer(body: &[u8]) -> Result<(&'static str, AdmissionResponse), serde_json::Error> {
    let Question { request } = serde_json::from_slice(body)?;
    let Some(map) = request.object.as_ref().filter(|map| is_template(map)) else {
        return Ok(("Allowed", allowed(&request.uid)));
    };
    let (template, by) = (map.name_any(), request.user_info.username.as_deref().unwrap_or_default());
    Ok(match judge(map) {
        Ok((_, unused)) => {
            info!(template, by, dry_run = request.dry_run, "allowed");
            let mut response = allowed(&request.uid);
            response.warnings = Some(unused).filter(|unused| !unused.is_empty());
            ("Allowed", response)
        }
        Err(why) => {
            info!(template, by, dry_run = request.dry_run, refused = why, "judged");
            ("BadTemplate", refused(&request.uid, 422, "Invalid", &format!("template {template}: {why}")))
        }
    })
}
