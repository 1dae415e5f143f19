//! Reads files that the user names, and standard input for `-`. A limit on the size keeps them from filling the memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Limit for one object, a patch or a key. The API server accepts no larger request.
pub(crate) const OBJECT: u64 = 3 << 20;
/// Limit for any number of objects: 2,000 clusters, each with the largest possible want.
pub(crate) const OBJECTS: u64 = 16 << 20;

/// Reads a file, or standard input for `-`. Returns an error above `most` bytes.
pub(crate) fn read_or_stdin(path: &str, most: u64) -> io::Result<String> {
    if path == "-" { text(io::stdin().lock(), most) } else { read(Path::new(path), most) }
}

/// Reads a file. Returns an error above `most` bytes.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<String> {
    text(File::open(path)?, most)
}

/// Reads a file that need not be text. Returns an error above `most` bytes.
pub(crate) fn read_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    bytes(File::open(path)?, most)
}

fn text(from: impl Read, most: u64) -> io::Result<String> {
    String::from_utf8(bytes(from, most)?).map_err(|_| io::Error::other("the input is not valid UTF-8"))
}

fn bytes(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Read one byte more to detect a longer input: a device or a pipe does not tell its size in advance.
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(io::Error::other(format!("the input is larger than the limit of {} MiB", most >> 20)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_beyond_the_limit() {
        let check = |length: u64, most: u64| text(io::repeat(b'a').take(length), most).map(|text| text.len());
        assert_eq!(check(0, 4).unwrap(), 0);
        assert_eq!(check(4, 4).unwrap(), 4);
        assert!(check(5, 4).is_err());
        // The input has no end.
        assert_eq!(check(u64::MAX, OBJECT).unwrap_err().to_string(), "the input is larger than the limit of 3 MiB");
        assert!(text(&b"a\xff"[..], 4).unwrap_err().to_string().contains("UTF-8"));
        assert!(read_or_stdin("/", 4).unwrap_err().to_string().contains("directory"));
    }
}
