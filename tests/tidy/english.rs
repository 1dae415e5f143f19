//! The rules of style that can be counted: the first word and the length of a sentence, names of tests, and messages.
//! CONTRIBUTING.md has all rules.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{files, root};

/// Words that no sentence opens with: they turn it around.
const TURNED: [&str; 6] = ["What", "Who", "Whose", "Of", "That", "Which"];
/// Words that no name of a test opens with, besides those above.
const RIDDLES: [&str; 3] = ["whoever", "whatever", "however"];
/// The most words of a sentence.
const LONGEST: usize = 25;

/// A piece of prose and the line where it starts.
struct Prose {
    line: usize,
    text: String,
}

/// Collects the lines of a file into paragraphs, items of lists and cells of tables.
#[derive(Default)]
struct Collector {
    found: Vec<Prose>,
    open: Option<Prose>,
    in_code: bool,
}

impl Collector {
    fn end(&mut self) {
        self.found.extend(self.open.take());
    }

    fn line(&mut self, line: usize, text: &str) {
        if text.starts_with("```") {
            self.end();
            self.in_code = !self.in_code;
            return;
        }
        if self.in_code || text.is_empty() || text.starts_with('<') {
            return self.end();
        }
        if let Some(heading) = text.strip_prefix('#') {
            self.end();
            self.found.push(Prose { line, text: heading.trim_start_matches(['#', ' ']).to_owned() });
            return;
        }
        if text.starts_with('|') {
            self.end();
            let cells = text.trim_matches('|').split('|').filter(|cell| cell.contains(char::is_alphabetic));
            self.found.extend(cells.map(|cell| Prose { line, text: cell.trim().to_owned() }));
            return;
        }
        let mut text = text;
        if let Some(item) = text.strip_prefix("- ").or_else(|| text.strip_prefix("* ")) {
            self.end();
            text = item;
        }
        match &mut self.open {
            Some(open) => {
                open.text.push(' ');
                open.text.push_str(text);
            }
            None => self.open = Some(Prose { line, text: text.to_owned() }),
        }
    }
}

/// The prose of a file: all of Markdown, the comments of anything else.
fn prose(path: &Path, source: &str) -> Vec<Prose> {
    let mut collector = Collector::default();
    let markers: &[&str] = match path.extension().and_then(|ending| ending.to_str()) {
        Some("md") => &[""],
        Some("rs") => &["///", "//!", "//"],
        _ => &["#"],
    };
    let mut before = None;
    for (at, line) in source.lines().enumerate() {
        let line = line.trim();
        let marker = markers.iter().find(|marker| line.starts_with(**marker));
        if marker != before {
            collector.end();
            collector.in_code = false;
        }
        before = marker;
        if let Some(marker) = marker {
            collector.line(at + 1, line[marker.len()..].trim());
        }
    }
    collector.end();
    collector.found
}

/// The sentences of a text. Code and the targets of links are one word.
fn sentences(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let (mut in_code, mut in_target) = (false, false);
    for char in text.chars() {
        match char {
            '`' => in_code = !in_code,
            '(' if plain.ends_with(']') => in_target = true,
            ')' if in_target => in_target = false,
            _ if in_target => {}
            _ if in_code => plain.push('x'),
            _ => plain.push(char),
        }
    }
    let mut found = vec![String::new()];
    for word in plain.split_whitespace() {
        let last = found.last_mut().expect("one sentence at least");
        last.push_str(word);
        last.push(' ');
        if word.trim_end_matches(['"', '\'', ')', '*', '_']).ends_with(['.', '!', '?']) {
            found.push(String::new());
        }
    }
    found
}

/// The rule that a sentence breaks.
fn broken(sentence: &str) -> Option<String> {
    let words: Vec<&str> = sentence.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).collect();
    let first = words.first()?.trim_matches(|char: char| !char.is_alphanumeric());
    if TURNED.contains(&first) {
        return Some(format!("opens with {first}"));
    }
    (words.len() > LONGEST).then(|| format!("has {} words", words.len()))
}

fn documents() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "Cargo.toml", "deny.toml", ".ci/run"].map(|name| root().join(name)).into();
    for folder in ["core", "client", "mirror", "plugin", "webhook", "tests"] {
        paths.extend(files(&root().join(folder), ".rs"));
    }
    for folder in ["docs", "krew", "tests"] {
        paths.extend(files(&root().join(folder), ".md"));
    }
    paths.extend(files(&root().join("manifests"), ".yaml"));
    // The transcripts hold what the programs say.
    paths.retain(|path| !path.starts_with(root().join("tests/transcripts")) || path.ends_with("main.rs"));
    paths
}

#[test]
fn sentences_are_short_and_name_their_subject() {
    let (mut read, mut wrong) = (0, Vec::new());
    for path in documents() {
        let source = fs::read_to_string(&path).unwrap();
        for prose in prose(&path, &source) {
            for sentence in sentences(&prose.text) {
                read += 1;
                wrong.extend(broken(&sentence).map(|why| {
                    let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
                    format!("{name}:{}: {why}: {sentence}", prose.line)
                }));
            }
        }
    }
    assert!(read > 5000, "only {read} sentences are read");
    assert!(wrong.is_empty(), "{} of {read} sentences:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_sentence_that_breaks_a_rule_is_found() {
    for (path, source, expected) in [
        ("a.rs", "/// What is asked.\nfn a() {}", "opens with What"),
        ("a.rs", "    // Fine. That\n    // is not.", "opens with That"),
        ("a.md", "| a | Of it |\n", "opens with Of"),
        ("a.yaml", "a: b\n# Who asks\n", "opens with Who"),
        ("a.md", &"word ".repeat(26), "has 26 words"),
    ] {
        let found: Vec<String> = prose(Path::new(path), source)
            .iter()
            .flat_map(|prose| sentences(&prose.text))
            .filter_map(|sentence| broken(&sentence))
            .collect();
        assert_eq!(found, [expected], "{source}");
    }
    let fine = format!("`What it says` [{}](of/a/link). {}", "word ".repeat(20), "word ".repeat(25));
    assert!(sentences(&fine).iter().all(|sentence| broken(sentence).is_none()));
}

fn programs(folders: &[&str]) -> Vec<(String, String)> {
    let paths = folders.iter().flat_map(|folder| files(&root().join(folder), ".rs"));
    let name = |path: &Path| path.strip_prefix(root()).unwrap_or(path).display().to_string();
    paths.map(|path| (name(&path), fs::read_to_string(&path).unwrap())).collect()
}

/// The names of the functions below an attribute `test`.
fn tests_of(source: &str) -> Vec<&str> {
    let (mut found, mut marked) = (Vec::new(), false);
    for line in source.lines().map(str::trim) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| marked) {
            found.extend(rest.split('(').next());
            marked = false;
        }
    }
    found
}

fn is_riddle(name: &str) -> bool {
    let first = name.split('_').next().unwrap_or_default();
    TURNED.iter().any(|word| word.eq_ignore_ascii_case(first)) || RIDDLES.contains(&first)
}

#[test]
fn names_of_tests_are_statements() {
    let (mut read, mut wrong) = (0, Vec::new());
    for (path, source) in programs(&["core", "client", "mirror", "plugin", "webhook", "tests"]) {
        for name in tests_of(&source) {
            read += 1;
            wrong.extend(is_riddle(name).then(|| format!("{path}: {name}")));
        }
    }
    assert!(read > 500, "only {read} names are read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The string literals of a program, without its comments.
fn literals(source: &str) -> Vec<String> {
    let (mut found, mut open): (_, Option<String>) = (Vec::new(), None);
    for line in source.lines().filter(|line| !line.trim_start().starts_with("//")) {
        let mut chars = line.chars();
        let mut before = ' ';
        while let Some(char) = chars.next() {
            match (char, &mut open) {
                ('\\', Some(text)) => {
                    text.extend(chars.next().map(|escaped| if escaped == 'n' { '\n' } else { escaped }));
                }
                ('"', Some(_)) => found.extend(open.take()),
                (char, Some(text)) => text.push(char),
                ('"', None) if !['\'', '\\'].contains(&before) => open = Some(String::new()),
                _ => {}
            }
            before = char;
        }
    }
    found
}

/// The word that turns a message around: its first, or the first after a colon, a semicolon or a line break.
fn turned(literal: &str) -> Option<&str> {
    let parts = literal.split('\n').flat_map(|line| line.split(": ")).flat_map(|part| part.split("; "));
    let mut firsts = parts.filter_map(|part| part.split_once(' ')).map(|(first, _)| first);
    firsts.find(|first| TURNED.iter().any(|word| word.eq_ignore_ascii_case(first)))
}

#[test]
fn messages_name_their_subject() {
    let (mut read, mut wrong) = (0, Vec::new());
    for (path, source) in programs(&["plugin/src", "client/src", "core/src/plan"]) {
        for literal in literals(&source) {
            read += 1;
            wrong.extend(turned(&literal).map(|word| format!("{path}: opens with {word}: {literal}")));
        }
    }
    assert!(read > 2000, "only {read} literals are read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_name_or_message_that_breaks_a_rule_is_found() {
    let source =
        "#[test]\nfn what_is() {}\n#[tokio::test]\nasync fn whoever_asks() {}\nfn of_pod() {}\n#[test]\nfn a_b() {}";
    let names = tests_of(source);
    assert_eq!(names, ["what_is", "whoever_asks", "a_b"]);
    assert_eq!(names.iter().map(|name| is_riddle(name)).collect::<Vec<_>>(), [true, true, false]);
    let found = literals("// \"comment\"\nf('\"', \"a \\\"b\\\"\", \"c: what d\");");
    assert_eq!(found, ["a \"b\"", "c: what d"]);
    assert_eq!(found.iter().map(|text| turned(text)).collect::<Vec<_>>(), [None, Some("what")]);
}
