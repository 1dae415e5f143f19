//! Output of `kubectl cmp` without a server: helps, usage errors and completion, written down as documents.
//!
//! After a change of a help or a message, run `SNAPSHOTS=overwrite cargo test --workspace --test transcripts`, and read
//! the difference.

mod month;
mod page;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_core::name::InstanceName;
use cmp_core::resources::Resources;
use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;
use cmp_mirror::Store;
use cmp_mirror::timeline::Fact;
use cmp_mirror::world::{Lived, Seen};
use cmp_tests::binaries::built;
use cmp_tests::child::{PATIENCE, output};
use cmp_tests::process::Folder;
use cmp_tests::transcript::{Step, played};
use jiff::{SignedDuration, Timestamp};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// Runs a step as kubectl would run the plugin, where there is no server and nothing to name.
fn run(step: &Step) -> (String, i32) {
    run_in(Path::new("."), step)
}

/// Runs a step in a folder, as kubectl would run the plugin.
fn run_in(folder: &Path, step: &Step) -> (String, i32) {
    let script = format!("exec 2>&1; kubectl() {{ shift; \"$PLUGIN\" \"$@\"; }}\n{}", step.command);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .current_dir(folder)
        .env_clear()
        .env("PLUGIN", &built().plugin)
        .env("KUBECONFIG", "no.kubeconfig");
    let output = output(shell.env("PATH", std::env::var_os("PATH").unwrap_or_default()), PATIENCE).unwrap();
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code().unwrap_or(-1))
}

/// Asserts that a document is equal to the played one.
fn compare(name: &str, said: String) {
    let expected = snapbox::Data::read_from(&folder().join(name), Some(snapbox::data::DataFormat::Text)).raw();
    snapbox::Assert::new().action_env("SNAPSHOTS").eq(said, expected);
}

/// Asserts that a document has the current output.
fn check(name: &str) {
    let document = fs::read_to_string(folder().join(name)).unwrap();
    compare(name, played(&document, run));
}

/// Returns the help of a command and of all its subcommands, in the listed order.
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

/// Returns this hour, counted from the start of 3 November 2025.
fn hour(hour: i64) -> Timestamp {
    "2025-11-03T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hour)
}

/// Writes a file as the mirror does. John's two machines run by day; one of them is stopped, and both are suspended by
/// night. Mary's VM with a disk is paused for half an hour. For two hours nobody observes.
fn history(path: &Path) {
    let one = |owner: &str, name: &str, state, paused, size: &str| {
        let instance: InstanceName = name.parse().unwrap();
        let lived = Lived {
            owner: owner.parse().unwrap(),
            cluster: instance.cluster.clone(),
            cluster_uid: instance.cluster.to_string(),
            kind: if owner == "mary" { InstanceType::Vm } else { InstanceType::Container },
            state,
            paused,
            by: None,
            size: Resources::from_list(size).unwrap(),
            instance,
        };
        let key = (lived.cluster.namespace(), name.to_owned());
        (key, Fact { value: lived, evidence: state.to_string() })
    };
    let seen = |web: [State; 2], paused: bool| {
        let state = if paused { State::Suspended } else { State::Running };
        let instances = [
            one("john", "web-0", web[0], false, "cpu=2,memory=4Gi"),
            one("john", "web-1", web[1], false, "cpu=2,memory=4Gi"),
            one("mary", "db-0", state, paused, "cpu=500m,memory=1536Mi,nvidia.com/gpu=1,storage=100Gi"),
        ];
        Seen { instances: instances.into(), ..Seen::default() }
    };
    use State::{Running, Stopped, Suspended};
    let places = ["web-ns".to_owned(), "db-ns".to_owned()];
    let mut store = Store::open(path).unwrap();
    store.begin(hour(8), seen([Running, Running], false)).unwrap();
    store.see(hour(12), &places, &[], &seen([Running, Stopped], true)).unwrap();
    store.see(hour(12) + SignedDuration::from_mins(30), &places, &[], &seen([Running, Stopped], false)).unwrap();
    store.see(hour(18), &places, &[], &seen([Suspended, Suspended], false)).unwrap();
    store.beat(hour(29)).unwrap();
    store.close().unwrap();
    let mut store = Store::open(path).unwrap();
    store.begin(hour(31), seen([Running, Running], false)).unwrap();
    store.beat(hour(34) + SignedDuration::from_mins(20)).unwrap();
    store.close().unwrap();
}

#[test]
fn reports() {
    let there = Folder::new();
    history(&there.path().join("mirror.db"));
    let document = fs::read_to_string(folder().join("reports.md")).unwrap();
    compare("reports.md", played(&document, |step| run_in(there.path(), step)));
}
