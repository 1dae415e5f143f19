//! The first boot of a VM: the keys, the user data of cloud-init and the answer file of Windows that it finds.
//!
//! Keys are public, and are part of the want. A file may hold passwords. The want has only its digest, by which two commands
//! are compared. The content is in a Secret in the cluster's Namespace, which the owner of the cluster writes, and the
//! VMs name that Secret.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::account::Want;
use crate::cloud_init::{self, Setting, UserData};
use crate::data_disk;
use crate::keys;
use crate::manifest::pairs;
use crate::name::ClusterName;

pub mod missing;

/// The Secret with the user data of cloud-init.
pub const CLOUD_INIT: &str = "cmp-cloud-init";
/// The Secret with the answer file of Windows.
pub const SYSPREP: &str = "cmp-sysprep";

/// The name of the volume with the user data.
const CLOUD_INIT_VOLUME: &str = "cloudinit";
/// The name of the volume with the answer file.
const SYSPREP_VOLUME: &str = "sysprep";
/// The key of a Secret in which KubeVirt looks for user data.
const USER_DATA: &str = "userdata";
/// The names of the answer file: while Windows is installed, and at the first boot of an installed Windows.
const ANSWERS: [&str; 2] = ["autounattend.xml", "unattend.xml"];
/// The longest user data that KubeVirt accepts in the VM itself, in bytes.
const INLINE: usize = 2048;
/// The start of a digest.
const DIGEST: &str = "sha256:";

/// An answer file of Windows.
#[derive(Clone, PartialEq, Eq)]
pub struct Answers(Vec<u8>);

impl std::fmt::Debug for Answers {
    /// Shows no content: it is confidential.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Answers")
    }
}

/// The reason why a file is no answer file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnswers {
    /// The file is too long.
    #[error("the file is larger than the limit of 256 KiB")]
    TooLong,
    /// Windows would not find its settings in the file.
    #[error("the file has no <unattend> element, so that Windows would ignore it")]
    NoUnattend,
}

impl Answers {
    /// Reads the content of a file. Windows reads UTF-16 as well.
    pub fn read(bytes: Vec<u8>) -> Result<Self, InvalidAnswers> {
        if bytes.len() > cloud_init::LONGEST {
            return Err(InvalidAnswers::TooLong);
        }
        let text: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != 0).collect();
        if !text.windows(9).any(|window| window == b"<unattend") {
            return Err(InvalidAnswers::NoUnattend);
        }
        Ok(Self(bytes))
    }

    /// Returns the content of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The files of a command. The want has their digests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    /// The file of `--cloud-init`.
    pub cloud_init: Option<UserData>,
    /// The file of `--sysprep`.
    pub sysprep: Option<Answers>,
}

impl Files {
    /// Returns the first flag whose file the want needs and the command does not give.
    pub fn missing(&self, want: &Want) -> Option<&'static str> {
        let missing = [
            ("--cloud-init", want.cloud_init.is_some() && self.cloud_init.is_none()),
            ("--sysprep", want.sysprep.is_some() && self.sysprep.is_none()),
        ];
        missing.into_iter().find_map(|(flag, missing)| missing.then_some(flag))
    }
}

/// Returns the text of a SHA-256 digest, as a want has it.
pub fn digest(sha256: &[u8]) -> String {
    sha256.iter().fold(DIGEST.to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

/// Reports whether a text is a digest.
pub(crate) fn is_digest(text: &str) -> bool {
    let hex = |hex: &str| hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.strip_prefix(DIGEST).is_some_and(hex)
}

/// Returns the settings of cmp in the user data of a cluster.
fn settings(want: &Want) -> Vec<Setting> {
    let keys = cloud_init::authorized_keys(want.ssh_keys());
    let disk = want.data_disk.as_deref().map(data_disk::settings);
    keys.into_iter().chain(disk.into_iter().flatten()).collect()
}

/// Returns the user data that is in the VM itself: nothing in it is confidential, and KubeVirt accepts its length.
fn inline(want: &Want) -> Option<String> {
    let own = cloud_init::user_data(None, &settings(want)).filter(|own| own.len() <= INLINE);
    own.filter(|_| want.cloud_init.is_none()).and_then(|own| String::from_utf8(own).ok())
}

/// Reports whether a want has user data for cloud-init.
pub(crate) fn has_user_data(want: &Want) -> bool {
    want.cloud_init.is_some() || !settings(want).is_empty()
}

/// Returns the disks of the first boot, each with its volume.
pub(crate) fn disks(want: &Want) -> Vec<(Value, Value)> {
    let mut disks = Vec::new();
    if has_user_data(want) {
        let source = match inline(want) {
            Some(user_data) => json!({ "userData": user_data }),
            None => json!({ "secretRef": { "name": CLOUD_INIT } }),
        };
        disks.push((
            json!({ "name": CLOUD_INIT_VOLUME, "disk": { "bus": "virtio" } }),
            json!({ "name": CLOUD_INIT_VOLUME, "cloudInitNoCloud": source }),
        ));
    }
    if want.sysprep.is_some() {
        disks.push((
            // Windows has no driver for virtio before it is installed.
            json!({ "name": SYSPREP_VOLUME, "cdrom": { "bus": "sata" } }),
            json!({ "name": SYSPREP_VOLUME, "sysprep": { "secret": { "name": SYSPREP } } }),
        ));
    }
    disks
}

/// A Secret that the VMs of a cluster need.
#[derive(Debug, Clone, PartialEq)]
pub enum Needed {
    /// The Secret can be written.
    Written(Box<Secret>),
    /// The Secret has the content of a file that this command does not give. An earlier command wrote it.
    Earlier {
        /// The name of the Secret.
        name: &'static str,
        /// The flag that gives the file again.
        flag: &'static str,
    },
}

impl Needed {
    /// Returns the name of the Secret.
    pub fn name(&self) -> String {
        match self {
            Self::Written(secret) => secret.metadata.name.clone().unwrap_or_default(),
            Self::Earlier { name, .. } => (*name).to_owned(),
        }
    }
}

/// Returns the Secrets that the VMs of a cluster need.
pub fn secrets(cluster: &ClusterName, want: &Want, files: &Files) -> Vec<Needed> {
    let mut needed = Vec::new();
    if has_user_data(want) && inline(want).is_none() {
        let user_data = match (&want.cloud_init, &files.cloud_init) {
            (Some(_), None) => None,
            (Some(_), file) => cloud_init::user_data(file.as_ref(), &settings(want)),
            (None, _) => cloud_init::user_data(None, &settings(want)),
        };
        let content = user_data.map(|user_data| BTreeMap::from([(USER_DATA.to_owned(), ByteString(user_data))]));
        needed.push(secret(cluster, CLOUD_INIT, "--cloud-init", content));
    }
    if want.sysprep.is_some() {
        let content = files
            .sysprep
            .as_ref()
            .map(|file| ANSWERS.iter().map(|name| ((*name).to_owned(), ByteString(file.bytes().to_vec()))).collect());
        needed.push(secret(cluster, SYSPREP, "--sysprep", content));
    }
    needed
}

fn secret(
    cluster: &ClusterName,
    name: &'static str,
    flag: &'static str,
    content: Option<BTreeMap<String, ByteString>>,
) -> Needed {
    let Some(content) = content else { return Needed::Earlier { name, flag } };
    Needed::Written(Box::new(Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(cluster.namespace()),
            labels: Some(pairs([(keys::CLUSTER, cluster.as_str()), (keys::MANAGED_BY, keys::MANAGER)])),
            ..ObjectMeta::default()
        },
        data: Some(content),
        ..Secret::default()
    }))
}

#[cfg(test)]
mod tests;
