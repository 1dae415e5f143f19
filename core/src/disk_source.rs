//! The sources of a root disk that stays, and the storage that a disk of each takes.

use std::fmt;

use crate::name::{ClusterName, InstanceName};
use crate::quantity::Quantity;
use crate::web_image;

/// The value of `rootDisk` in a want: the disk is filled from the image of the instance in a registry, or as its template
/// says.
pub const IMAGE: &str = "image";
/// The value of `rootDisk` in a want: the disk is filled from the image of the want, which is on a web server.
pub const HTTPS: &str = "https";
/// The value of `rootDisk` in a want: the disk is filled as its template says, from an image that CDI unpacks.
pub const UNPACKED: &str = "unpacked";
/// The beginning of the value of `rootDisk` for disks that are copied.
const COPY: &str = "cluster/";
/// A source that the builds have by which the tests play a newer version.
#[cfg(feature = "newer")]
pub const BLANK: &str = "blank";
/// The largest unit by which CDI rounds the size of a claim, in MiB.
const UNIT: u32 = 1;

/// The cluster whose root disks are copied, as `rootDisk` names it: `cluster/web:3`.
///
/// The number makes the source of each instance a function of the want alone, however often the other cluster is scaled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// The cluster.
    pub cluster: ClusterName,
    /// The number of its instances whose disks are copied, from index 0.
    pub instances: u32,
}

impl Copied {
    /// Reads a value of `rootDisk`. Returns `None` for another source.
    pub fn read(source: &str) -> Option<Self> {
        let (cluster, instances) = source.strip_prefix(COPY)?.split_once(':')?;
        let read = Self { cluster: cluster.parse().ok()?, instances: instances.parse().ok()? };
        // A number has one form alone.
        (read.instances > 0 && read.to_string() == source).then_some(read)
    }

    /// Returns the instance whose disk is copied for the instance of this index. Those beyond the last one start from the
    /// first.
    pub fn instance(&self, index: u32) -> InstanceName {
        self.cluster.instance(if index < self.instances { index } else { 0 })
    }
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{COPY}{}:{}", self.cluster, self.instances)
    }
}

/// Returns the value of `rootDisk` for a disk that is filled from this image; `None` stands for that of the template.
pub fn of(image: Option<&str>) -> &'static str {
    if image.is_some_and(web_image::is_address) { HTTPS } else { IMAGE }
}

/// Reports whether this version knows a source.
pub fn is_known(source: &str) -> bool {
    #[cfg(feature = "newer")]
    if source == BLANK {
        return true;
    }
    [IMAGE, HTTPS, UNPACKED].contains(&source) || Copied::read(source).is_some()
}

/// Returns the number of claims that CDI needs for a source, each of the size of the disk. It unpacks an image of a web
/// server in a second claim, its scratch space, before it fills the disk.
fn claims(source: &str) -> u32 {
    if [HTTPS, UNPACKED].contains(&source) { 2 } else { 1 }
}

/// Returns the storage that a VM needs for a disk, or `None` if it is more than can be counted. CDI rounds the size of a
/// second claim to whole mebibytes, so that the disk has to be a multiple of them.
pub fn storage(source: &str, disk: Quantity) -> Option<Quantity> {
    disk.checked_mul(claims(source)).filter(|storage| self::disk(source, *storage).is_some())
}

/// Returns the size of the disk in a storage, or `None` if the storage is not that of any disk.
pub(crate) fn disk(source: &str, storage: Quantity) -> Option<Quantity> {
    match claims(source) {
        1 => Some(storage),
        claims => storage.part(claims, Quantity::mebibytes(UNIT)),
    }
    .filter(|disk| *disk > Quantity::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_instance_of_a_copy_has_one_source() {
        let copied = Copied::read("cluster/web:2").unwrap();
        assert_eq!(copied.to_string(), "cluster/web:2");
        let sources: Vec<String> = (0..4).map(|index| copied.instance(index).to_string()).collect();
        assert_eq!(sources, ["web-0", "web-1", "web-0", "web-0"]);
        for other in [
            "image",
            "web:2",
            "cluster/",
            "cluster/web",
            "cluster/web:",
            "cluster/web:0",
            "cluster/web:02",
            "cluster/web:+2",
            "cluster/web:-1",
            "cluster/web:4294967296",
            "cluster/Web:2",
            "cluster/a/b:2",
            "snapshot/web:2",
        ] {
            assert_eq!((Copied::read(other), is_known(other)), (None, other == "image"), "{other}");
        }
        // CDI copies into the claim itself.
        let disk = "20Gi".parse().unwrap();
        assert_eq!(storage("cluster/web:2", disk), Some(disk));
    }
}
