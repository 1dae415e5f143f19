//! What `kubectl cmp` says before it talks to any server: helps, usage errors, completion, written down as documents.
//!
//! After a change of a help or a message: `SNAPSHOTS=overwrite cargo test --workspace --test transcripts`, and read the
//! difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_tests::binaries::built;
use cmp_tests::transcript::{Step, played};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// Runs it as kubectl would run the plugin, where there is no server and nothing to name.
fn run(step: &Step) -> (String, i32) {
    let script = format!("exec 2>&1; kubectl() {{ shift; \"$PLUGIN\" \"$@\"; }}\n{}", step.command);
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).env_clear().env("PLUGIN", &built().plugin).env("KUBECONFIG", "no.kubeconfig");
    let output = shell.env("PATH", std::env::var_os("PATH").unwrap_or_default()).output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}

/// That a document is what it would have to be.
fn compare(name: &str, said: String) {
    let expected = snapbox::Data::read_from(&folder().join(name), Some(snapbox::data::DataFormat::Text)).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(said, expected);
}

/// That a document says what is said.
fn check(name: &str) {
    let document = fs::read_to_string(folder().join(name)).unwrap();
    compare(name, played(&document, run));
}

/// The help of a command and of all below it, as they are listed.
fn helps_of(command: &str) -> String {
    let step = Step { command: format!("{command} --help"), ..Step::default() };
    let (help, _) = run(&step);
    let mut text = format!("\n## {command}\n\n```console\n$ {}\n{help}```\n", step.command);
    let commands = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap_or_default();
    let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    for name in names.filter_map(|line| line.split_whitespace().next()) {
        text.push_str(&helps_of(&format!("{command} {name}")));
    }
    text
}

#[test]
fn helps() {
    let about = "# Every help\n\nOne screen each: what the command does, how it looks, and then every flag.\n";
    compare("help.md", format!("{about}{}", helps_of("kubectl cmp")));
}

#[test]
fn usage_errors() {
    check("errors.md");
}

#[test]
fn completion() {
    check("completion.md");
}
