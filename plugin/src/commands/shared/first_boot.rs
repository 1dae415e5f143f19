//! The files and keys of the first boot of VMs: read from the user's computer, and written into the cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use kube::{Client, ResourceExt};

use cmp_client::ApiError;
use cmp_client::first_boot::{exists, missing, write};
use cmp_core::account::Want;
use cmp_core::cloud_init::UserData;
use cmp_core::first_boot::{self, Answers, Files, Needed, missing};
use cmp_core::instance::Instance;
use cmp_core::name::ClusterName;
use cmp_core::ssh_key::public_keys;

use crate::context::{Context, MANAGER};
use crate::error::CliError;
use crate::files;

/// The value of `--ssh-key` that switches the user's own key off.
const NO_KEY: &str = "none";
/// The user's own public keys, as `ssh` looks for them. The first one that exists is taken.
const OWN: [&str; 3] = ["id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"];

/// The keys of `--ssh-key`.
pub(crate) enum Keys {
    /// The flag was not given.
    NotGiven,
    /// These keys; empty for none.
    Given(Vec<String>),
}

impl Keys {
    /// Reads the files of `--ssh-key`.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Self, CliError> {
        if paths.is_empty() {
            return Ok(Self::NotGiven);
        }
        let none = |path: &PathBuf| path.as_os_str() == NO_KEY;
        if paths.iter().any(none) {
            if paths.len() > 1 {
                return Err(CliError::user("--ssh-key none: another key is given beside it")
                    .hint("leave out none, or the other keys"));
            }
            return Ok(Self::Given(Vec::new()));
        }
        let keys: Vec<Vec<String>> = paths.iter().map(|path| keys_in(path)).collect::<Result<_, _>>()?;
        Ok(Self::Given(keys.concat()))
    }
}

/// Reads the public keys in a file.
fn keys_in(path: &Path) -> Result<Vec<String>, CliError> {
    let wrong = |why: String| {
        CliError::user(format!("--ssh-key {}: {why}", path.display()))
            .hint("name a file with a public key, such as ~/.ssh/id_ed25519.pub")
    };
    let text = files::read(path, files::OBJECT).map_err(|error| wrong(error.to_string()))?;
    public_keys(&text).map_err(|why| wrong(why.to_string()))
}

/// Returns the user's own public key and its file, if there is one. A file that has none is skipped.
pub(crate) fn own_key(home: Option<PathBuf>) -> Option<(PathBuf, String)> {
    let folder = home?.join(".ssh");
    OWN.iter().find_map(|name| {
        let path = folder.join(name);
        let key = public_keys(&files::read(&path, files::OBJECT).ok()?).ok()?.into_iter().next()?;
        Some((path, key))
    })
}

/// Reads the files of `--cloud-init` and `--sysprep`.
pub(crate) fn read_files(cloud_init: Option<&Path>, sysprep: Option<&Path>) -> Result<Files, CliError> {
    let wrong =
        |flag: &str, path: &Path, why: &dyn Display| CliError::user(format!("{flag} {}: {why}", path.display()));
    let bytes =
        |flag: &str, path: &Path| files::read_bytes(path, files::OBJECT).map_err(|error| wrong(flag, path, &error));
    let cloud_init = cloud_init.map(|path| {
        let flag = "--cloud-init";
        UserData::read(bytes(flag, path)?).map_err(|why| {
            wrong(flag, path, &why).hint("see https://docs.cloud-init.io/en/latest/explanation/format.html")
        })
    });
    let sysprep = sysprep.map(|path| {
        let flag = "--sysprep";
        Answers::read(bytes(flag, path)?).map_err(|why| wrong(flag, path, &why))
    });
    Ok(Files { cloud_init: cloud_init.transpose()?, sysprep: sysprep.transpose()? })
}

/// Returns the digests of the files: of `--cloud-init`, and of `--sysprep`.
pub(crate) fn digests(files: &Files) -> [Option<String>; 2] {
    let of = |bytes: &[u8]| first_boot::digest(digest(&SHA256, bytes).as_ref());
    [files.cloud_init.as_ref().map(|file| of(file.bytes())), files.sysprep.as_ref().map(|file| of(file.bytes()))]
}

/// Checks that the Secrets exist that no further instance of a cluster starts without, and that this command has no files
/// for.
pub(crate) async fn check_secrets(context: &Context<'_>, name: &ClusterName, want: &Want) -> Result<(), CliError> {
    for needed in first_boot::secrets(name, want, &Files::default()) {
        if let Needed::Earlier { name: secret, flag } = needed {
            check_secret(&context.client().await?, name, secret, flag).await?;
        }
    }
    Ok(())
}

async fn check_secret(client: &Client, name: &ClusterName, secret: &str, flag: &str) -> Result<(), CliError> {
    match exists(client, name, secret).await {
        Ok(true) => Ok(()),
        // The rights come with the Namespace. Without one, the Secret was never written.
        Err(error) if !error.is_forbidden() => Err(error.into()),
        Ok(false) | Err(_) => Err(CliError::user(missing::sentence(name, secret))
            .hint(format!("write it again: repeat create cluster {name} with the same {flag} FILE"))),
    }
}

/// Checks that the Secrets exist that these VMs start with. Without one of them, KubeVirt would wait for it without an end.
pub(crate) async fn can_start<'a>(
    client: &Client,
    instances: impl IntoIterator<Item = &'a Instance>,
) -> Result<(), CliError> {
    let mut needed = BTreeMap::<&ClusterName, BTreeSet<String>>::new();
    for instance in instances.into_iter().filter(|instance| !instance.secrets.is_empty()) {
        needed.entry(&instance.name.cluster).or_default().extend(instance.secrets.iter().cloned());
    }
    for (cluster, secrets) in needed {
        if let Some(secret) = missing(client, cluster, secrets).await?.first() {
            let why = format!("the VMs of cluster {cluster} cannot start: {}", missing::sentence(cluster, secret));
            return Err(CliError::user(why).hint(missing::way_out(cluster, secret)));
        }
    }
    Ok(())
}

/// Writes the Secrets that the VMs of a cluster need, or tries to. A Secret that another command has to write must exist.
pub(crate) async fn write_secrets(
    context: &Context<'_>,
    name: &ClusterName,
    want: &Want,
    files: &Files,
    dry_run: bool,
) -> Result<(), CliError> {
    for needed in first_boot::secrets(name, want, files) {
        let client = context.client().await?;
        match needed {
            Needed::Written(secret) => {
                let written = write(&client, name, &secret, MANAGER, dry_run).await;
                written.map_err(|error| unwritten(error, name, &secret.name_any()))?;
            }
            Needed::Earlier { name: secret, flag } => check_secret(&client, name, secret, flag).await?,
        }
    }
    Ok(())
}

/// Builds the error for a Secret that cannot be written. The API server lets nobody change one that its user made
/// immutable.
fn unwritten(error: ApiError, name: &ClusterName, secret: &str) -> CliError {
    let immutable = matches!(error, ApiError::Refused { code: 422, .. });
    let error = CliError::from(error);
    if !immutable {
        return error;
    }
    error.hint(format!("delete it, and repeat the command: kubectl delete secret {secret} -n {}", name.namespace()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_cannot_be_changed_is_to_be_deleted() {
        let name: ClusterName = "dev".parse().unwrap();
        let text = |code| unwritten(ApiError::refused(code, "", "no"), &name, "cmp-sysprep").text();
        assert!(
            text(422)
                .ends_with("hint: delete it, and repeat the command: kubectl delete secret cmp-sysprep -n dev-ns\n")
        );
        assert!(!text(403).contains("hint"));
    }

    #[test]
    fn the_digest_is_sha_256_of_the_file() {
        let files = Files { cloud_init: UserData::read(b"#cloud-config\n".to_vec()).ok(), sysprep: None };
        let expected = "sha256:88c95955b024402aa9572b663f7eeb134f01343bb92af27b50e97e72b22c565f";
        assert_eq!(digests(&files), [Some(expected.to_owned()), None]);
    }

    #[test]
    fn the_first_own_key_that_is_one_is_taken() {
        const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEAVvHOMwLJ0IiqFXJ3yRBqOqRkTGXSfCLDGbL0m5Vqp";
        let home = std::env::temp_dir().join(format!("cmp-own-key-{}", std::process::id()));
        std::fs::create_dir_all(home.join(".ssh")).unwrap();
        assert_eq!(own_key(None), None);
        assert_eq!(own_key(Some(home.clone())), None);
        std::fs::write(home.join(".ssh/id_ed25519.pub"), "-----BEGIN OPENSSH PRIVATE KEY-----").unwrap();
        let rsa = home.join(".ssh/id_rsa.pub");
        std::fs::write(&rsa, format!("{KEY} john\n")).unwrap();
        assert_eq!(own_key(Some(home.clone())), Some((rsa, format!("{KEY} john"))));
        std::fs::remove_dir_all(&home).unwrap();
    }

    #[test]
    fn no_key_is_given_alone() {
        let read = |paths: &[&str]| match Keys::read(&paths.iter().map(PathBuf::from).collect::<Vec<_>>()) {
            Ok(Keys::NotGiven) => "not given".to_owned(),
            Ok(Keys::Given(keys)) => format!("{keys:?}"),
            Err(error) => error.message().to_owned(),
        };
        assert_eq!(read(&[]), "not given");
        assert_eq!(read(&["none"]), "[]");
        assert_eq!(read(&["none", "a"]), "--ssh-key none: another key is given beside it");
        assert!(read(&["/nowhere/a.pub"]).starts_with("--ssh-key /nowhere/a.pub: "));
    }
}
