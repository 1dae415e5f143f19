//! Rules about the sources themselves: allowed dependencies, and places where names are spelled.

mod circles;
mod english;
mod layers;
mod session;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_tests::child::{BUILD, output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns all files below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let paths = folders.iter().flat_map(|folder| files(&root().join(folder), ".rs"));
    paths.map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

/// Returns the crates that a package is built of, on every platform and without the dependencies of its tests.
fn tree(arguments: &[&str]) -> Vec<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["tree", "--locked", "--edges=normal", "--prefix=none", "--format={lib}"]).args(arguments);
    let output = output(command.current_dir(root()), BUILD).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

/// Reads the banned crates of `deny.toml`: the name of each library, and the reason.
fn banned(configuration: &str) -> Vec<(String, String)> {
    let (_, rest) = configuration.split_once("\ndeny = [\n").expect("a list of crates");
    let (list, _) = rest.split_once("\n]").expect("the list ends");
    let read = |line: &str| {
        let (name, reason) = line.trim().strip_prefix("{ crate = \"")?.split_once("\", reason = \"")?;
        Some((name.replace('-', "_"), reason.strip_suffix("\" },")?.to_owned()))
    };
    list.lines().map(|line| read(line).unwrap_or_else(|| panic!("no crate with a reason: {line}"))).collect()
}

#[test]
fn one_crate_for_one_job() {
    let banned = banned(&fs::read_to_string(root().join("deny.toml")).unwrap());
    assert!(banned.len() >= 9, "the list is read: {banned:?}");
    let tree = tree(&["--workspace"]);
    for (name, why) in banned {
        assert!(!tree.contains(&name), "{name} is built in: {why}");
    }
    assert!(tree.iter().any(|built| built == "rustls"), "the tree is read: {tree:?}");
}

#[test]
fn the_list_of_banned_crates_is_read() {
    let listed = "[bans]\ndeny = [\n    { crate = \"aws-lc-rs\", reason = \"ring\" },\n]\nother = []\n";
    assert_eq!(banned(listed), [("aws_lc_rs".to_owned(), "ring".to_owned())]);
}

#[test]
#[should_panic(expected = "no crate with a reason:     \"openssl\",")]
fn a_banned_crate_without_a_reason_is_found() {
    banned("[bans]\ndeny = [\n    \"openssl\",\n]\n");
}

#[test]
fn core_is_pure() {
    let tree = tree(&["--package=cmp-core"]);
    for name in ["tokio", "kube", "kube_client", "hyper", "axum", "tracing", "cmp_client", "futures"] {
        assert!(!tree.iter().any(|built| built == name), "core depends on {name}");
    }
    for (path, text) in sources(&["core/src"]) {
        for effect in ["std::fs", "std::net", "std::process", "std::env", "::now()", "async fn", "println!", "thread::"]
        {
            // Tests of core read their vectors from a file.
            let is_test = path.ends_with("tests.rs");
            assert!(is_test || !text.contains(effect), "{} has {effect}", path.display());
        }
    }
}

/// The mirror is a copy: no decision or action must be able to ask it.
#[test]
fn nothing_is_decided_by_the_mirror() {
    for package in ["cmp-core", "cmp-client"] {
        let tree = tree(&[&format!("--package={package}")]);
        assert!(!tree.iter().any(|built| built == "cmp_mirror" || built == "rusqlite"), "{package} reads the mirror");
    }
    for (path, text) in sources(&["plugin/src", "webhook/src"]) {
        let allowed = ["mirror.rs", "report.rs", "error.rs", "args.rs"].iter().any(|name| path.ends_with(name));
        let below_report = path.to_string_lossy().contains("/report/");
        assert!(allowed || below_report || !text.contains("cmp_mirror"), "{} knows the mirror", path.display());
    }
    assert!(tree(&["--package=cmp-mirror"]).iter().any(|built| built == "rusqlite"), "the tree is read");
}

#[test]
fn dependencies_point_one_way() {
    assert!(!tree(&["--package=cmp-mirror"]).iter().any(|built| built == "axum" || built == "clap"));
    assert!(!tree(&["--package=cmp-client"]).iter().any(|built| built == "kubectl_cmp" || built == "cmp_webhook"));
    assert!(!tree(&["--package=kubectl-cmp"]).iter().any(|built| built == "cmp_webhook" || built == "axum"));
    assert!(!tree(&["--package=cmp-webhook"]).iter().any(|built| built == "kubectl_cmp" || built == "clap_complete"));
}

#[test]
fn names_in_kubernetes_are_spelled_once() {
    for (path, text) in sources(&["core/src", "client/src", "mirror/src", "plugin/src", "webhook/src"]) {
        if path.ends_with("keys.rs") {
            continue;
        }
        for (at, line) in text.lines().enumerate().filter(|(_, line)| line.contains("kubectl-cmp.dev/")) {
            // Tests spell out the names that a user types or reads.
            let tested = text.find("#[cfg(test)]").is_some_and(|tests| text[..tests].lines().count() <= at);
            assert!(tested || path.ends_with("tests.rs"), "{}:{}: {line}", path.display(), at + 1);
        }
    }
}

#[test]
fn one_module_compares_texts() {
    let compared = ["to_string().contains(", "message.contains(", "message.starts_with(", "message().contains("];
    for (path, source) in sources(&["client/src", "plugin/src", "webhook/src"]) {
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        // `client/src/error.rs` is where the texts of `client/src/texts.rs` become predicates.
        if path.ends_with("client/src/error.rs") || path.ends_with("client/src/kubevirt.rs") {
            assert!(source.contains("texts::"), "{} compares the texts of texts.rs", path.display());
            continue;
        }
        for text in compared {
            assert!(!source.contains(text), "{}: {text} decides by a text: see client/src/texts.rs", path.display());
        }
    }
}

#[test]
fn one_module_writes_to_the_terminal() {
    // The allowed modules escape the texts of others.
    for (path, text) in sources(&["plugin/src"]) {
        if path.ends_with("ui/terminal.rs") || path.ends_with("ui/progress.rs") {
            continue;
        }
        for stream in ["stdout()", "stderr()"] {
            assert!(!text.contains(stream), "{} has {stream}", path.display());
        }
    }
}

/// The plugin speaks KubeVirt's own protocol. A user needs no other program of KubeVirt.
#[test]
fn the_client_of_kubevirt_is_not_needed() {
    for (path, text) in sources(&["core/src", "client/src", "plugin/src"]) {
        assert!(!text.to_lowercase().contains("virtctl"), "{} names virtctl", path.display());
    }
    assert!(!sources(&["client/src"]).is_empty(), "the sources are read");
}

/// kubectl prints `<none>` for an absent field of `custom-columns`, and for no labels. Every other absent value is a dash.
#[test]
fn an_absent_value_is_a_dash() {
    let mut seen = 0;
    for (path, text) in sources(&["core/src", "client/src", "plugin/src"]) {
        let found = ["<none>", "<unknown>"].into_iter().find(|word| text.contains(word));
        if path.ends_with("output/format.rs") {
            seen += usize::from(found.is_some());
        } else {
            assert_eq!(found, None, "{}", path.display());
        }
    }
    assert_eq!(seen, 1, "the sources are read");
}

#[test]
fn nothing_is_left_undone() {
    let unfinished = ["todo!", "unimplemented!", "FIXME", "XXX"];
    let runs = fs::read_to_string(root().join(".ci/run")).unwrap();
    for (path, text) in sources(&["core", "client", "mirror", "plugin", "webhook", "tests"]) {
        if path.ends_with("tidy/main.rs") {
            continue;
        }
        for mark in unfinished {
            assert!(!text.contains(mark), "{} has {mark}", path.display());
        }
        // A test that needs more than README.md names has a reason, which is printed, and .ci/run runs it.
        for (_, ignored) in text.match_indices("#[ignore").map(|(at, _)| text.split_at(at)) {
            let reason = ignored.lines().next().unwrap_or_default();
            assert!(reason.starts_with("#[ignore = \"") && reason.contains(".ci/run"), "{}: {reason}", path.display());
            let module = path.file_stem().unwrap().to_string_lossy();
            assert!(runs.contains(&format!("-- --ignored {module}::\n")), ".ci/run leaves out {}", path.display());
        }
    }
}

#[test]
fn every_policy_is_bound_and_installed() {
    for path in files(&root().join("manifests/policies"), ".yaml") {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "kustomization" {
            continue;
        }
        for expected in
            [format!("  name: cmp-{name}\n"), format!("  policyName: cmp-{name}\n"), "failurePolicy: Fail".into()]
        {
            assert!(text.contains(&expected), "{} has no {expected:?}", path.display());
        }
        let list = fs::read_to_string(root().join("manifests/policies/kustomization.yaml")).unwrap();
        assert!(list.contains(&format!("- {name}.yaml\n")), "{name}.yaml is not in the kustomization");
    }
}

/// The oldest Kubernetes is 1.30, and refuses newer features of CEL. The list has the functions and macros that later
/// versions of the API server brought (k8s.io/apiserver, `pkg/cel/environment/base.go`).
#[test]
fn the_policies_are_read_by_the_oldest_kubernetes() {
    let later = [
        "transformMap(",
        "transformList(",
        "transformMapEntry(",
        "existsOne(",
        "semver(",
        "isSemver(",
        "format.",
        ".slice(",
        ".distinct(",
        ".flatten(",
        ".sort(",
        ".sortBy(",
        ".reverse(",
        ".first(",
        ".last(",
        "lists.range(",
        "fieldSelector(",
        "labelSelector(",
    ];
    let word = |text: &str| !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '_');
    for path in files(&root().join("manifests/policies"), ".yaml") {
        let text = fs::read_to_string(&path).unwrap();
        for function in later {
            assert!(!text.contains(function), "{} has {function}, which Kubernetes 1.30 does not know", path.display());
        }
        // Earlier versions allow one variable; later ones also `all(key, value, ...)`.
        for after in [".all(", ".exists("].into_iter().flat_map(|name| text.split(name).skip(1)) {
            let parts: Vec<&str> = after.splitn(3, ',').map(str::trim).collect();
            let two = matches!(parts[..], [key, value, _] if word(key) && word(value));
            assert!(!two, "{} has a macro of two variables: {after:.40}", path.display());
        }
    }
}

/// Returns the texts between double quotes. The parts between two texts are returned as well, which does no harm here.
fn texts(source: &str) -> Vec<&str> {
    source.split('"').filter(|text| text.len() >= 10 && !text.contains('\n')).collect()
}

#[test]
fn every_refusal_of_a_policy_is_met_by_a_test() {
    let sources = sources(&["tests/e2e", "tests/vms"]);
    let expected: Vec<&str> = sources.iter().flat_map(|(_, source)| texts(source)).collect();
    let (mut messages, mut unmet) = (0, Vec::new());
    for path in files(&root().join("manifests/policies"), ".yaml") {
        let policies = fs::read_to_string(&path).unwrap();
        for line in policies.lines().map(str::trim) {
            let parts: Vec<&str> = if let Some(message) = line.strip_prefix("message: ") {
                vec![message]
            } else if let Some(expression) = line.strip_prefix("messageExpression: ") {
                // The fixed parts of the expression.
                expression.split('\'').skip(1).step_by(2).map(str::trim).filter(|part| part.len() >= 10).collect()
            } else {
                continue;
            };
            messages += 1;
            let meets = |text: &&str| parts.iter().any(|part| part.contains(*text) || text.contains(part));
            if !expected.iter().any(meets) {
                unmet.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert!(unmet.is_empty(), "no test meets\n{}", unmet.join("\n"));
    assert!(messages > 40, "the policies are read: {messages}");
}

/// Asserts that the tests named as `file.rs::test` in a document exist. Returns the number of names.
fn names_tests(document: &str) -> usize {
    let text = fs::read_to_string(root().join("docs").join(document)).unwrap();
    let mut named = 0;
    for (file, test) in text.split('`').filter_map(|code| code.split_once(".rs::")) {
        let path =
            root().join("tests").join(if file.starts_with("vms/") { "" } else { "e2e" }).join(format!("{file}.rs"));
        let source = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(source.contains(&format!("#[test]\nfn {test}(")), "{} has no test {test}", path.display());
        named += 1;
    }
    named
}

/// Returns the rows of the table under a heading.
fn rows(document: &str, heading: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join("docs").join(document)).unwrap();
    let (_, section) = text.split_once(heading).unwrap_or_else(|| panic!("{document} has no {heading}"));
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter(|line| line.starts_with("| ")).skip(1).map(str::to_owned).collect()
}

/// The invariants are held by tests that exist. The table names them by their path.
#[test]
fn every_test_of_an_invariant_exists() {
    let text = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).unwrap();
    let mut named = 0;
    for (file, test) in
        text.split('`').filter_map(|code| code.split_once("::")).filter(|(file, _)| file.ends_with(".rs"))
    {
        let source = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{file} has no test {test}");
        named += 1;
    }
    assert!(named > 20, "the table is read: {named}");
}

#[test]
fn every_claim_of_the_documents_has_a_test() {
    assert!(names_tests("NAMESPACE_ISOLATION.md") > 20 && names_tests("OPERATIONS.md") > 8);
    let claims = rows("NAMESPACE_ISOLATION.md", "## Attacks by a neighbour");
    let reasons = rows("OPERATIONS.md", "## Stuck: what it says, what to do");
    for row in claims.iter().chain(&reasons) {
        assert!(row.contains(".rs::"), "nothing proves {row}");
    }
    assert!(claims.len() > 10 && reasons.len() > 8, "the tables are read: {} and {}", claims.len(), reasons.len());
}

#[test]
fn links_in_the_documents_have_targets() {
    let mut documents = files(&root().join("docs"), ".md");
    documents.extend(["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "krew/README.md"].map(|name| root().join(name)));
    for path in documents {
        let text = fs::read_to_string(&path).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let there = path.parent().unwrap().join(target);
            assert!(there.exists(), "{}: {target} is not there", path.display());
        }
    }
}

/// The vectors come from Kubernetes' own libraries, and are not written by hand.
#[test]
fn vectors_are_made_with_the_real_kubernetes() {
    for (program, file) in [("vectors", "quantity.tsv"), ("pods", "pods.jsonl"), ("validation", "validation.jsonl")] {
        let mut go = Command::new("go");
        go.args(["run", &format!("./{program}")]).current_dir(root().join("tests/control-plane/kubernetes"));
        let made = output(go.env("CGO_ENABLED", "0"), BUILD);
        let made = made.unwrap_or_else(|error| panic!("go: {error}; install Go 1.26 or newer"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let stored = fs::read_to_string(root().join("core/tests/vectors").join(file)).unwrap();
        let remedy = format!("go run ./{program} > core/tests/vectors/{file}");
        assert!(String::from_utf8_lossy(&made.stdout) == stored, "{remedy}");
    }
}
