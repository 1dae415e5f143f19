//! Text of others in a log: one line, without control characters, and of a bounded length.
//!
//! Port 8443 asks nobody for a name, so that the text of a review may be anybody's.

use std::fmt;

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

/// The longest text of others that is logged, in bytes.
const LONGEST: usize = 512;

/// A text of others as it is logged.
#[derive(Debug, Clone, Copy)]
pub struct Logged<'a>(pub &'a str);

impl fmt::Display for Logged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(f, self.0, LONGEST)
    }
}

/// Writes a text with everything escaped that does not print as itself, and says how much of it is left out.
fn write_escaped(to: &mut impl fmt::Write, text: &str, longest: usize) -> fmt::Result {
    let kept = text.floor_char_boundary(longest);
    let (shown, rest) = text.split_at(kept);
    for char in shown.chars() {
        match char {
            // They print as themselves, and an escape before them would only make the line hard to read.
            '"' | '\'' | '\\' => to.write_char(char)?,
            _ => write!(to, "{}", char.escape_debug())?,
        }
    }
    if rest.is_empty() { Ok(()) } else { write!(to, "... ({} bytes more)", rest.len()) }
}

/// The fields of a line of text. JSON escapes by itself; in a line of text, an error may have a newline of others.
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
