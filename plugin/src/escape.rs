//! Text that is safe for a terminal: control characters from other sources are replaced, as in kubectl.
//!
//! kubectl's `printers.WriteEscaped` writes ESC as `^[` and a carriage return as `\r`. A terminal obeys more than these
//! two, so every other control character is replaced in the same style.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes one line of text. Line breaks and tabs are replaced as well, so that a value cannot forge a row or a column.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |letter, _| is_unsafe(letter), caret)
}

/// Escapes several lines of text; line breaks and tabs stay. CSV ends its lines with a carriage return and a line feed.
/// Direction marks stay, because in YAML another form would be another value.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    let stays = |letter, next| matches!(letter, '\n' | '\t') || (letter == '\r' && next == Some('\n'));
    escaped(text, |letter, next| is_unsafe(letter) && !is_direction(letter) && !stays(letter, next), caret)
}

/// Escapes JSON text: characters that JSON does not escape itself become `\u....`, which reads as the same value. Such
/// a character is inside a string, because JSON allows it nowhere else.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    escaped(text, |letter, _| is_unsafe(letter) && letter != '\n', code)
}

/// Reports whether a terminal does more than draw the character. Such characters are control characters, line and
/// paragraph separators, and direction marks.
fn is_unsafe(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}') || is_direction(letter)
}

/// Reports whether the character changes the direction of the text that follows it.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Replaces each character for which `replaced` returns true, given the character after it.
fn escaped(
    text: &str,
    replaced: impl Fn(char, Option<char>) -> bool,
    form: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    // Most text needs no copy.
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if replaced(letter, letters.peek().copied()) { form(letter, &mut safe) } else { safe.push(letter) }
    }
    Cow::Owned(safe)
}

/// Writes the common form of a character: `\n` for line breaks, `^[` for ESC, `^G` for BEL, a code for the others.
fn caret(letter: char, text: &mut String) {
    match letter {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\0'..='\x1f' | '\x7f' => {
            text.push('^');
            // The caret form flips one bit: ^@ for NUL, ^? for DEL.
            text.extend(u8::try_from(letter).map(|code| char::from(code ^ 0x40)));
        }
        letter => code(letter, text),
    }
}

fn code(letter: char, text: &mut String) {
    // Writing to a String does not fail.
    write!(text, "\\u{:04x}", u32::from(letter)).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_are_escaped() {
        let check = |text: &str, expected: &str| assert_eq!(line(text), expected, "{text:?}");
        check("web", "web");
        check("größer 東京 ✓", "größer 東京 ✓");
        check("\x1b[31mRED\x1b[2J\x07\rX", "^[[31mRED^[[2J^G\\rX");
        check("a\nb\tc", "a\\nb\\tc");
        check("\0\x08\x0c\x7f", "^@^H^L^?");
        check("\u{9b}2J\u{85}", "\\u009b2J\\u0085");
        check("\u{2028}\u{202e}\u{2066}", "\\u2028\\u202e\\u2066");
    }

    #[test]
    fn several_lines_keep_their_breaks_and_tabs() {
        assert_eq!(lines("a\n\tb\r\n\x1bc\rd\r"), "a\n\tb\r\n^[c\\rd\\r");
    }

    #[test]
    fn escaped_json_is_read_as_the_same_value() {
        let value = serde_json::json!({ "a\u{7f}": "x\u{9b}\u{202e}\x1b\r\n\ty\"\\" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        let safe = json(&text);
        assert!(!safe.chars().any(|letter| is_unsafe(letter) && letter != '\n'), "{safe:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).unwrap(), value);
    }

    proptest::proptest! {
        #[test]
        fn nothing_unsafe_is_left(text in "\\PC*|[\\x00-\\u{9f}\\u{2000}-\\u{2070}]*") {
            proptest::prop_assert!(!line(&text).chars().any(is_unsafe));
            let lines = lines(&text).replace("\r\n", "\n");
            let left = |letter| is_unsafe(letter) && !is_direction(letter) && !"\n\t".contains(letter);
            proptest::prop_assert!(!lines.chars().any(left));
        }
    }
}
