//! The examples of docs/API_EXAMPLES.md, played from its first line to its last.
//!
//! After a change of what is said: `SNAPSHOTS=overwrite cargo test --workspace --test e2e -- examples::`, and read the
//! difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_tests::process::Folder;
use cmp_tests::shell::path;
use cmp_tests::transcript::{Step, played};

use crate::support::shared;

/// What is typed, in a folder of its own, by whom the prompt says.
fn run(step: &Step, folder: &Path) -> (String, i32) {
    let kubeconfig = match step.who.as_str() {
        "administrator" => shared().plane.kubeconfig(),
        user => folder.join(format!("{user}.kubeconfig")),
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1 </dev/null\n{}", step.command)]).current_dir(folder);
    let output = shell.env("PATH", path()).env("KUBECONFIG", kubeconfig).output().unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}

#[test]
fn every_example_says_what_stands_there() {
    let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/API_EXAMPLES.md");
    let folder = Folder::new();
    let text = played(&fs::read_to_string(&document).unwrap(), |step| run(step, folder.path()));
    let expected = snapbox::Data::read_from(&document, Some(snapbox::data::DataFormat::Text)).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(text, expected);
}
