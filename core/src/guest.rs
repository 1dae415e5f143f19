//! The system in a VM, as its guest agent describes it and KubeVirt's subresource `guestosinfo` passes it on.
//!
//! The guest writes all of it, so each text may be anything, and each list may be long.

use serde::Deserialize;

/// The most users and the most filesystems that are shown.
const MOST: usize = 10;
const MEBIBYTE: u64 = 1 << 20;

/// The system in a VM.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Guest {
    /// The name that the guest gives itself.
    pub hostname: String,
    /// The time zone and its distance from UTC.
    pub timezone: String,
    os: System,
    user_list: Vec<User>,
    fs_info: Filesystems,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct System {
    name: String,
    version: String,
    pretty_name: String,
    kernel_release: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct User {
    user_name: String,
    domain: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Filesystems {
    disks: Vec<Filesystem>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filesystem {
    disk_name: String,
    mount_point: String,
    file_system_type: String,
    used_bytes: i64,
    total_bytes: i64,
}

impl Guest {
    /// Returns the operating system and its kernel.
    pub fn system(&self) -> String {
        let System { name, version, pretty_name, kernel_release } = &self.os;
        let system = if pretty_name.is_empty() { format!("{name} {version}") } else { pretty_name.clone() };
        match (system.trim(), kernel_release.as_str()) {
            (system, "") => system.to_owned(),
            ("", kernel) => format!("kernel {kernel}"),
            (system, kernel) => format!("{system}, kernel {kernel}"),
        }
    }

    /// Returns the users who are logged in.
    pub fn users(&self) -> String {
        let name = |user: &User| match user.domain.as_str() {
            "" => user.user_name.clone(),
            domain => format!("{domain}\\{}", user.user_name),
        };
        let mut names: Vec<String> = self.user_list.iter().take(MOST).map(name).collect();
        if let Some(more) = self.user_list.len().checked_sub(MOST).filter(|more| *more > 0) {
            names.push(format!("and {more} more"));
        }
        names.join(", ")
    }

    /// Returns the rows about the filesystems, after a row of heads.
    pub fn filesystems(&self) -> Vec<Vec<String>> {
        let heads = ["MOUNT", "TYPE", "DISK", "USED", "SIZE"].map(str::to_owned).to_vec();
        let row = |filesystem: &Filesystem| {
            let Filesystem { disk_name, mount_point, file_system_type, used_bytes, total_bytes } = filesystem;
            let [used, total] = [used_bytes, total_bytes].map(|bytes| mebibytes(*bytes));
            vec![mount_point.clone(), file_system_type.clone(), disk_name.clone(), used, total]
        };
        [heads].into_iter().chain(self.fs_info.disks.iter().take(MOST).map(row)).collect()
    }
}

/// Writes bytes in mebibytes, rounded up. A guest that reports no number reports one below 1.
fn mebibytes(bytes: i64) -> String {
    match u64::try_from(bytes) {
        Ok(bytes) if bytes > 0 => format!("{}Mi", bytes.div_ceil(MEBIBYTE)),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn guest(value: Value) -> Guest {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_guest_is_shown_as_far_as_it_answers() {
        for (os, expected) in [
            (
                json!({ "prettyName": "Fedora Linux 42", "kernelRelease": "6.14.0", "name": "Fedora" }),
                "Fedora Linux 42, kernel 6.14.0",
            ),
            (json!({ "name": "Microsoft Windows", "version": "11" }), "Microsoft Windows 11"),
            (json!({ "kernelRelease": "6.14.0" }), "kernel 6.14.0"),
            (json!({}), ""),
        ] {
            assert_eq!(guest(json!({ "os": os })).system(), expected);
        }
        let full = guest(json!({
            "hostname": "dev-0", "guestAgentVersion": "9.2", "timezone": "CET, 3600", "os": {},
            "userList": [{ "userName": "fedora", "loginTime": 1_764_374_400.5 }, { "userName": "ann", "domain": "LAB" }],
            "fsInfo": { "disks": [
                { "diskName": "vda3", "mountPoint": "/", "fileSystemType": "btrfs", "usedBytes": 1_048_577, "totalBytes": 5_368_709_120_i64 },
                { "diskName": "vdb", "mountPoint": "/data", "fileSystemType": "xfs", "usedBytes": -1, "totalBytes": 0 },
            ] },
        }));
        assert_eq!((full.hostname.as_str(), full.timezone.as_str()), ("dev-0", "CET, 3600"));
        assert_eq!(full.users(), "fedora, LAB\\ann");
        let rows: Vec<String> = full.filesystems().iter().map(|row| row.join(" ")).collect();
        assert_eq!(rows, ["MOUNT TYPE DISK USED SIZE", "/ btrfs vda3 2Mi 5120Mi", "/data xfs vdb  "]);
        let nothing = guest(json!({}));
        assert_eq!((nothing.users(), nothing.filesystems().len()), (String::new(), 1));
    }

    #[test]
    fn a_long_list_of_a_guest_is_cut() {
        let users: Vec<Value> = (0..12).map(|number| json!({ "userName": format!("u{number}") })).collect();
        let disks: Vec<Value> = (0..12).map(|number| json!({ "mountPoint": format!("/{number}") })).collect();
        let long = guest(json!({ "userList": users, "fsInfo": { "disks": disks } }));
        assert!(long.users().ends_with("u9, and 2 more"), "{}", long.users());
        assert_eq!(long.filesystems().len(), 11);
    }
}
