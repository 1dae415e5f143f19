//! Tests that the commands in the documents can be typed.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Splits a line into words as a shell does, up to the first operator or comment.
pub(super) fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for letter in line.chars() {
        match (quote, letter) {
            (None, '|' | '>' | '#' | ';' | '&') if !begun => break,
            (None, '\'' | '"') => (quote, begun) = (Some(letter), true),
            (Some(open), letter) if open == letter => quote = None,
            (None, ' ') if begun => {
                words.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ') => {}
            _ => {
                word.push(letter);
                begun = true;
            }
        }
    }
    words.extend(begun.then_some(word));
    words
}

#[test]
fn every_command_in_the_documents_can_be_typed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut documents = vec![root.join("README.md")];
    documents.extend(fs::read_dir(root.join("docs")).unwrap().flatten().map(|entry| entry.path()));
    let mut seen = 0;
    for path in documents.iter().filter(|path| path.extension().is_some_and(|ending| ending == "md")) {
        let text = fs::read_to_string(path).unwrap();
        let fenced = text.split("\n```").skip(1).step_by(2).flat_map(str::lines);
        let typed =
            fenced.filter_map(|line| line.split_once("kubectl cmp ").map(|(before, typed)| (line, before, typed)));
        // Commands stand after a prompt or at the beginning of a line. Text elsewhere is prose.
        for (line, _, typed) in typed.filter(|(_, before, _)| before.is_empty() || before.ends_with("$ ")) {
            // The test does not know the output of a command substitution.
            let typed = typed.split("$(").next().unwrap_or_default();
            let typed = if line.contains("$(") { format!("{typed}some-id") } else { typed.to_owned() };
            let all = std::iter::once("kubectl-cmp".to_owned()).chain(words(&typed)).map(OsString::from);
            let all = super::split_titles(super::help_of(all.collect()).into_iter());
            match super::parse(&all) {
                Ok(_) => {}
                Err(error) if error.kind() == clap::error::ErrorKind::DisplayHelp => {}
                // The documents also show commands that fail.
                Err(_) if text.contains(&format!("{line}\nerror: ")) => {}
                Err(error) => panic!("{}: {line}\n{error}", path.display()),
            }
            seen += 1;
        }
    }
    assert!(seen > 100, "only {seen} commands were found");
}

#[test]
fn words_are_a_shells() {
    assert_eq!(words("get  -o 'a b' \"c\"d '' | head # no"), ["get", "-o", "a b", "cd", ""]);
    assert_eq!(words("web --reason night   # as always"), ["web", "--reason", "night"]);
    assert_eq!(words("a#b"), ["a#b"]);
}
