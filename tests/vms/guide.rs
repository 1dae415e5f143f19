//! Plays the commands of docs/VIRTUAL_MACHINES.md, from the first to the last.

use std::fs;
use std::path::Path;
use std::process::Command;

use cmp_tests::child::{PATIENCE, output};
use cmp_tests::process::Folder;
use cmp_tests::shell::path;

use crate::disk::volume;
use crate::support::installed;

/// Verbs that need the system of a guest. `into.rs` plays them.
const INSIDE: [&str; 5] = ["ssh", "cp", "port-forward", "console", "vnc"];

/// Returns the blocks of a language.
fn blocks<'a>(document: &'a str, language: &str) -> Vec<&'a str> {
    let open = format!("\n```{language}\n");
    document.split(open.as_str()).skip(1).map(|rest| rest.split("\n```").next().unwrap_or_default()).collect()
}

#[test]
fn the_guide_to_virtual_machines_can_be_followed() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/VIRTUAL_MACHINES.md");
    let document = fs::read_to_string(document).unwrap();
    let john = installed().user("16", "64Gi");
    let folder = Folder::new();
    for block in blocks(&document, "yaml") {
        let (name, content) = block.split_once('\n').unwrap();
        fs::write(folder.path().join(name.trim_start_matches("# ")), content).unwrap();
    }
    let mut played = 0;
    for line in blocks(&document, "console").iter().flat_map(|block| block.lines()) {
        let (who, command) = line.split_once("$ kubectl cmp ").unwrap_or_else(|| panic!("{line}"));
        let inside = command.split(' ').next().is_some_and(|verb| INSIDE.contains(&verb));
        // No image of Windows is here, and other tests break what `check` looks at.
        // No StorageClass is the default here, so `snapshots.rs` plays these with another one.
        let of_snapshots = command.contains("snapshot ") || command.starts_with("restore ");
        if inside || of_snapshots || command == "check" || command.contains("--template windows") {
            continue;
        }
        // The names are used by no other test, and no guest here answers on port 22.
        let mut command = format!(" {command} ").replace("--wait=ssh", "--wait").replace("john", &john.name);
        for cluster in ["dev", "web", "lab", "db", "copy", "ci", "train"] {
            for (before, after) in [(" ", " "), (" ", "-0 ")] {
                command = command.replace(
                    &format!("{before}{cluster}{after}"),
                    &format!("{before}{}{after}", john.cluster(cluster)),
                );
            }
        }
        if command.contains("--data-disk") {
            // No provisioner makes volumes here.
            let db = john.cluster("db");
            volume(&format!("{db}-ns"), &format!("data-{db}-0"), &format!("{db}-0"));
        }
        let kubeconfig = if who == "john" { john.kubeconfig.clone() } else { john.installation.plane.kubeconfig() };
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("exec 2>&1 </dev/null\nkubectl cmp {command}")]).current_dir(folder.path());
        let said = output(shell.env("PATH", path()).env("KUBECONFIG", kubeconfig), PATIENCE).unwrap();
        assert!(said.status.success(), "{line}\n{}", String::from_utf8_lossy(&said.stdout));
        played += 1;
    }
    assert!(played > 15, "only {played} commands were found");
}
