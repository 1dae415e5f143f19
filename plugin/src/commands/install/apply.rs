//! Server-side apply, and the word for its result.

use kube::{Client, ResourceExt};
use serde_json::Value;

use cmp_client::ApiError;

use crate::args::{DryRun, suffix};
use crate::context::Context;
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
        let server = self.dry_run == DryRun::Server;
        for manifest in part {
            let objects = manifest.peers(self.client);
            let about = |error: ApiError| {
                let forbidden = error.is_forbidden();
                let error = CliError::from(error).about(&manifest.title());
                if forbidden { error.hint("the same command goes on where this one ended") } else { error }
            };
            let before = objects.get(&manifest.object.name_any()).await.map_err(about)?;
            let applied = match objects.apply(&manifest.object, server).await {
                Ok(applied) => applied,
                // A dry run creates no Namespace, so that a later object may not find its own.
                Err(error) if server && before.is_none() && error.is_not_found() => manifest.object.clone(),
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
