//! Components of kustomize: they add objects, and patch existing ones.
//!
//! The plugin reads the same files as kustomize, including the list of patches, so that there is only one definition.

use json_patch::Patch;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::manifest::{Manifest, read};
use crate::error::CliError;

/// A folder of `manifests/components`.
pub(crate) struct Component {
    kustomization: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! component {
    ($folder:literal: $($file:literal),+) => {
        Component {
            kustomization: include_str!(concat!("../../../manifests/components/", $folder, "/kustomization.yaml")),
            files: &[$(($file, include_str!(concat!("../../../manifests/components/", $folder, "/", $file)))),+],
        }
    };
}

pub(super) static CERT_MANAGER: Component = component!(
    "cert-manager": "certificate.yaml", "deployment.yaml", "webhook.yaml", "certificate-rights.yaml",
    "configuration-rights.yaml"
);

pub(super) static PROMETHEUS: Component = component!("prometheus": "monitor.yaml", "rules.yaml");

pub(super) static MIRROR: Component = component!("mirror": "rights.yaml", "mirror.yaml");

#[derive(Deserialize)]
struct Kustomization {
    resources: Vec<String>,
    #[serde(default)]
    patches: Vec<Patched>,
}

#[derive(Deserialize)]
struct Patched {
    path: String,
    target: Target,
}

#[derive(Deserialize)]
struct Target {
    kind: String,
    name: String,
    namespace: Option<String>,
}

impl Component {
    /// Patches existing objects, and returns the objects to add.
    pub(super) fn add_to<const N: usize>(&self, mut parts: [&mut Vec<Manifest>; N]) -> Result<Vec<Manifest>, CliError> {
        let kustomization: Kustomization = yaml(self.kustomization)?;
        for Patched { path, target } in &kustomization.patches {
            let patch: Patch = yaml(self.file(path)?)?;
            let targeted = parts
                .iter_mut()
                .flat_map(|part| part.iter_mut())
                .find(|manifest| manifest.is(&target.kind, target.namespace.as_deref(), &target.name))
                .ok_or_else(|| CliError::internal(&format!("{path} patches nothing")))?;
            let mut value = targeted.value()?;
            json_patch::patch(&mut value, &patch).map_err(|error| CliError::internal(&format!("{path}: {error}")))?;
            *targeted = Manifest::new(value)?;
        }
        let files: Vec<&str> = kustomization.resources.iter().map(|name| self.file(name)).collect::<Result<_, _>>()?;
        read(&files)
    }

    fn file(&self, name: &str) -> Result<&'static str, CliError> {
        let found = self.files.iter().find(|(file, _)| *file == name);
        found.map(|(_, text)| *text).ok_or_else(|| CliError::internal(&format!("{name} is not built in")))
    }
}

fn yaml<T: DeserializeOwned>(text: &str) -> Result<T, CliError> {
    serde_saphyr::from_str(text).map_err(|error| CliError::internal(&error.to_string()))
}
