//! The sources of a root disk that stays, and the storage that a disk of each takes.

use crate::quantity::Quantity;
use crate::web_image;

/// The value of `rootDisk` in a want: the disk is filled from the image of the instance in a registry, or as its template
/// says.
pub const IMAGE: &str = "image";
/// The value of `rootDisk` in a want: the disk is filled from the image of the want, which is on a web server.
pub const HTTPS: &str = "https";
/// A source that the builds have by which the tests play a newer version.
#[cfg(feature = "newer")]
pub const BLANK: &str = "blank";
/// The largest unit by which CDI rounds the size of a claim, in MiB.
const UNIT: u32 = 1;

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
    [IMAGE, HTTPS].contains(&source)
}

/// Returns the number of claims that CDI needs for a source, each of the size of the disk. It unpacks an image of a web
/// server in a second claim, its scratch space, before it fills the disk.
fn claims(source: &str) -> u32 {
    if source == HTTPS { 2 } else { 1 }
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
