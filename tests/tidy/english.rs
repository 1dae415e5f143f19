//! The rules of style that can be counted: the first word and the length of a sentence. CONTRIBUTING.md has all of them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{files, root};

/// Words that no sentence opens with: they turn it around.
const TURNED: [&str; 6] = ["What", "Who", "Whose", "Of", "That", "Which"];
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
