//! The disk of an instance, and how long its content stays.

use std::fmt;

use crate::account::Want;
use crate::disk_source;
use crate::quantity::Quantity;
use crate::resources::STORAGE;
use crate::vocabulary::{InstanceType, Mode};

/// The disk that an instance keeps its data on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disk {
    /// A container without a disk.
    #[default]
    Nothing,
    /// The root disk of a VM that each guest gets anew. Its content is discarded with the guest.
    Ephemeral,
    /// The disk is a claim, which outlives each Pod and each guest.
    Claim {
        /// The size of the claims, if it is known.
        size: Option<Quantity>,
    },
}

impl Disk {
    /// Returns the disk of the instances that a want describes. Only its template tells whether a VM has another one.
    pub fn of_want(want: &Want) -> Self {
        match want.kind {
            InstanceType::Vm => want.root_disk.as_ref().map_or(Self::Ephemeral, |source| Self::Claim {
                size: want.size.named(STORAGE).and_then(|storage| disk_source::disk(source, storage)),
            }),
            InstanceType::Container if want.disk.is_some() => Self::Claim { size: want.size.named(STORAGE) },
            InstanceType::Container => Self::Nothing,
        }
    }

    /// Returns the mode of a suspension that names none: a VM is halted only if its disk stays.
    pub fn mode(self) -> Mode {
        if self == Self::Ephemeral { Mode::Pause } else { Mode::Halt }
    }
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.pad("-"),
            Self::Ephemeral => f.pad("ephemeral"),
            Self::Claim { size: Some(size) } => f.pad(&size.to_string()),
            Self::Claim { size: None } => f.pad("claim"),
        }
    }
}

/// Returns the lines about the modes of a suspension, the default first: the effect of each on the disk, the resources
/// and the quota. `releases` reports whether a halted cluster gives its quota back, if that is known.
pub fn modes(kind: InstanceType, disk: Disk, releases: Option<bool>) -> Vec<String> {
    let content = match disk {
        Disk::Nothing => "discards all data",
        Disk::Ephemeral => "discards the content of the root disk",
        Disk::Claim { .. } => "keeps the disk",
    };
    let quota = match releases {
        None => "",
        Some(true) => "; the quota comes back, except for storage",
        Some(false) => "; the quota stays charged",
    };
    let line = |mode: Mode| {
        let default = if disk.mode() == mode { " (default)" } else { "" };
        let effect = match mode {
            Mode::Halt => format!("frees CPU, memory and the place on the node, {content}{quota}"),
            Mode::Pause => "keeps memory, disk, quota and the place on the node".to_owned(),
        };
        format!("{}{default}: {effect}", mode.as_str())
    };
    let other = match (kind, disk.mode()) {
        (InstanceType::Container, _) => None,
        (InstanceType::Vm, Mode::Halt) => Some(Mode::Pause),
        (InstanceType::Vm, Mode::Pause) => Some(Mode::Halt),
    };
    [disk.mode()].into_iter().chain(other).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::want;

    const VM: InstanceType = InstanceType::Vm;
    const CONTAINER: InstanceType = InstanceType::Container;

    fn claim(size: &str) -> Disk {
        Disk::Claim { size: Some(size.parse().unwrap()) }
    }

    #[test]
    fn the_disk_follows_from_the_want() {
        for (kind, disk, size, expected, shown) in [
            (CONTAINER, None, "cpu=1,memory=1Gi", Disk::Nothing, "-"),
            (CONTAINER, None, "cpu=1,memory=1Gi,storage=20Gi", Disk::Nothing, "-"),
            (CONTAINER, Some("/data"), "cpu=1,memory=1Gi,storage=20Gi", claim("20Gi"), "20Gi"),
            (VM, None, "cpu=1,memory=1Gi", Disk::Ephemeral, "ephemeral"),
        ] {
            let want = Want { kind, disk: disk.map(str::to_owned), ..want(1, size) };
            let disk = Disk::of_want(&want);
            assert_eq!((disk, disk.to_string().as_str()), (expected, shown));
        }
        for (source, size) in [("image", "40Gi"), ("https", "20Gi"), ("of-a-newer-version", "40Gi")] {
            let root_disk = Some(source.to_owned());
            let vm = Want { kind: VM, root_disk, ..want(1, "cpu=1,memory=1Gi,storage=40Gi") };
            assert_eq!(Disk::of_want(&vm), claim(size), "{source}");
        }
        assert_eq!(Disk::Claim { size: None }.to_string(), "claim");
    }

    #[test]
    fn each_mode_says_what_it_frees_and_keeps() {
        let halt = "frees CPU, memory and the place on the node";
        let pause = "keeps memory, disk, quota and the place on the node";
        for (kind, disk, releases, expected) in [
            (CONTAINER, Disk::Nothing, None, vec![format!("halt (default): {halt}, discards all data")]),
            (
                CONTAINER,
                claim("1Gi"),
                Some(true),
                vec![format!("halt (default): {halt}, keeps the disk; the quota comes back, except for storage")],
            ),
            (
                VM,
                Disk::Ephemeral,
                Some(false),
                vec![
                    format!("pause (default): {pause}"),
                    format!("halt: {halt}, discards the content of the root disk; the quota stays charged"),
                ],
            ),
            (
                VM,
                Disk::Claim { size: None },
                None,
                vec![format!("halt (default): {halt}, keeps the disk"), format!("pause: {pause}")],
            ),
        ] {
            assert_eq!(modes(kind, disk, releases), expected);
        }
    }
}
