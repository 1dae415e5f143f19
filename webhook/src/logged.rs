//! Untrusted text in a log: one line, without control characters, and of limited length.
//!
//! Port 8443 does not ask for a name, so that the text of a review may come from anybody.

use std::fmt;

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

/// Limit of untrusted text in the log, in bytes.
const LONGEST: usize = 512;

/// An untrusted text, formatted for the log.
#[derive(Debug, Clone, Copy)]
pub struct Logged<'a>(pub &'a str);

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0, LONGEST)
    }
}

/// Escapes all characters that do not print as themselves, and states how many bytes are left out.
fn write_escaped(to: &mut impl fmt::Write, text: &str, longest: usize) -> fmt::Result {
    let kept = text.floor_char_boundary(longest);
    let (shown, rest) = text.split_at(kept);
    for char in shown.chars() {
        match char {
            // These characters print as themselves; an escape would only make the line hard to read.
            '"' | '\'' | '\\' => to.write_char(char)?,
            _ => write!(to, "{}", char.escape_debug())?,
        }
    }
    if rest.is_empty() { Ok(()) } else { write!(to, "... ({} bytes more)", rest.len()) }
}

/// Formats the fields of a text line. JSON escapes by itself, but in a text line an error may contain an untrusted
/// newline.
pub fn fields() -> impl for<'writer> FormatFields<'writer> + Send + Sync + 'static {
    let fields = debug_fn(|writer, field, value| {
        let text = format!("{value:?}");
        if field.name() != "message" {
            write!(writer, "{}=", field.name())?;
        }
        write_escaped(writer, &text, 4 * LONGEST)
    });
    fields.delimited(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_others_is_one_line_of_bounded_length() {
        let check = |text: &str, expected: &str| assert_eq!(Logged(text).to_string(), expected);
        check("system:serviceaccount:cmp-users:john", "system:serviceaccount:cmp-users:john");
        check("a\n2026-01-01T00:00:00Z  INFO forged", "a\\n2026-01-01T00:00:00Z  INFO forged");
        check("\u{1b}[31mred\r\u{7}", "\\u{1b}[31mred\\r\\u{7}");
        check("\u{202e}back \u{2028}", "\\u{202e}back \\u{2028}");
        check("\"quoted\" ä", "\"quoted\" ä");
        let long = "ä".repeat(LONGEST);
        let logged = Logged(&long).to_string();
        assert!(logged.len() < LONGEST + 40 && logged.ends_with(&format!("... ({LONGEST} bytes more)")), "{logged}");
    }
}
