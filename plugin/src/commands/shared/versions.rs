//! The version of the plugin, compared with that of cmp-webhook.

/// The version of this plugin.
pub(crate) const OURS: &str = env!("CARGO_PKG_VERSION");

/// Reports whether a text can be a version. Other text from the cluster must not reach the terminal.
pub(crate) fn is_version(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c))
}

/// Returns a warning if the plugin and cmp-webhook differ in the major or minor version.
pub(crate) fn difference(plugin: &str, webhook: &str) -> Option<String> {
    let minor = |version: &str| {
        let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
        Some((parts.next()??, parts.next()??))
    };
    let (ours, theirs) = (minor(plugin), minor(webhook));
    let remedy = match (ours, theirs) {
        (ours, theirs) if ours == theirs => return None,
        (Some(ours), Some(theirs)) if ours < theirs => "install that version of the plugin",
        _ => "ask an administrator to upgrade cmp-webhook: kubectl cmp install",
    };
    Some(format!("the plugin is v{plugin}, and cmp-webhook v{webhook}: {remedy}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_differ_in_major_or_minor() {
        let check = |plugin: &str, webhook: &str, expected: Option<&str>| {
            let said = difference(plugin, webhook);
            assert_eq!(said.is_some(), expected.is_some(), "{plugin} {webhook}: {said:?}");
            assert!(said.unwrap_or_default().contains(expected.unwrap_or_default()), "{plugin} {webhook}");
        };
        check("0.1.0", "0.1.0", None);
        check("0.1.0", "0.1.7-rc.1", None);
        check("0.1.0", "0.2.0", Some("install that version of the plugin"));
        check("0.10.0", "0.9.0", Some("kubectl cmp install"));
        check("1.0.0", "0.1.0", Some("kubectl cmp install"));
        check("0.1.0", "1", Some("cmp-webhook v1"));
    }

    #[test]
    fn an_invalid_version_is_not_printed() {
        assert!(is_version("0.1.0") && is_version("1.2.3-rc.1+linux"));
        assert!(!is_version("") && !is_version("latest") && !is_version("1\u{1b}[2J") && !is_version(&"1".repeat(65)));
    }
}
