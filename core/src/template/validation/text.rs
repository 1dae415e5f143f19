//! The forms of names and other texts in Kubernetes.

use core::net::IpAddr;

/// The result of a rule about a text: the error says what the text must be.
pub(crate) type Verdict = Result<(), &'static str>;

fn must(holds: bool, why: &'static str) -> Verdict {
    if holds { Ok(()) } else { Err(why) }
}

fn lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Reports whether a text has only these bytes, and a letter or digit at both ends.
fn is_word(text: &str, edge: impl Fn(u8) -> bool, more: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.iter().all(|&byte| edge(byte) || more.contains(&byte))
        && bytes.first().is_some_and(|&byte| edge(byte))
        && bytes.last().is_some_and(|&byte| edge(byte))
}

pub(super) fn dns_label(text: &str) -> Verdict {
    must(
        text.len() <= 63 && is_word(text, lower, b"-"),
        "must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit",
    )
}

pub(super) fn dns_subdomain(text: &str) -> Verdict {
    must(
        text.len() <= 253 && text.split('.').all(|part| is_word(part, lower, b"-")),
        "must be up to 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends and beside each '.'",
    )
}

/// A domain in which a resolver searches: its parts may start with `_`.
pub(super) fn search_domain(text: &str) -> Verdict {
    let part = |part: &str| {
        let rest = part.strip_prefix('_').unwrap_or(part);
        is_word(rest, lower, b"-_")
    };
    must(text.len() <= 253 && text.split('.').all(part), "must be a domain, such as example.com")
}

/// The key of a label or an annotation, and the names of the same form.
pub(crate) fn qualified_name(text: &str) -> Verdict {
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    let holds = domain.is_none_or(|domain| dns_subdomain(domain).is_ok())
        && name.len() <= 63
        && is_word(name, |byte| byte.is_ascii_alphanumeric(), b"-_.");
    must(
        holds,
        "must be 1 to 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit; a domain and \
         '/' may stand before it",
    )
}

pub(crate) fn label_value(text: &str) -> Verdict {
    let holds = text.is_empty() || text.len() <= 63 && is_word(text, |byte| byte.is_ascii_alphanumeric(), b"-_.");
    must(holds, "must be up to 63 letters, digits, '-', '_' and '.', starting and ending with a letter or digit")
}

pub(super) fn port_name(text: &str) -> Verdict {
    let holds = text.len() <= 15
        && is_word(text, lower, b"-")
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
        && !text.contains("--");
    must(holds, "must be 1 to 15 of a-z, 0-9 and single '-', with a letter, and not with '-' at an end")
}

pub(super) fn env_name(text: &str) -> Verdict {
    let holds = text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    must(holds, "must be printable ASCII characters other than '='")
}

/// The key of an entry of a ConfigMap or a Secret.
pub(super) fn config_key(text: &str) -> Verdict {
    let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let holds = text.len() <= 253 && word && text != "." && !text.starts_with("..");
    must(holds, "must be up to 253 letters, digits, '-', '_' and '.', not '.' and not starting with '..'")
}

pub(super) fn header_name(text: &str) -> Verdict {
    let word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    must(word && !text.is_empty(), "must be letters, digits and '-', such as X-Header-Name")
}

/// A path below a directory.
pub(super) fn relative_path(text: &str) -> Verdict {
    must(!text.starts_with('/'), "must be a relative path")?;
    no_way_up(text)
}

/// A path of a file in a volume.
pub(super) fn file_path(text: &str) -> Verdict {
    relative_path(text)?;
    must(!text.starts_with(".."), "must not start with '..'")
}

pub(super) fn no_way_up(text: &str) -> Verdict {
    must(text.split('/').all(|part| part != ".."), "must not contain '..'")
}

/// Reports whether a text is an IP address.
pub(super) fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}
