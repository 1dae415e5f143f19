//! The sizes that a machine cannot have, because of its other fields.

use crate::quantity::Quantity;
use crate::resources::Resources;

/// The reason why a machine cannot have a size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The field of the machine.
    pub field: &'static str,
    /// The reason, which follows the field in a sentence.
    pub why: String,
}

/// Returns the reason why a machine cannot have a size. KubeVirt refuses such a machine, or gives it another size than the one
/// that is charged. `emulator` is the number of processors that the emulator takes, `pages` the size of the huge pages.
pub(super) fn misfit(emulator: u32, pages: Option<&str>, size: &Resources) -> Option<Misfit> {
    if emulator > 0 && size.cpu() < Quantity::whole(1 + emulator) {
        let why = "takes one processor of the size: use --cpu 2 or more".to_owned();
        return Some(Misfit { field: "domain.cpu.isolateEmulatorThread", why });
    }
    let pages = pages?;
    let page: Quantity = pages.parse().ok().filter(|page| *page > Quantity::ZERO)?;
    let memory = size.memory();
    (!memory.is_multiple_of(page)).then(|| {
        let why = format!(
            "is {pages}, and the memory {memory} is no multiple of it: use --memory with a multiple of {pages}"
        );
        Misfit { field: "domain.memory.hugepages.pageSize", why }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::size;

    #[test]
    fn a_size_has_a_processor_for_the_emulator_and_whole_pages() {
        let (emulator, pages) = ("domain.cpu.isolateEmulatorThread", "domain.memory.hugepages.pageSize");
        let processor = format!("{emulator} takes one processor of the size: use --cpu 2 or more");
        let multiple = |page: &str, memory: &str| {
            format!(
                "{pages} is {page}, and the memory {memory} is no multiple of it: use --memory with a multiple of {page}"
            )
        };
        for (emulator, pages, amounts, expected) in [
            (0, None, "cpu=1,memory=1Mi", None),
            (1, None, "cpu=2,memory=1Gi", None),
            (1, None, "cpu=1,memory=1Gi", Some(processor)),
            (0, Some("2Mi"), "cpu=1,memory=1Gi", None),
            (0, Some("2Mi"), "cpu=1,memory=1025Mi", Some(multiple("2Mi", "1025Mi"))),
            (1, Some("1Gi"), "cpu=2,memory=512Mi", Some(multiple("1Gi", "512Mi"))),
            (0, Some("0"), "cpu=1,memory=1Gi", None),
            (0, Some("many"), "cpu=1,memory=1Gi", None),
        ] {
            let said = misfit(emulator, pages, &size(amounts)).map(|Misfit { field, why }| format!("{field} {why}"));
            assert_eq!(said, expected, "{emulator} {pages:?} {amounts}");
        }
    }
}
