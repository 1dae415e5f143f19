//! The package for krew: made by the scripts of a release, checked by krew's own checker, and installed by krew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_tests::binaries::Binaries;
use cmp_tests::process::Folder;

use crate::support::{names_the_mistake, run, script};

const PLATFORMS: [&str; 6] =
    ["linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64"];

/// Makes an archive as in a release, but with the build profile of the tests.
fn archive(out: &Path) -> PathBuf {
    let profile = if cfg!(debug_assertions) { "dev" } else { "small" };
    let (code, path, said) = run(script("krew/package.sh").args(["--profile", profile, "--out"]).arg(out));
    assert_eq!(code, 0, "{said}");
    PathBuf::from(path)
}

/// Returns a krew command as kubectl runs it, with a folder of its own and no files of the user.
fn krew(root: &Path) -> Command {
    let mut krew = Command::new(Binaries::krew().path("krew"));
    krew.env("KREW_ROOT", root).env("KREW_NO_UPGRADE_CHECK", "1").env("HOME", root);
    krew
}

#[test]
fn a_release_is_checked_and_installed_by_krew_and_run_by_kubectl() {
    let folder = Folder::new();
    let (dist, root) = (folder.path().join("dist"), folder.path().join("krew"));
    let archive = archive(&dist);
    let again = folder.path().join("again");
    let same = fs::read(&archive).unwrap() == fs::read(self::archive(&again)).unwrap();
    assert!(same, "two packages of one program differ");
    let name = archive.file_name().unwrap().to_string_lossy().into_owned();
    let host = PLATFORMS.into_iter().find(|platform| name.ends_with(&format!("_{platform}.tar.gz")));
    let host = host.unwrap_or_else(|| panic!("{name} is of no platform"));

    // The script refuses a release with a missing archive.
    let manifest = || run(script("krew/manifest.sh").arg(&dist));
    let (code, _, said) = manifest();
    assert_eq!(code, 1, "{said}");
    for platform in PLATFORMS {
        assert_eq!(said.contains(&format!("_{platform}.tar.gz is missing")), platform != host, "{said}");
    }
    assert!(!dist.join("cmp.yaml").exists());

    // Archives of other platforms cannot be made here. Copies stand in for them, so that the manifest has all six.
    let other = |platform: &str, ending: &str| dist.join(name.replace(host, platform) + ending);
    let sum = fs::read_to_string(dist.join(format!("{name}.sha256"))).unwrap();
    for platform in PLATFORMS.into_iter().filter(|platform| *platform != host) {
        fs::hard_link(&archive, other(platform, "")).unwrap();
        fs::write(other(platform, ".sha256"), &sum).unwrap();
    }
    // The script also refuses an archive that was changed after its hash was written.
    let wrong = PLATFORMS.into_iter().find(|platform| *platform != host).unwrap();
    fs::write(other(wrong, ".sha256"), "0".repeat(64)).unwrap();
    let (code, _, said) = manifest();
    assert!(code == 1 && said.contains(&format!("_{wrong}.tar.gz is not the one")), "{said}");
    fs::write(other(wrong, ".sha256"), &sum).unwrap();
    let (code, written, said) = manifest();
    assert_eq!(code, 0, "{said}");

    let checker = Binaries::krew().path("validate-krew-manifest");
    let check = |path: &Path| run(Command::new(checker).args(["-skip-install", "-manifest"]).arg(path));
    let (code, _, said) = check(Path::new(&written));
    assert_eq!(code, 0, "{said}");
    let text = fs::read_to_string(&written).unwrap();
    assert!(!text.contains('@') && text.contains(&format!("version: v{}\n", env!("CARGO_PKG_VERSION"))), "{text}");
    // The checker must refuse a broken manifest.
    let broken = folder.path().join("cmp.yaml");
    fs::write(&broken, text.replace("arch: arm64", "arch: amd64")).unwrap();
    let (code, _, said) = check(&broken);
    assert!(code != 0 && said.contains("overlapping"), "{said}");
    // Further requirements of krew's reviewers.
    let short = text.lines().find_map(|line| line.trim().strip_prefix("shortDescription: ")).unwrap();
    assert!(short.len() <= 50 && !short.contains("kubectl") && !short.ends_with('.'), "{short}");
    let indented = text.lines().filter(|line| line.starts_with("    "));
    assert!(indented.clone().all(|line| line.len() <= 84 || line.contains("uri: ")), "{text}");

    let (code, _, said) = run(krew(&root).args(["install", "--manifest", &written, "--archive"]).arg(&archive));
    assert_eq!(code, 0, "{said}");
    let store = root.join("store/cmp").join(format!("v{}", env!("CARGO_PKG_VERSION")));
    assert!(store.join("LICENSE").exists(), "the licence is installed with it");

    let kubectl = |arguments: &[&str]| {
        let mut kubectl = Command::new(Binaries::get().path("kubectl"));
        run(kubectl.args(arguments).env("PATH", root.join("bin")).env("HOME", &root))
    };
    let (code, said, warned) = kubectl(&["cmp", "version", "--client"]);
    assert_eq!((code, said.as_str()), (0, concat!("Client Version: v", env!("CARGO_PKG_VERSION"))), "{warned}");
    let (code, said, warned) = kubectl(&["cmp", "completion", "install"]);
    assert!(code == 0 && said.contains("/bin/kubectl_complete-cmp created"), "{said}\n{warned}");
    let (code, said, warned) = kubectl(&["__complete", "cmp", "vers"]);
    assert!(code == 0 && said.starts_with("version"), "{said}\n{warned}");
    let (code, said, warned) = kubectl(&["plugin", "list"]);
    assert!(code == 0 && said.contains("/bin/kubectl-cmp") && warned.is_empty(), "{said}\n{warned}");
}

/// Checks the way in krew/README.md: the manifest in a repository of one's own.
#[test]
fn a_custom_index_offers_the_plugin() {
    let folder = Folder::new();
    let (index, root) = (folder.path().join("index"), folder.path().join("krew"));
    fs::create_dir_all(index.join("plugins")).unwrap();
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../krew/template.yaml");
    let mut manifest = fs::read_to_string(template).unwrap().replace("@VERSION@", "0.1.0");
    for platform in PLATFORMS {
        manifest = manifest.replace(&format!("@{platform}@"), &"0".repeat(64));
    }
    fs::write(index.join("plugins/cmp.yaml"), manifest).unwrap();
    for arguments in [
        &["init", "--quiet"][..],
        &["add", "plugins/cmp.yaml"],
        &["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "-m", "Add cmp"],
    ] {
        let (code, _, said) = run(Command::new("git").arg("-C").arg(&index).args(arguments));
        assert_eq!(code, 0, "{said}");
    }
    let (code, _, said) = run(krew(&root).args(["index", "add", "cmp"]).arg(&index));
    assert_eq!(code, 0, "{said}");
    let (code, shown, said) = run(krew(&root).args(["info", "cmp/cmp"]));
    assert!(code == 0 && shown.contains("VERSION: v0.1.0"), "{shown}\n{said}");
}

#[test]
fn the_scripts_name_the_mistake() {
    names_the_mistake(
        "krew/package.sh",
        &[
            (&["--prefix", "x"][..], "unknown argument --prefix: use --profile, --target and --out"),
            (&["--out"], "--out needs a value"),
            (
                &["--target", "x86_64-unknown-freebsd"],
                "no package is made for x86_64-unknown-freebsd: use linux, darwin or windows",
            ),
            (&["--target", "riscv64gc-unknown-linux-gnu"], "use x86_64 or aarch64"),
        ],
    );
}
