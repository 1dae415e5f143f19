//! Lines and tables that fit the terminal. Elsewhere, and in formats for programs, no line is broken.

use std::ops::Range;

/// The room where lines are not broken.
pub(crate) const UNLIMITED: usize = usize::MAX;
/// The spaces before a further line of a table's row.
pub(crate) const INDENT: usize = 2;
/// The spaces between two columns of a table.
pub(super) const GAP: usize = 3;
/// The least width of text that is broken between words.
const NARROW: usize = 20;

/// Breaks a line between words into lines of at most `room` characters. The text stands below each other: further lines
/// begin after `indent` spaces, which are the place of a label in the first line. A longer word stays whole.
pub(crate) fn broken(line: &str, room: usize, indent: usize) -> String {
    let indent_after = if room.saturating_sub(indent) < NARROW { INDENT } else { indent };
    let (mut text, mut rest, mut from) = (String::new(), line, indent);
    let mut lead = String::new();
    while let Some(at) = place(rest, room.saturating_sub(lead.len()), from) {
        let (first, others) = rest.split_at(at);
        text.push_str(&format!("{lead}{}\n", first.trim_end()));
        lead = " ".repeat(indent_after);
        (rest, from) = (others.trim_start(), 0);
    }
    text + &lead + rest
}

/// The letter in place of a space at which a line is not broken. No escaped text has this character.
const GLUE: char = '\0';

/// Breaks a sentence as [`broken`] does. A command in it stays whole, so that it can be copied.
pub(crate) fn broken_sentence(sentence: &str, room: usize, indent: usize) -> String {
    let mut glued = sentence.to_owned();
    for command in commands(sentence) {
        let whole = sentence[command.clone()].replace(' ', &GLUE.to_string());
        glued.replace_range(command, &whole);
    }
    broken(&glued, room, indent).replace(GLUE, " ")
}

/// Returns the places of commands in a sentence. They are in backticks or quotes. In a hint, a command of kubectl may also
/// end its clause.
fn commands(sentence: &str) -> Vec<Range<usize>> {
    let hint = sentence.starts_with("hint: ");
    let quoted = [("`", &["`"][..]), ("'kubectl ", &["'"])];
    let clauses = [": kubectl ", ", or kubectl "].map(|start| (start, &[", ", "; ", " ("][..]));
    let mut found = Vec::new();
    for (start, ends) in quoted.into_iter().chain(clauses.into_iter().filter(|_| hint)) {
        let mut from = 0;
        while let Some(at) = sentence[from..].find(start).map(|at| from + at) {
            let inside = at + start.len();
            let end = ends.iter().filter_map(|end| sentence[inside..].find(end)).min();
            // A quote that does not end is a letter.
            if end.is_none() && start.starts_with(['`', '\'']) {
                break;
            }
            from = end.map_or(sentence.len(), |end| inside + end);
            let command = if start.starts_with(['`', '\'']) { at } else { inside - "kubectl ".len() };
            found.push(command..from);
            from = (from + 1).min(sentence.len());
        }
    }
    found
}

/// Returns where a line that does not fit is broken. The place is the last space that leaves at most `room` characters
/// before it, or else the first space beyond. The first `from` characters are not broken.
fn place(line: &str, room: usize, from: usize) -> Option<usize> {
    let (end, _) = line.char_indices().nth(room)?;
    let start = line.char_indices().nth(from).map_or(line.len(), |(at, _)| at);
    let is_inside = |at: &usize| !line[start..*at].trim().is_empty();
    let before = line.char_indices().filter(|(at, letter)| *letter == ' ' && *at >= start && *at <= end);
    before.map(|(at, _)| at).rfind(is_inside).or_else(|| {
        let mut after = line.char_indices().filter(|(at, letter)| *letter == ' ' && *at > end.max(start));
        after.next().map(|(at, _)| at)
    })
}

/// Divides the columns of a table into the lines of a row, so that each line fits. `widths` include the gap after each
/// column. The last column needs only the room of its longest word, since its text can be broken.
pub(super) fn parts(widths: &[usize], longest_word: usize, room: usize) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut used) = (Vec::new(), 0, 0_usize);
    for (column, width) in widths.iter().enumerate() {
        let full = width.saturating_sub(GAP);
        let needed = if column + 1 == widths.len() { full.min(longest_word.max(NARROW)) } else { full };
        if column > start && used.saturating_add(needed) > room {
            parts.push(start..column);
            (start, used) = (column, INDENT);
        }
        used += width;
    }
    parts.push(start..widths.len());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words() {
        let check = |line: &str, room, indent, expected: &str| {
            assert_eq!(broken(line, room, indent), expected, "{line:?} {room}");
        };
        check("one two three", 13, 0, "one two three");
        check("one two three", UNLIMITED, 0, "one two three");
        check("one two three", 12, 0, "one two\n  three");
        check("one two three", 7, 0, "one two\n  three");
        check("one two three", 6, 0, "one\n  two\n  three");
        check("", 5, 0, "");
        // A word that is longer than a line stays whole.
        check("a-long-word b", 4, 0, "a-long-word\n  b");
        check("a-long-word", 4, 0, "a-long-word");
        // Text stands below text, and a label stays beside it.
        check(
            "Reason:        it waits for a node with room",
            38,
            15,
            "Reason:        it waits for a node\n               with room",
        );
        check("Name:          a-name-that-is-too-long", 30, 15, "Name:          a-name-that-is-too-long");
        check("größer größer größer", 13, 0, "größer größer\n  größer");
    }

    #[test]
    fn a_command_in_a_sentence_stays_whole() {
        let check = |sentence: &str, room, expected: &str| {
            assert_eq!(broken_sentence(sentence, room, 6), expected, "{sentence:?} {room}");
        };
        check("hint: perhaps: kubectl cmp get clusters", 30, "hint: perhaps:\n      kubectl cmp get clusters");
        check(
            "hint: see 'kubectl cmp get --help' for usage",
            33,
            "hint: see\n      'kubectl cmp get --help'\n      for usage",
        );
        check("hint: kubectl cmp a b, or kubectl cmp b a", 30, "hint: kubectl cmp a b, or\n      kubectl cmp b a");
        check("hint: use it (`a b c d e f`), or not", 28, "hint: use it\n      (`a b c d e f`), or\n      not");
        // A longer command is the terminal's to break, which can be copied.
        check("hint: so: kubectl cmp get clusters -A", 26, "hint: so:\n      kubectl cmp get clusters -A");
        // Prose is broken anywhere.
        check("error: kubectl cmp get needs a type", 26, "error: kubectl cmp get\n      needs a type");
        check("hint: kubectl's own `flag", 24, "hint: kubectl's own\n  `flag");
        check("größer: `ä ö` kubectl cmp", UNLIMITED, "größer: `ä ö` kubectl cmp");
    }

    #[test]
    fn columns_that_do_not_fit_are_on_further_lines() {
        let ends =
            |widths: &[usize], word, room| parts(widths, word, room).iter().map(|part| part.end).collect::<Vec<_>>();
        let widths = [8, 10, 12, 9];
        assert_eq!(ends(&widths, 6, UNLIMITED), [4]);
        assert_eq!(ends(&widths, 6, 36), [4]);
        assert_eq!(ends(&widths, 6, 35), [3, 4]);
        assert_eq!(ends(&widths, 6, 20), [2, 4]);
        assert_eq!(ends(&widths, 6, 3), [1, 2, 3, 4]);
        assert_eq!(ends(&[], 0, 10), [0]);
        // Text in the last column can be broken.
        assert_eq!(ends(&[10, 100], 9, 30), [2]);
        assert_eq!(ends(&[10, 100], 25, 30), [1, 2]);
    }

    proptest::proptest! {
        #[test]
        fn a_broken_sentence_has_every_word(
            sentence in "(hint: )?([a-zä' ]|`|kubectl |: |, or |; ){0,30}", room in 1_usize..60, indent in 0_usize..20,
        ) {
            let text = broken_sentence(&sentence, room, indent);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            proptest::prop_assert_eq!(words(&text), words(&sentence));
            proptest::prop_assert_eq!(broken_sentence(&sentence, UNLIMITED, indent), sentence);
        }

        #[test]
        fn only_a_word_that_is_too_long_exceeds_the_room(line in "[a-z ]{0,80}", room in 1_usize..60, indent in 0_usize..20) {
            let text = broken(&line, room, indent);
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            proptest::prop_assert_eq!(words(&text), words(&line));
            for (at, line) in text.lines().enumerate() {
                let from = if at == 0 { indent.min(line.len()) } else { 0 };
                let fits = line.trim_end().chars().count() <= room;
                proptest::prop_assert!(fits || !line[from..].trim().contains(' ') , "{:?}", text);
            }
        }
    }
}
