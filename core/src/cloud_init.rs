//! The user data of cloud-init: the file of a user, and the settings of cmp beside it.
//!
//! Both become parts of one MIME message, in which cloud-init reads each part by its own type. The user's file is
//! therefore never changed: a script, a template and a cloud-config reach cloud-init byte for byte. The part of cmp is the
//! last one. It adds to the lists of the file, and replaces none of its values.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

/// The longest file, in bytes. A Secret holds 1 MiB, and base64 makes the file a third longer.
pub const LONGEST: usize = 256 << 10;

/// The first words of the files that cloud-init knows, with their types. A longer word comes before its own beginning.
const TYPES: [(&str, &str); 9] = [
    ("## template: jinja", "text/jinja2"),
    ("#cloud-config-archive", "text/cloud-config-archive"),
    ("#cloud-config-jsonp", "text/cloud-config-jsonp"),
    ("#cloud-config", "text/cloud-config"),
    ("#cloud-boothook", "text/cloud-boothook"),
    ("#include-once", "text/x-include-once-url"),
    ("#include", "text/x-include-url"),
    ("#part-handler", "text/part-handler"),
    ("#!", "text/x-shellscript"),
];
/// The first two bytes of a compressed file. cloud-init decompresses it, and finds the type in it.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// The longest line of base64 in a message.
const LINE: usize = 76;

/// The reason why a file is no user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFile {
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// The file is too long.
    #[error("the file is larger than the limit of 256 KiB")]
    TooLong,
    /// cloud-init would ignore the file.
    #[error("the file begins with nothing that cloud-init knows, such as #cloud-config or #!/bin/sh")]
    Unknown,
    /// A MIME message has to be text.
    #[error("the MIME message in the file is not valid UTF-8")]
    NotText,
}

/// A file that cloud-init understands.
#[derive(Clone, PartialEq, Eq)]
pub struct UserData {
    bytes: Vec<u8>,
    form: Form,
}

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One part, of this type.
    Single(&'static str),
    /// A MIME message that has parts of its own.
    Message,
}

impl std::fmt::Debug for UserData {
    /// Shows the form alone: the content is confidential.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("UserData").field("form", &self.form).finish_non_exhaustive()
    }
}

impl UserData {
    /// Reads the content of a file.
    pub fn read(bytes: Vec<u8>) -> Result<Self, InvalidFile> {
        if bytes.len() > LONGEST {
            return Err(InvalidFile::TooLong);
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(InvalidFile::Empty);
        }
        let form = form(&bytes)?;
        Ok(Self { bytes, form })
    }

    /// Returns the content of the file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn form(bytes: &[u8]) -> Result<Form, InvalidFile> {
    if bytes.starts_with(&GZIP) {
        return Ok(Form::Single("application/gzip"));
    }
    let start = bytes.trim_ascii_start();
    let begins = |word: &str| start.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if let Some((_, form)) = TYPES.iter().find(|(word, _)| begins(word)) {
        return Ok(Form::Single(form));
    }
    if !["content-type:", "mime-version:"].iter().any(|header| begins(header)) {
        return Err(InvalidFile::Unknown);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| InvalidFile::NotText)?;
    let head = text.lines().skip_while(|line| line.trim().is_empty()).take_while(|line| !line.trim().is_empty());
    let head: Vec<String> = head.map(str::to_ascii_lowercase).collect();
    let has = |header: &str, value: &str| {
        head.iter().any(|line| line.strip_prefix(header).is_some_and(|rest| rest.trim_start().starts_with(value)))
    };
    if has("content-type:", "multipart/") { Ok(Form::Message) } else { Err(InvalidFile::Unknown) }
}

/// A setting of cmp in cloud-config. No two settings may have the same key.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key at the top of the cloud-config, such as `mounts`.
    pub key: &'static str,
    /// The value of the key.
    pub value: Value,
}

/// Returns the setting that lets these keys log in as the default user of the image.
pub fn authorized_keys<'a>(keys: impl IntoIterator<Item = &'a String>) -> Option<Setting> {
    let keys: Vec<&String> = keys.into_iter().collect();
    (!keys.is_empty()).then(|| Setting { key: "ssh_authorized_keys", value: json!(keys) })
}

/// Returns the user data of a file and of settings, or `None` if there are neither.
pub fn user_data(file: Option<&UserData>, settings: &[Setting]) -> Option<Vec<u8>> {
    match file {
        None if settings.is_empty() => None,
        None => Some(cloud_config(settings).into_bytes()),
        Some(file) if settings.is_empty() => Some(file.bytes.clone()),
        Some(file) => Some(message(file, settings)),
    }
}

/// Writes settings as cloud-config. JSON in one line is also YAML, so values may contain any characters.
fn cloud_config(settings: &[Setting]) -> String {
    let mut text = "#cloud-config\n".to_owned();
    for Setting { key, value } in settings {
        match value {
            Value::Array(items) if !items.is_empty() => {
                text.push_str(&format!("{key}:\n"));
                for item in items {
                    text.push_str(&format!("- {item}\n"));
                }
            }
            value => text.push_str(&format!("{key}: {value}\n")),
        }
    }
    text
}

/// Writes the file and the settings as a MIME message.
fn message(file: &UserData, settings: &[Setting]) -> Vec<u8> {
    // cloud-init merges a cloud-config into the ones before it, in the way that the later one names. Here lists grow,
    // and the first value of any other key stays.
    let how = Setting {
        key: "merge_how",
        value: json!([
            { "name": "list", "settings": ["append"] },
            { "name": "dict", "settings": ["no_replace", "recurse_list"] },
        ]),
    };
    let ours = cloud_config(&[[how].as_slice(), settings].concat());
    let boundary = boundary(&file.bytes);
    let mut all = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\nMIME-Version: 1.0\n\n").into_bytes();
    let mut part = |content: &[u8]| {
        all.extend_from_slice(format!("--{boundary}\n").as_bytes());
        all.extend_from_slice(content);
        all.push(b'\n');
    };
    match file.form {
        Form::Single(form) => part(encoded(form, &file.bytes).as_bytes()),
        // A message within a message: cloud-init reads the parts of both, in their order.
        Form::Message => part(file.bytes.trim_ascii_start()),
    }
    part(encoded("text/cloud-config", ours.as_bytes()).as_bytes());
    all.extend_from_slice(format!("--{boundary}--\n").as_bytes());
    all
}

/// Returns a boundary that does not occur in the file.
fn boundary(bytes: &[u8]) -> String {
    let occurs = |boundary: &String| bytes.windows(boundary.len()).any(|window| window == boundary.as_bytes());
    let boundary = |number: u32| format!("=kubectl-cmp={number}=");
    // A file of 256 KiB has fewer boundaries than there are numbers.
    (0..u32::MAX).map(boundary).find(|boundary| !occurs(boundary)).unwrap_or_default()
}

/// Writes one part in base64: neither long lines nor foreign characters change on the way.
fn encoded(form: &str, content: &[u8]) -> String {
    let base64 = serde_json::to_value(ByteString(content.to_vec())).unwrap_or_default();
    let base64 = base64.as_str().unwrap_or_default().as_bytes();
    let lines: Vec<String> = base64.chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let charset = if form.starts_with("text/") { "; charset=\"utf-8\"" } else { "" };
    format!("Content-Type: {form}{charset}\nContent-Transfer-Encoding: base64\n\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests;
