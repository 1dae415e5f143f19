//! The parts of a release besides the packages for krew: the workflows, and the image of cmp-webhook.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_tests::binaries::Binaries;
use cmp_tests::control_plane::free_port;
use cmp_tests::installation::is_ready;
use cmp_tests::process::{Folder, Process};
use serde_json::{Value, json};

use crate::support::{names_the_mistake, run, script, shared};

/// The script that collects the content of the image.
const IMAGE: &str = "webhook/image.sh";

/// Where Kubernetes mounts the credentials of a Pod.
const CREDENTIALS: &str = "var/run/secrets/kubernetes.io/serviceaccount";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_workflows_pass_their_checker() {
    let check = |file: &Path| {
        // Its other checkers depend on what the machine has.
        run(Command::new(Binaries::actionlint().path("actionlint")).args(["-shellcheck=", "-pyflakes="]).arg(file))
    };
    for name in ["ci.yml", "release.yml"] {
        let (code, said, warned) = check(&root().join(".github/workflows").join(name));
        assert_eq!(code, 0, "{said}\n{warned}");
    }
    let folder = Folder::new();
    let broken = folder.path().join("broken.yml");
    let release = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    fs::write(&broken, release.replace("needs: [test, webhook]", "needs: [test, nothing]")).unwrap();
    let (code, said, _) = check(&broken);
    assert!(code == 1 && said.contains("\"nothing\""), "{said}");
}

/// The instructions of a Containerfile: each with its argument.
fn instructions(containerfile: &str) -> Vec<(&str, &str)> {
    let lines = containerfile.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(' ').unwrap_or_else(|| panic!("{line}"))).collect()
}

/// Returns the paths of all files below a folder, relative to it.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for path in fs::read_dir(&next).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found
}

#[test]
fn the_script_of_the_image_names_the_mistake() {
    names_the_mistake(
        IMAGE,
        &[
            (&["--prefix", "x"][..], "unknown argument --prefix: use --profile, --target, --certificates and --out"),
            (&["--out"], "--out needs a value"),
            (
                &["--target", "x86_64-unknown-linux-gnu"],
                "no image is made for x86_64-unknown-linux-gnu: use x86_64-unknown",
            ),
            (&["--certificates", "/nowhere"], "/nowhere is missing: install the certificates of public authorities"),
        ],
    );
}

/// Builds the content of the image, and runs it as the Deployment does, as far as one machine can. Its root holds nothing
/// else. It runs as another user, without new privileges, and cannot write to its root.
#[test]
#[ignore = "needs `rustup target add x86_64-unknown-linux-musl` and musl-tools, which .ci/run installs before it runs this test"]
fn the_image_serves_from_an_empty_root() {
    let folder = Folder::new();
    let [context, image] = ["context", "root"].map(|name| folder.path().join(name));
    let certificates = folder.path().join("certificates");
    fs::write(&certificates, "no authority\n").unwrap();
    let target = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let mut script = script(IMAGE);
    script
        .args(["--profile", "dev", "--target", &target, "--certificates"])
        .arg(&certificates)
        .arg("--out")
        .arg(&context);
    let (code, said, warned) = run(&mut script);
    assert_eq!((code, said.as_str()), (0, context.to_str().unwrap()), "{warned}");
    let arch = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let expected = ["Containerfile", "ca-certificates.crt", &format!("{arch}/cmp-webhook")].map(str::to_owned);
    assert_eq!(files(&context), expected.into());

    // The root as the Containerfile describes it.
    let containerfile = fs::read_to_string(context.join("Containerfile")).unwrap();
    let mut instructions = instructions(&containerfile);
    assert_eq!((instructions.remove(0), instructions.remove(0)), (("FROM", "scratch"), ("ARG", "TARGETARCH")));
    assert_eq!(instructions.pop(), Some(("ENTRYPOINT", r#"["/cmp-webhook"]"#)));
    let user = instructions.pop().and_then(|(word, user)| user.split_once(':').filter(|_| word == "USER"));
    let (user, group) = user.unwrap();
    for (word, paths) in instructions {
        let (from, to) = paths.split_once(' ').filter(|_| word == "COPY").unwrap_or_else(|| panic!("{word} {paths}"));
        let to = image.join(to.strip_prefix('/').unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(context.join(from.replace("${TARGETARCH}", arch)), to).unwrap();
    }
    assert_eq!(files(&image), ["cmp-webhook", "etc/ssl/certs/ca-certificates.crt"].map(str::to_owned).into());

    // Kubernetes adds the credentials of the Pod.
    let plane = &shared().plane;
    let credentials = image.join(CREDENTIALS);
    fs::create_dir_all(&credentials).unwrap();
    let token = plane.admin(&["create", "token", "cmp-webhook", "-n", "cmp-system", "--duration", "1h"]).ok().stdout;
    for (name, content) in
        [("token", token.trim()), ("namespace", "cmp-system"), ("ca.crt", plane.certificate_authority())]
    {
        fs::write(credentials.join(name), content).unwrap();
    }
    let pod = deployment()["spec"]["template"]["spec"].take();
    assert_eq!(pod["securityContext"]["runAsUser"].to_string(), user);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], json!(true));
    let container = &pod["containers"][0];
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], json!(true));
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], json!(false));
    let given = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned());

    let (port, probe) = (free_port(), free_port());
    let inside = [
        "--no-new-privs",
        "unshare",
        "--user",
        &format!("--map-user={user}"),
        &format!("--map-group={group}"),
        &format!("--root={}", image.display()),
        "--wd=/",
        "/cmp-webhook",
    ]
    .map(str::to_owned);
    let addresses = [format!("--bind-address=127.0.0.1:{port}"), format!("--probe-address=127.0.0.1:{probe}")];
    let environment =
        [("KUBERNETES_SERVICE_HOST", "127.0.0.1".to_owned()), ("KUBERNETES_SERVICE_PORT", plane.port().to_string())];
    read_only(&image, true);
    let mut process = Process::start_with(
        "image",
        Path::new("setpriv"),
        inside.into_iter().chain(given).chain(addresses).collect(),
        environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        folder.path(),
    );
    is_ready("the image is ready", &process, probe);
    process.stop();
    read_only(&image, false);
}

/// Returns the Deployment of cmp-webhook that is installed in a cluster.
fn deployment() -> Value {
    let objects = shared().plane.admin(&["cmp", "install", "--dry-run=client", "-o", "json"]).ok().json();
    let items = objects["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["kind"] == "Deployment" && item["metadata"]["name"] == "cmp-webhook");
    found.unwrap_or_else(|| panic!("no Deployment: {objects}")).clone()
}

/// Takes from the owner of a root the right to write to it, or gives it back.
fn read_only(root: &Path, read_only: bool) {
    let mode = if read_only { 0o555 } else { 0o755 };
    let folders = ["", "etc", "etc/ssl", "etc/ssl/certs", "var", "var/run", "var/run/secrets", CREDENTIALS];
    for folder in folders {
        fs::set_permissions(root.join(folder), Permissions::from_mode(mode)).unwrap();
    }
}
