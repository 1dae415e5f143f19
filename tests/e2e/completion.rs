//! Candidates of the TAB key, requested as shells do: through kubectl's own `__complete`.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cmp_tests::binaries::built;
use cmp_tests::shell::{Output, command, path, run};

use crate::support::{running, shared};

/// A folder with the files of `completion install`.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = shared().plane.folder().join(format!("completion-{name}"));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn install(&self) -> Output {
        let mut command = Command::new(&built().plugin);
        command.args(["completion", "install", "--dir"]).arg(&self.0).env("PATH", self.path());
        run(command, "")
    }

    /// Returns PATH with this folder, kubectl and the plugin in it.
    fn path(&self) -> String {
        format!("{}:{}", self.0.display(), path())
    }

    /// Returns kubectl's answer to its completion scripts. The last word is incomplete.
    fn complete(&self, kubeconfig: &Path, words: &str) -> Output {
        let mut command = command(kubeconfig);
        command.args(["__complete", "cmp"]).args(words.split(' ')).env("PATH", self.path());
        run(command, "").ok()
    }

    /// Asserts that exactly these candidates are offered, and no file names.
    #[track_caller]
    fn check(&self, kubeconfig: &Path, words: &str, expected: &[&str]) {
        let output = self.complete(kubeconfig, words);
        let mut lines: Vec<&str> = output.stdout.lines().filter_map(|line| line.split('\t').next()).collect();
        assert_eq!(lines.pop(), Some(":4"), "{output}");
        assert_eq!(lines, expected, "{output}");
        let theirs = |line: &str| line.starts_with("[Debug] ") || line.starts_with("Completion ended with directive: ");
        assert!(output.stderr.lines().all(theirs), "kubectl alone says something:\n{output}");
    }
}

#[test]
fn a_user_is_offered_their_own_objects() {
    let user = shared().user("4", "8Gi");
    let (web, db) = (running(&user, "web", 2, "500m", "512Mi"), running(&user, "db", 1, "500m", "512Mi"));
    let folder = Folder::new("user");
    folder.install().ok().says("kubectl_complete-cmp created");
    let mine = &user.kubeconfig;
    folder.check(mine, "scal", &["scale"]);
    folder.check(mine, "suspend cluster ", &[&db, &web]);
    folder.check(mine, &format!("suspend cluster {db} "), &[&web]);
    folder.check(mine, "get cluster/w", &[&format!("cluster/{web}")]);
    folder.check(mine, "stop instance ", &[&format!("{db}-0"), &format!("{web}-0"), &format!("{web}-1")]);
    folder.check(mine, &format!("logs {web}/"), &[&format!("{web}/0"), &format!("{web}/1")]);
    folder.check(mine, "get instances --in w", &[&web]);
    folder.check(mine, "get instances -n d", &[&format!("{db}-ns")]);
    folder.check(mine, "quota ", &[&user.name]);
    folder.check(mine, &format!("suspend cluster {web} --mode="), &["pause", "halt"]);
    folder.check(mine, "create cluster ", &["--cpu", "--memory"]);
    // Completion offers nothing of others, and nothing that takes an administrator's rights.
    folder.check(mine, &format!("delete token {} ", user.name), &[]);
    assert!(folder.complete(mine, "get cluster w").stdout.contains(&format!("{web}\t2 of cpu=500m,memory=512Mi\n")));
    let files = folder.complete(mine, "create cluster x --ssh-key ");
    assert_eq!(files.stdout, ":0\n", "{files}");
}

#[test]
fn an_administrator_is_offered_users_their_clusters_and_tokens() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "500m", "512Mi");
    let folder = Folder::new("admin");
    folder.install().ok();
    let admin = &shared().plane.kubeconfig();
    let offers = |words: &str, expected: &str| {
        let output = folder.complete(admin, words);
        assert!(output.stdout.lines().any(|line| line.split('\t').next() == Some(expected)), "{expected}: {output}");
    };
    offers("get cluster ", &web);
    offers("describe user ", &user.name);
    offers("get clusters --owner ", &user.name);
    folder.check(admin, &format!("suspend cluster {web} --owner {} ", user.name), &[]);
    let id = user.admin(&["cmp", "get", "tokens", &user.name, "-o", "jsonpath={.items[0].metadata.name}"]).ok().stdout;
    folder.check(admin, &format!("delete token {} ", user.name), &[&id]);
    let context = user.admin(&["config", "current-context"]).ok().stdout;
    offers("get clusters --context ", context.trim());
    offers(
        "get clusters --user ",
        user.admin(&["config", "view", "-o", "jsonpath={.users[0].name}"]).ok().stdout.trim(),
    );
}

#[test]
fn completion_is_silent_without_a_server() {
    let folder = Folder::new("away");
    folder.install().ok();
    // This server takes connections and never answers: completion must limit its own wait.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    for server in [format!("https://127.0.0.1:{port}"), "https://127.0.0.1:1".to_owned(), "not an address".to_owned()] {
        let kubeconfig = folder.0.join("away.kubeconfig");
        let away = serde_json::json!({
            "clusters": [{ "name": "away", "cluster": { "server": server, "insecure-skip-tls-verify": true } }],
            "contexts": [{ "name": "away", "context": { "cluster": "away", "user": "away" } }],
            "users": [{ "name": "away", "user": { "token": "away" } }],
            "current-context": "away",
        });
        fs::write(&kubeconfig, away.to_string()).unwrap();
        let since = Instant::now();
        folder.check(&kubeconfig, "suspend cluster ", &[]);
        assert!(since.elapsed() < Duration::from_secs(20), "{server}: it took {:?}", since.elapsed());
        folder.check(&kubeconfig, "suspend clu", &["cluster"]);
    }
    fs::write(folder.0.join("empty.kubeconfig"), "").unwrap();
    folder.check(&folder.0.join("empty.kubeconfig"), "suspend cluster ", &[]);
    folder.check(&folder.0.join("no.kubeconfig"), "suspend cluster ", &[]);
}

#[test]
fn completion_is_installed_once_beside_the_plugin_or_where_it_is_told() {
    let folder = Folder::new("install");
    let link = folder.0.join("kubectl_complete-cmp");
    folder.install().ok().says(&format!("{} created", link.display())).says_not("Warning");
    folder.install().ok().says("unchanged (already installed)");
    let to = |target: &Path| {
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink(target, &link).unwrap();
    };
    to(Path::new("/no/such/kubectl-cmp"));
    folder.install().ok().says("configured");
    assert_eq!(fs::canonicalize(&link).unwrap(), fs::canonicalize(&built().plugin).unwrap());
    fs::remove_file(&link).unwrap();
    fs::write(&link, "somebody's own").unwrap();
    folder.install().fails().says("kubectl cmp did not create it").says("hint: remove the file");
    assert_eq!(fs::read_to_string(&link).unwrap(), "somebody's own");

    // The layout of krew: a link that each upgrade changes, in a folder on the PATH.
    let krew = Folder::new("krew");
    std::os::unix::fs::symlink(&built().plugin, krew.0.join("kubectl-cmp")).unwrap();
    let install = |how: &[&str]| {
        let mut command = command(&shared().plane.kubeconfig());
        command.args(["cmp", "completion", "install"]).args(how).env("PATH", krew.path());
        run(command, "")
    };
    let link = krew.0.join("kubectl_complete-cmp");
    install(&["--dry-run=client"]).ok().says(&format!("{} created (dry run)", link.display()));
    assert!(!link.exists());
    install(&[]).ok().says(&format!("{} created", link.display()));
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("kubectl-cmp"));
    install(&["--dir", &krew.0.display().to_string()]).ok().says("unchanged");
    install(&["--dir", "/no/such/folder"])
        .fails()
        .says("/no/such/folder/kubectl_complete-cmp: No such file")
        .says("--dir");
    let elsewhere = krew.0.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    install(&["--dir", &elsewhere.display().to_string()]).ok().says("created").says("is not on the PATH");
}

#[test]
fn bash_completes_the_plugin_called_by_its_own_name() {
    let folder = Folder::new("bash");
    let complete = |line: &str| {
        let script = "source <(kubectl-cmp completion bash) && COMP_LINE=$1 COMP_POINT=${#1} && _kubectl_cmp && \
                      printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        bash.args(["-c", script, "bash", line]).env("PATH", folder.path()).env("KUBECONFIG", "/no/such/file");
        run(bash, "").ok().stdout
    };
    assert_eq!(complete("kubectl-cmp sus"), "suspend\n");
    assert_eq!(complete("kubectl-cmp suspend "), "cluster\ninstance\n");
    assert_eq!(complete("kubectl-cmp suspend cluster web --mode=ha"), "halt\n");
    for shell in ["bash", "zsh", "fish"] {
        shared().plane.admin(&["cmp", "completion", shell]).ok().says(" __complete ");
    }
}
