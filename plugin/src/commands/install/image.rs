//! The image of cmp-webhook, if no flag names one.

use crate::commands::shared::versions::OURS;

/// The image of this release, with its digest. The release workflow sets it when it builds the plugin. A build from the
/// sources has none.
const RELEASED: Option<&str> = option_env!("CMP_IMAGE");

/// The image that an installation gets without a flag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usual {
    released: Option<&'static str>,
}

impl Usual {
    /// Returns the image of this build.
    pub(super) fn of_this_build() -> Self {
        Self { released: RELEASED.filter(|image| !image.is_empty()) }
    }

    /// Returns the name of the image.
    pub(super) fn name(self) -> String {
        self.released.map_or_else(|| format!("cmp-webhook:{OURS}"), str::to_owned)
    }

    /// Returns a warning for an install without an image of its own, if no registry has this one.
    pub(super) fn warning(self) -> Option<String> {
        self.released.is_none().then(|| {
            format!(
                "Warning: this build of the plugin names no registry: every node needs the image {}; --image names another",
                self.name()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_installs_its_image_by_digest_and_a_build_warns() {
        const IMAGE: &str = "registry.example/cmp-webhook@sha256:0b1f";
        let released = Usual { released: Some(IMAGE) };
        assert_eq!((released.name().as_str(), released.warning()), (IMAGE, None));
        let built = Usual { released: None };
        let ours = format!("cmp-webhook:{OURS}");
        assert_eq!(built.name(), ours);
        let warning = built.warning().unwrap();
        assert!(warning.contains(&format!("every node needs the image {ours}; --image names another")), "{warning}");
    }
}
