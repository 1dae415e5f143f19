//! The picture of a terminal session in the README. It is drawn from the recorded session in `docs/API_EXAMPLES.md`, so
//! that it shows real output.
//!
//! After a change of the output, run `SNAPSHOTS=overwrite cargo test -p cmp-tests --test tidy session`.

use std::fmt::Write;
use std::fs;

use snapbox::data::DataFormat;
use snapbox::{Assert, Data};

use crate::root;

/// The commands that the picture shows, in the order of the recorded session.
const SHOWN: [&str; 5] = [
    "create cluster web --cpu 4 --memory 4Gi --count 5",
    "create cluster web --cpu 2 --memory 4Gi --count 3 --wait",
    "get clusters",
    "quota",
    "suspend cluster web --reason 'for the night' --wait",
];
/// The width of the terminal. Longer lines are wrapped.
const COLUMNS: usize = 88;
/// The width and the height of a character, in pixels.
const CHARACTER: (usize, usize) = (8, 20);
/// The space around the text, in pixels.
const MARGIN: usize = 16;

/// Returns the recorded lines of a command: the prompt with the command, and its output.
fn recorded(document: &str, command: &str) -> Vec<String> {
    let prompt = format!("john$ kubectl cmp {command}");
    let mut after = document.lines().skip_while(|line| *line != prompt);
    let Some(first) = after.next() else { panic!("API_EXAMPLES.md has no {prompt:?}") };
    let output = after.take_while(|line| !line.starts_with("```") && !line.contains("$ kubectl "));
    let lines: Vec<String> = [first].into_iter().chain(output).map(str::to_owned).collect();
    assert!(!lines.iter().any(|line| line.contains("[..]") || line == "..."), "{command} has a placeholder");
    lines
}

/// Splits a line as a terminal does.
fn wrapped(line: &str) -> Vec<String> {
    let chars: Vec<char> = line.chars().collect();
    if chars.is_empty() {
        return vec![String::new()];
    }
    chars.chunks(COLUMNS).map(|part| part.iter().collect()).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Draws the lines. Dark text on a light background is readable on a light and on a dark page.
fn svg(lines: &[String]) -> String {
    let (width, height) = (COLUMNS * CHARACTER.0 + 2 * MARGIN, lines.len() * CHARACTER.1 + 2 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>A terminal session of kubectl cmp</title>\n\
         <rect x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\" fill=\"#ffffff\" stroke=\"#8c959f\"/>\n\
         <g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, monospace\" font-size=\"13\" fill=\"#1f2328\" \
         xml:space=\"preserve\">\n",
        width - 1,
        height - 1,
    );
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.is_empty()) {
        let y = MARGIN + at * CHARACTER.1 + 14;
        // The stated length keeps the columns aligned in every font.
        let length = line.chars().count() * CHARACTER.0;
        let bold = if line.starts_with("john$") { " font-weight=\"bold\"" } else { "" };
        let line = escaped(line);
        writeln!(svg, "<text x=\"{MARGIN}\" y=\"{y}\" textLength=\"{length}\"{bold}>{line}</text>").unwrap();
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

#[test]
fn the_picture_of_a_session_is_drawn_from_the_recorded_one() {
    let document = fs::read_to_string(root().join("docs/API_EXAMPLES.md")).unwrap();
    let lines: Vec<String> = SHOWN
        .iter()
        .flat_map(|command| recorded(&document, command).into_iter().chain([String::new()]))
        .flat_map(|line| wrapped(&line))
        .collect();
    let drawn = svg(&lines[..lines.len() - 1]);
    let committed = Data::read_from(&root().join("docs/session.svg"), Some(DataFormat::Text));
    Assert::new().action_env("SNAPSHOTS").eq(drawn, committed.raw());
}
