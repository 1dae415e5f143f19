//! Server-side apply, and the word for its result.

use kube::api::{Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::Value;

use cmp_client::ApiError;

use crate::args::{DryRun, suffix};
use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::manifests::Manifest;
use crate::output::{Format, print_object, yaml};

/// The target of an apply, and the form of its output.
pub(super) struct Target<'a, 'b> {
    pub(super) context: &'a Context<'b>,
    pub(super) client: &'a Client,
    pub(super) dry_run: DryRun,
    pub(super) format: Option<&'a Format>,
}

impl Target<'_, '_> {
    /// Applies manifests in order, and prints whether each was created, configured or unchanged.
    pub(super) async fn apply(&self, part: &[Manifest]) -> Result<(), CliError> {
        let params = PatchParams { dry_run: self.dry_run == DryRun::Server, ..PatchParams::apply(MANAGER).force() };
        for manifest in part {
            let (api, name) = (manifest.api(self.client), manifest.object.name_any());
            let about = |error: kube::Error| {
                let error = ApiError::from(error);
                let forbidden = error.is_forbidden();
                let error = CliError::from(error).about(&manifest.title());
                if forbidden { error.hint("the same command goes on where this one ended") } else { error }
            };
            let before = api.get_opt(&name).await.map_err(about)?;
            let applied = match api.patch(&name, &params, &Patch::Apply(&manifest.object)).await {
                Ok(applied) => applied,
                // A dry run creates no Namespace, so that a later object may not find its own.
                Err(error) if self.dry_run == DryRun::Server && before.is_none() && is_not_found(&error) => {
                    manifest.object.clone()
                }
                Err(error) => return Err(about(error)),
            };
            let applied = told(serde_json::to_value(&applied))?;
            let before = before.map(|before| told(serde_json::to_value(&before))).transpose()?;
            let word = match before {
                None => "created",
                Some(before) if before == applied => "unchanged",
                Some(_) => "configured",
            };
            self.say(manifest, word, &applied)?;
        }
        Ok(())
    }

    fn say(&self, manifest: &Manifest, word: &str, applied: &Value) -> Result<(), CliError> {
        let ui = self.context.ui;
        match self.format {
            Some(Format::Yaml) => ui.out(&format!("---\n{}", yaml(applied)?)),
            Some(format) if format.is_of_objects() => print_object(ui, format, applied),
            Some(Format::Name) => ui.line(&manifest.title()),
            _ => ui.line(&format!("{} {word}{}", manifest.title(), suffix(self.dry_run))),
        }
    }
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Returns an object without its status and without the bookkeeping of the API server.
fn told(object: Result<Value, serde_json::Error>) -> Result<Value, CliError> {
    let mut object = object.map_err(|error| CliError::internal(&error.to_string()))?;
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for noted in ["managedFields", "resourceVersion", "generation"] {
                metadata.remove(noted);
            }
        }
    }
    Ok(object)
}
