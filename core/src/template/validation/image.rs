//! References to images: `registry.example.com:5000/team/web:1.2@sha256:…`.

use super::at::At;
use crate::template::rules::Checked;

/// The error about a text that is no reference, as `kubectl run` says it.
pub const NOT_A_REFERENCE: &str = "invalid reference format";

/// Checks that an image is a reference.
pub(super) fn check(image: &At<'_>) -> Checked {
    if is_reference(image.text()) { Ok(()) } else { image.invalid(NOT_A_REFERENCE) }
}

/// Reports whether a text is a reference to an image, by the grammar of the registries (`distribution/reference`).
pub fn is_reference(text: &str) -> bool {
    let (text, digest) = text.split_once('@').map_or((text, None), |(text, digest)| (text, Some(digest)));
    let after_slash = text.rfind('/').map_or(0, |slash| slash + 1);
    let tag = text.get(after_slash..).and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    let name = tag.map_or(Some(text), |tag| text.strip_suffix(tag)?.strip_suffix(':'));
    name.is_some_and(is_name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

fn is_name(name: &str) -> bool {
    let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
    match rest {
        None => is_part(first),
        Some(rest) => (is_part(first) || is_registry(first)) && rest.split('/').all(is_part),
    }
}

/// A part of the path: words of a-z and 0-9 with `.`, `_`, `__` or any number of `-` between two of them.
fn is_part(part: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators = part.split(|char: char| u8::try_from(char).is_ok_and(word)).filter(|between| !between.is_empty());
    let ends = part.bytes().next().is_some_and(word) && part.bytes().next_back().is_some_and(word);
    ends && separators
        .into_iter()
        .all(|between| [".", "_", "__"].contains(&between) || between.bytes().all(|byte| byte == b'-'))
}

/// A registry: its domain or its IPv6 address, and its port.
fn is_registry(registry: &str) -> bool {
    let (host, port) = match registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => {
            let hex = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
            if address.is_empty() || !address.bytes().all(hex) {
                return false;
            }
            match port {
                "" => return true,
                port => ("", port.strip_prefix(':')),
            }
        }
        None => match registry.split_once(':') {
            None => (registry, Some("0")),
            Some((host, port)) => (host, Some(port)),
        },
    };
    let word = |part: &str| {
        let inner = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        inner && !part.is_empty() && !part.starts_with('-') && !part.ends_with('-')
    };
    let digits = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    (host.is_empty() && registry.starts_with('[') || host.split('.').all(word)) && port.is_some_and(digits)
}

fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

/// A digest: its algorithm, `:` and at least 32 hexadecimal digits.
fn is_digest(digest: &str) -> bool {
    let Some((algorithm, sum)) = digest.split_once(':') else { return false };
    let word = |word: &str| {
        word.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    algorithm.split(['-', '_', '+', '.']).all(word)
        && sum.len() >= 32
        && sum.bytes().all(|byte| byte.is_ascii_hexdigit())
}
