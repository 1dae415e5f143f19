//! Public keys of SSH: the lines of a file with keys, checked before any of them is sent.

use k8s_openapi::ByteString;
use serde_json::json;

/// The types of public keys that a current OpenSSH server accepts.
const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Texts in files with private keys, as the common programs write them.
const PRIVATE: [&str; 3] = ["PRIVATE KEY", "PuTTY-User-Key-File", "SSH2 ENCRYPTED"];

/// The reason why a file is refused. No message repeats the content of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// A private key, which nobody but its owner may have.
    #[error("the file contains a private key, which was not sent")]
    Private,
    /// There is no public key.
    #[error("the file contains no public key")]
    Missing,
    /// A line is no public key of a type that servers accept.
    #[error("line {0} is no public key of a type that OpenSSH accepts")]
    Type(usize),
    /// The part of a key after its type is damaged.
    #[error("the key in line {0} is damaged")]
    Damaged(usize),
}

/// Reads the public keys in a text: one a line, as in `authorized_keys`, without options.
pub fn public_keys(text: &str) -> Result<Vec<String>, InvalidKey> {
    if PRIVATE.iter().any(|word| text.contains(word)) {
        return Err(InvalidKey::Private);
    }
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let keys: Vec<String> = lines.map(|(at, line)| public_key(line, at.saturating_add(1))).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(InvalidKey::Missing) } else { Ok(keys) }
}

/// Checks a line, and returns it with single spaces: type, key and comment.
fn public_key(line: &str, number: usize) -> Result<String, InvalidKey> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [kind, key, ..] = words.as_slice() else { return Err(InvalidKey::Type(number)) };
    if !TYPES.contains(kind) {
        return Err(InvalidKey::Type(number));
    }
    let ByteString(blob) = serde_json::from_value(json!(key)).map_err(|_| InvalidKey::Damaged(number))?;
    // The key begins with the length of its type in four bytes, and its type. Every key has more after it.
    let length = u32::try_from(kind.len()).unwrap_or_default().to_be_bytes();
    let start = [length.as_slice(), kind.as_bytes()].concat();
    let whole = match *kind {
        "ssh-ed25519" => blob.len() == start.len().saturating_add(36),
        _ => blob.len() > start.len().saturating_add(36),
    };
    if !blob.starts_with(&start) || !whole || line.chars().any(char::is_control) {
        return Err(InvalidKey::Damaged(number));
    }
    Ok(words.join(" "))
}

/// Returns the type and the comment of a key, as a person knows it.
pub fn title(key: &str) -> String {
    let words: Vec<&str> =
        key.split_whitespace().enumerate().filter(|(at, _)| *at != 1).map(|(_, word)| word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEAVvHOMwLJ0IiqFXJ3yRBqOqRkTGXSfCLDGbL0m5Vqp";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=";

    #[test]
    fn only_whole_public_keys_are_accepted() {
        let own = |line: &str| Ok(vec![line.to_owned()]);
        let john = format!("{ED25519} john@laptop");
        let (before, options) = (format!("{ED25519}AAAA"), format!("no-pty {ED25519}"));
        let other = ED25519.replace("ssh-ed25519 ", "ssh-rsa ");
        for (text, expected) in [
            (john.as_str(), own(&john)),
            (&format!("# mine\n\n  {ED25519}  john@laptop \r\n"), own(&john)),
            (&format!("{john}\n{ECDSA}\n"), Ok(vec![john.clone(), ECDSA.to_owned()])),
            ("", Err(InvalidKey::Missing)),
            ("# none\n", Err(InvalidKey::Missing)),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn", Err(InvalidKey::Private)),
            (&format!("{john}\n-----BEGIN RSA PRIVATE KEY-----"), Err(InvalidKey::Private)),
            ("PuTTY-User-Key-File-3: ssh-ed25519", Err(InvalidKey::Private)),
            ("hello", Err(InvalidKey::Type(1))),
            ("ssh-dss AAAAB3NzaC1kc3MA", Err(InvalidKey::Type(1))),
            (&options, Err(InvalidKey::Type(1))),
            (&format!("{john}\nssh-ed25519 AAAA john"), Err(InvalidKey::Damaged(2))),
            ("ssh-ed25519 (%$ john", Err(InvalidKey::Damaged(1))),
            (&before, Err(InvalidKey::Damaged(1))),
            (&other, Err(InvalidKey::Damaged(1))),
            (&format!("{ED25519} a\u{1b}[31m"), Err(InvalidKey::Damaged(1))),
        ] {
            assert_eq!(public_keys(text), expected, "{text}");
        }
    }

    #[test]
    fn a_title_has_no_key() {
        assert_eq!(title(&format!("{ED25519} john@laptop at home")), "ssh-ed25519 john@laptop at home");
        assert_eq!(title(ED25519), "ssh-ed25519");
    }
}
