//! The guest agent of every guest, as far as virt-handler answers for it. virt-api asks only for guests whose VMI has the
//! condition `AgentConnected`, which the tests set.

use axum::Json;
use axum::extract::Path;
use serde_json::{Value, json};

/// Describes a system as an agent does: also with a text that no terminal may see as it is.
pub(crate) async fn info(Path((_, name)): Path<(String, String)>) -> Json<Value> {
    Json(json!({
        "guestAgentVersion": "9.2.0",
        "hostname": name,
        "os": { "name": "Fedora Linux", "prettyName": "Fedora Linux 42", "kernelRelease": "6.14.0", "version": "42" },
        "timezone": "UTC, 0",
        "userList": [{ "userName": "fedora\u{1b}[31m", "loginTime": 1_764_374_400.5 }],
        "fsInfo": { "disks": [{ "diskName": "vda3", "mountPoint": "/", "fileSystemType": "btrfs",
            "usedBytes": 1_073_741_824, "totalBytes": 5_368_709_120_i64 }] },
    }))
}
