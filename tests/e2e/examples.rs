//! Plays the examples of docs/API_EXAMPLES.md from the first line to the last, and the commands of docs/QUICKSTART.md.
//!
//! After a change of the output, run `SNAPSHOTS=overwrite cargo test --workspace --test e2e -- examples::`, and read
//! the difference.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_tests::child::{PATIENCE, output};
use cmp_tests::process::Folder;
use cmp_tests::shell::path;
use cmp_tests::transcript::{Step, played};

use crate::support::shared;

/// Runs a command in a folder of its own, as the person in the prompt.
fn run(step: &Step, folder: &Path) -> (String, i32) {
    let kubeconfig = match step.who.as_str() {
        "administrator" => shared().plane.kubeconfig(),
        user => folder.join(format!("{user}.kubeconfig")),
    };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec 2>&1 </dev/null\n{}", step.command)]).current_dir(folder);
    let output = output(shell.env("PATH", path()).env("KUBECONFIG", kubeconfig), PATIENCE).unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}

#[test]
fn every_example_prints_the_documented_output() {
    let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/API_EXAMPLES.md");
    let folder = Folder::new();
    let text = played(&fs::read_to_string(&document).unwrap(), |step| run(step, folder.path()));
    let expected = snapbox::Data::read_from(&document, Some(snapbox::data::DataFormat::Text)).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(text, expected);
}

#[test]
fn the_quickstart_can_be_followed() {
    let document = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/QUICKSTART.md");
    let text = fs::read_to_string(document).unwrap();
    // The part about the installation is left out: all tests use the same one, and it stays.
    let (_, users) = text.split_once("\n## Users\n").unwrap();
    let (followed, _) = users.split_once("\n## Remove\n").unwrap();
    let folder = Folder::new();
    let mut who = "administrator".to_owned();
    let mut count = 0;
    for line in followed.split("\n```").skip(1).step_by(2).flat_map(|block| block.lines().skip(1)) {
        // These names are used by no other test.
        let line = line.replace("john", "quentin").replace("web", "quick");
        if let Some(file) = line.strip_prefix("export KUBECONFIG=$PWD/") {
            who = file.trim_end_matches(".kubeconfig").to_owned();
            continue;
        }
        let command = match line.split_whitespace().nth(2) {
            // No kubelet runs a shell here.
            Some("exec") => continue,
            // Nobody presses Ctrl-C.
            Some("logs") => line.replace(" -f ", " "),
            // Nobody can answer the question.
            Some("delete" | "resize" | "rollout") => {
                format!("{} --yes", line.split_once(" # ").map_or(line.as_str(), |(command, _)| command))
            }
            _ => line,
        };
        let step = Step { who: who.clone(), command, said: Vec::new() };
        let (said, code) = run(&step, folder.path());
        assert_eq!(code, 0, "{}\n{said}", step.command);
        count += 1;
    }
    assert!(count > 15, "only {count} commands were found");
}
