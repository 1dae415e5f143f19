//! Helpers that the tests share.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use cmp_tests::binaries::without_cargo;
use cmp_tests::child::{BUILD, output};
use cmp_tests::{ControlPlane, Installation, World, eventually};
pub(crate) use cmp_tests::{SOON, held, want};
use serde_json::{Value, json};

/// Returns an installation with two replicas that all tests use at once, each with users of its own. Admitted requests
/// get three seconds to be stored instead of ninety: no request of a test takes longer.
pub(crate) fn shared() -> &'static Installation {
    static SHARED: OnceLock<Installation> = OnceLock::new();
    SHARED.get_or_init(|| Installation::start(2, "3s"))
}

/// Installs the rights of the mirror where it was not asked for. The mirror does not run, but its token gives the same
/// access.
pub(crate) fn rights_of_the_mirror(plane: &ControlPlane) {
    let rights = concat!(env!("CARGO_MANIFEST_DIR"), "/../manifests/components/mirror/rights.yaml");
    plane.admin(&["apply", "--server-side", "-f", rights]).ok();
}

/// Creates a cluster of running instances through the plugin, and returns its name.
pub(crate) fn running(world: &World<'_>, name: &str, count: u32, cpu: &str, memory: &str) -> String {
    let cluster = world.cluster(name);
    world.running(&cluster, count, cpu, memory);
    cluster
}

/// Asserts that the plugin shows the reason in every form.
pub(crate) fn shows(world: &World<'_>, cluster: &str, reason: &str) {
    eventually("the reason is shown", SOON, || {
        let shown = world.cmp(&["get", "cluster", cluster, "-o", "wide"]).ok();
        if shown.stdout.contains(reason) { Ok(()) } else { Err(shown.to_string()) }
    });
    world.cmp(&["describe", "cluster", cluster]).ok().says(reason);
    let object = world.cmp(&["get", "cluster", cluster, "-o", "json"]).ok().json();
    assert!(object["status"]["reason"].as_str().is_some_and(|shown| shown.contains(reason)), "{object}");
}

/// Waits until an account has no entry of a cluster any more.
pub(crate) fn is_gone(world: &World<'_>, cluster: &str) {
    world.account_is(&format!("nothing of {cluster} is left"), |account| {
        account.as_object().is_some_and(|keys| keys.keys().all(|key| !key.ends_with(&format!(".{cluster}"))))
    });
}

/// Returns an instance's StatefulSet under another name, as a person who copies one would write it.
pub(crate) fn copy_of(world: &World<'_>, cluster: &str, from: &str, to: &str) -> Value {
    let ns = format!("{cluster}-ns");
    let mut set = world.kubectl(&["get", "statefulset", from, "-n", &ns, "-o", "json"]).ok().json();
    let spec = std::mem::take(&mut set["spec"]);
    json!({ "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": to, "namespace": ns }, "spec": spec })
}

/// Returns a script of the repository, which may call cargo.
pub(crate) fn script(path: &str) -> Command {
    let mut script = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path));
    without_cargo(&mut script);
    script
}

/// Runs a command, and returns its exit code, standard output and standard error.
pub(crate) fn run(command: &mut Command) -> (i32, String, String) {
    let output = output(command, BUILD).unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Asserts that a script refuses each of these arguments with this sentence.
pub(crate) fn names_the_mistake(path: &str, cases: &[(&[&str], &str)]) {
    for (arguments, expected) in cases {
        let (code, _, said) = run(script(path).args(*arguments));
        assert!(code == 1 && said.contains(expected), "{arguments:?}: {said}");
    }
}
