//! The verdict on the room for snapshots in the size of a cluster.

use crate::account::Want;
use crate::resources::{Resources, SNAPSHOT_STORAGE, STORAGE};

/// Returns the reason why a want cannot have its room for snapshots, if there is one. `held` is the size that is held.
///
/// The ResourceQuota counts snapshots: as many for each instance as disks fit into the room. A disk that shrank beside
/// the room would therefore make room for more snapshots of the larger disks that exist.
pub(super) fn wrong(want: &Want, held: Option<&Resources>) -> Option<&'static str> {
    // Such a want may be mended or taken back, so that it equals what is held.
    if held == Some(&want.size) {
        return None;
    }
    let disk = want.size.named(STORAGE);
    let other_disk = held.is_some_and(|held| held.named(STORAGE) != disk);
    let Some(room) = want.size.named(SNAPSHOT_STORAGE) else {
        let had_room = held.is_some_and(|held| held.named(SNAPSHOT_STORAGE).is_some());
        return (had_room && other_disk)
            .then_some("is held, so that size.storage cannot change: delete the snapshots first");
    };
    if want.root_disk.is_none() && want.data_disk.is_none() {
        return Some("needs disks that stay: create the cluster with --disk or --data-disk");
    }
    if !disk.is_some_and(|disk| room.is_multiple_of(disk)) {
        return Some("must be a multiple of size.storage: the room is for whole snapshots of the disk");
    }
    other_disk.then_some("cannot be used after a change of size.storage: the disks that exist keep their size")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{size, want};

    #[test]
    fn room_is_for_whole_snapshots_of_disks_that_keep_their_size() {
        let base = "cpu=1,memory=1Gi";
        for (disk, asked, held, expected) in [
            (true, "storage=10Gi", None, None),
            (true, "storage=10Gi,snapshot-storage=20Gi", None, None),
            (true, "storage=10Gi,snapshot-storage=20Gi", Some("storage=10Gi"), None),
            (true, "storage=10Gi", Some("storage=10Gi,snapshot-storage=20Gi"), None),
            (true, "storage=10Gi,snapshot-storage=15Gi", None, Some("must be a multiple")),
            (true, "snapshot-storage=10Gi", None, Some("must be a multiple")),
            (false, "storage=10Gi,snapshot-storage=10Gi", None, Some("needs disks that stay")),
            // Ten snapshots of a tenth of the disk would be ten of the whole disk.
            (true, "storage=1Gi,snapshot-storage=10Gi", Some("storage=10Gi"), Some("cannot be used after a change")),
            (true, "storage=1Gi,snapshot-storage=10Gi", Some("storage=10Gi,snapshot-storage=10Gi"), Some("cannot be")),
            (true, "storage=1Gi", Some("storage=10Gi,snapshot-storage=10Gi"), Some("is held")),
            (true, "storage=1Gi", Some("storage=10Gi"), None),
            // A want that is mended says only the size.
            (false, "storage=10Gi,snapshot-storage=10Gi", Some("storage=10Gi,snapshot-storage=10Gi"), None),
        ] {
            let of = |more: &str| size(&format!("{base},{more}"));
            let root_disk = disk.then(|| "image".to_owned());
            let want = Want { root_disk, size: of(asked), ..want(1, base) };
            let why = wrong(&want, held.map(of).as_ref());
            let begins = why.zip(expected).is_some_and(|(why, expected)| why.starts_with(expected));
            assert!(begins || (why.is_none() && expected.is_none()), "{asked} {held:?}: {why:?}");
        }
    }
}
