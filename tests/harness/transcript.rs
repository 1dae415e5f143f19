//! Documents with examples that are played. Each command after a prompt in a block marked `console` is run, and its
//! output is compared with the lines below it.
//!
//! Some differences between runs are allowed. An age in seconds (`4s`) matches any age, `[..]` matches any part of a
//! line, and `...` matches any lines. Lines of `--wait` that count up are left out of the comparison.

use std::fmt::Write;

/// A command and its output.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Step {
    /// The text before the `$`, which names the person who types.
    pub who: String,
    /// The command after the prompt.
    pub command: String,
    /// The output, line by line.
    pub said: Vec<String>,
}

/// A part of a parsed document.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Step(Step),
}

/// The first line of blocks that are played.
const PLAYED: &str = "```console";

/// Returns the person and the command, if a line is a prompt.
fn prompt(line: &str) -> Option<(&str, &str)> {
    let (who, command) = line.split_once("$ ")?;
    who.bytes().all(|byte| byte.is_ascii_lowercase()).then_some((who, command))
}

fn parts(document: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut played = false;
    for line in document.lines() {
        if line.starts_with("```") {
            played = !played && line == PLAYED;
            parts.push(Part::Text(line.to_owned()));
            continue;
        }
        match (played, prompt(line), parts.last_mut()) {
            (true, Some((who, command)), _) => {
                parts.push(Part::Step(Step { who: who.to_owned(), command: command.to_owned(), said: Vec::new() }));
            }
            (true, None, Some(Part::Step(step))) if step.said.is_empty() && line.starts_with("> ") => {
                step.command.push('\n');
                step.command.push_str(&line[2..]);
            }
            (true, None, Some(Part::Step(step))) => step.said.push(line.to_owned()),
            _ => parts.push(Part::Text(line.to_owned())),
        }
    }
    parts
}

/// Plays a document. `run` returns the output of each step, with both streams in one, and the exit code. Returns the
/// document as it should be. Asserts that the output shows whether the command failed.
pub fn played(document: &str, mut run: impl FnMut(&Step) -> (String, i32)) -> String {
    let mut text = String::new();
    for part in parts(document) {
        match part {
            Part::Text(line) => writeln!(text, "{line}"),
            Part::Step(step) => {
                let (said, code) = run(&step);
                let said: Vec<String> = said.lines().map(|line| line.trim_end().to_owned()).collect();
                let begins = |word: &str| said.iter().any(|line| line.starts_with(word));
                // A command that lacks a type prints its usage.
                let failed = begins("error: ") || begins("Error from server") || (code == 1 && begins("Usage: "));
                assert!(failed == (code != 0), "{}$ {}\n{}\n[exit {code}]", step.who, step.command, said.join("\n"));
                let said = if same(&step.said, &said) { step.said } else { anew(&step.said, said) };
                let command = step.command.replace('\n', "\n> ");
                let lines = said.iter().fold(String::new(), |lines, line| lines + line + "\n");
                write!(text, "{}$ {command}\n{lines}", step.who)
            }
        }
        .expect("text can be written");
    }
    text
}

/// Returns the new output, and keeps the open parts where the document had them.
fn anew(expected: &[String], said: Vec<String>) -> Vec<String> {
    let open = |line: String| {
        let before = expected.iter().find(|before| before.contains("[..]") && line_is_same(before, &line));
        before.cloned().unwrap_or(line)
    };
    said.into_iter().map(open).collect()
}

/// Reports whether the output matches the document.
fn same(expected: &[String], said: &[String]) -> bool {
    let settled = |lines: &[String]| lines.iter().filter(|line| !counts_up(line)).cloned().collect::<Vec<String>>();
    lines_are_same(&settled(expected), &settled(said))
}

fn lines_are_same(expected: &[String], said: &[String]) -> bool {
    match (expected, said) {
        ([], []) => true,
        ([any, rest @ ..], _) if any == "..." => (0..=said.len()).any(|from| lines_are_same(rest, &said[from..])),
        ([line, rest @ ..], [other, others @ ..]) => line_is_same(line, other) && lines_are_same(rest, others),
        _ => false,
    }
}

fn line_is_same(expected: &str, said: &str) -> bool {
    if expected.contains("[..]") {
        let mut rest = said;
        let parts: Vec<&str> = expected.split("[..]").collect();
        for (at, part) in parts.iter().enumerate() {
            let found = match at {
                0 => rest.starts_with(part).then_some(0),
                _ if at + 1 == parts.len() => rest.ends_with(part).then(|| rest.len() - part.len()),
                _ => rest.find(part),
            };
            let Some(found) = found else { return false };
            rest = &rest[found + part.len()..];
        }
        return true;
    }
    let (expected_words, words): (Vec<&str>, Vec<&str>) =
        (expected.split_whitespace().collect(), said.split_whitespace().collect());
    let any_age = |left: &str, right: &str| left.ends_with('s') && is_age(left) && is_age(right);
    // The header of a table is as wide as the rows below it.
    let is_head =
        expected_words.len() > 1 && expected.chars().all(|letter| letter.is_ascii_uppercase() || letter == ' ');
    let in_words = is_head || expected_words.iter().any(|word| is_age(word));
    expected == said
        || in_words
            && expected_words.len() == words.len()
            && expected_words.iter().zip(&words).all(|(left, right)| left == right || any_age(left, right))
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

/// Reports whether a word is an age, such as `4s` or `2m30s`.
fn is_age(word: &str) -> bool {
    word.starts_with(is_digit)
        && word.ends_with(['s', 'm', 'h', 'd', 'y'])
        && word.chars().all(|letter| letter.is_ascii_digit() || "smhdy".contains(letter))
}

/// Reports whether a line is progress of `--wait`, such as `web: 1/3 running, 2 pending`.
fn counts_up(line: &str) -> bool {
    let counts =
        line.split_once(": ").and_then(|(_, rest)| rest.split_once(' ')).and_then(|(count, _)| count.split_once('/'));
    line.ends_with(": deleting")
        || counts
            .is_some_and(|(some, all)| some != all && [some, all].iter().all(|number| number.parse::<u32>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "Text\n\n```console\njohn$ cmp get\nNAME   AGE\nweb    4s\n$ cat <<E\n> one\n> E\none\n```\n\n```yaml\n$ no\n```\n";

    #[test]
    fn a_document_is_taken_apart_and_put_together() {
        let mut typed = Vec::new();
        let again = played(DOCUMENT, |step| {
            typed.push((step.who.clone(), step.command.clone()));
            (step.said.join("\n"), 0)
        });
        assert_eq!(again, DOCUMENT);
        assert_eq!(
            typed,
            [("john", "cmp get"), ("", "cat <<E\none\nE")].map(|(who, what)| (who.to_owned(), what.to_owned()))
        );
        let other = played(DOCUMENT, |step| {
            (if step.who.is_empty() { "two\n" } else { "NAME   AGE\nweb    2m30s\n" }.to_owned(), 0)
        });
        assert_eq!(other, DOCUMENT.replace("\none\n```", "\ntwo\n```"));
    }

    #[test]
    fn variable_parts_of_a_transcript_may_differ() {
        let check = |expected: &str, said: &str, is: bool| {
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<String>>();
            assert_eq!(same(&lines(expected), &lines(said)), is, "{expected:?} {said:?}");
        };
        check("web   2   4s", "web   2   2m", true);
        check("web   2   4s", "web   2   119s", true);
        check("web   2   4s", "web   3   4s", false);
        check("web   500m   4s", "web   200m   4s", false);
        check("NAME   AGE", "NAME    AGE", true);
        check("NAME   AGE", "NAME   IP   AGE", false);
        check("name   age", "name    age", false);
        check("token [..]", "token x1", true);
        check("a [..] c", "a b c", true);
        check("a [..] c", "a b d", false);
        check("a\n...\nd", "a\nb\nc\nd", true);
        check("a\n...\nd", "a\nb", false);
        check("...", "", true);
        check("web: 3/3 running\nok", "web: 0/3 running, 3 pending\nweb: 3/3 running\nok", true);
        check("web: 3/3 running\nok", "ok", false);
        check("", "error: no", false);
    }

    #[test]
    fn wildcards_are_kept_when_a_transcript_is_recorded() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<String>>();
        assert_eq!(anew(&lines("a [..]\nb"), lines("a 1\nc")), ["a [..]", "c"]);
    }

    #[test]
    #[should_panic(expected = "[exit 1]")]
    fn an_example_that_fails_unexpectedly_is_an_error() {
        played("```console\n$ false\n```\n", |_| (String::new(), 1));
    }
}
