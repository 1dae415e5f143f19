//! Users, their kubeconfigs and their tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cmp_tests::process::Folder;
use cmp_tests::{eventually, shell};

use crate::support::{SOON, running, shared};

#[test]
fn a_kubeconfig_works_unchanged_and_is_private() {
    let user = shared().user("4", "8Gi");
    let mode = fs::metadata(&user.kubeconfig).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let expected = format!("system:serviceaccount:cmp-users:{}", user.name);
    user.cmp(&["whoami"]).ok().says(&expected).says("8Gi");
    let who = user.cmp(&["whoami", "-o", "json"]).ok().json();
    assert_eq!(who["status"]["username"], expected);
    user.kubectl(&["auth", "whoami"]).ok().says(&expected);
    // The kubeconfig on standard output can be stored unchanged, too.
    let name = format!("{}-b", user.name);
    let printed = user.admin(&["cmp", "create", "user", &name, "--cpu", "1", "--memory", "1Gi"]).ok();
    assert!(printed.stdout.starts_with(&format!("# user/{name} created\n")), "{printed}");
    let path = user.installation.plane.folder().join("printed.kubeconfig");
    fs::write(&path, &printed.stdout).unwrap();
    shell::kubectl(&path, &["cmp", "quota", "--no-headers"]).ok().says("1Gi");
}

#[test]
fn a_repeated_create_continues_and_another_quota_is_an_error() {
    let user = shared().user("4", "8Gi");
    let out = user.installation.plane.folder().join("again.kubeconfig").display().to_string();
    let again = |cpu: &str| {
        let name = &user.name;
        user.admin(&["cmp", "create", "user", name, "--cpu", cpu, "--memory", "8Gi", "--kubeconfig-out", &out])
    };
    again("5")
        .fails()
        .says("exists and has another quota")
        .says(&format!("kubectl cmp set quota {} --cpu 5", user.name));
    // The user is incomplete, as after a killed command.
    user.admin(&["delete", "rolebinding", &user.name, "-n", "cmp-users"]).ok();
    user.cmp(&["quota"]).fails();
    again("4").ok().says(&format!("user/{} unchanged", user.name));
    eventually("the right is back", SOON, || {
        let asked = shell::kubectl(Path::new(&out), &["cmp", "quota"]);
        if asked.code == 0 { Ok(()) } else { Err(asked.to_string()) }
    });
    // The first command wrote no kubeconfig.
    assert!(fs::read_to_string(&out).unwrap().contains("token: "));
    again("5").fails();
    assert!(fs::read_to_string(&out).unwrap().contains("token: "), "a command that fails leaves an older one as it is");
    user.admin(&["cmp", "create", "user", "x", "--cpu", "1", "--memory", "1Gi", "--kubeconfig-out", "/no/such/folder"])
        .fails()
        .says("--kubeconfig-out /no/such/folder")
        .says("nothing was created");
    user.admin(&["get", "configmap", "x", "-n", "cmp-users"]).fails();
}

#[test]
fn an_existing_user_gets_a_token_only_on_request() {
    let user = shared().user("4", "8Gi");
    let tokens = || {
        let listed = user.admin(&["cmp", "get", "tokens", &user.name, "-o", "json"]).ok().json();
        listed["items"].as_array().unwrap().len()
    };
    let create = ["cmp", "create", "user", &user.name, "--cpu", "4", "--memory", "8Gi"];
    let again = |more: &[&str]| user.admin(&[&create[..], more].concat()).ok();
    assert_eq!(tokens(), 1);
    let said = again(&[]);
    assert_eq!(said.stdout, format!("user/{} unchanged\n", user.name));
    said.says(&format!("no token was made, because user {} exists", user.name))
        .says(&format!("hint: a new token: kubectl cmp create token {}", user.name))
        .says("--kubeconfig-out FILE");
    assert!(again(&["-o", "name"]).stderr.is_empty());
    again(&["-o", "json"]).says_not("token");
    again(&["--dry-run=server"]);
    assert_eq!(tokens(), 1);
    let out = user.installation.plane.folder().join("another.kubeconfig").display().to_string();
    again(&["--kubeconfig-out", &out]).says("unchanged").says_not("no token was made");
    assert_eq!(tokens(), 2);
    shell::kubectl(Path::new(&out), &["cmp", "quota"]).ok();
}

#[test]
fn a_kubeconfig_is_written_only_to_the_requested_place() {
    use std::os::unix::fs::symlink;

    let user = shared().user("4", "8Gi");
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    let create = |name: &str| {
        let out = at(name).display().to_string();
        let create = ["cmp", "create", "user", &user.name, "--cpu", "4", "--memory", "8Gi", "--kubeconfig-out", &out];
        user.admin(&create)
    };
    fs::write(at("victim"), "theirs").unwrap();
    symlink(at("victim"), at("link")).unwrap();
    fs::hard_link(at("victim"), at("other-name")).unwrap();
    create("link").fails().says("it is a symbolic link: name the file itself").says("nothing was created");
    create("other-name").fails().says("it has another name (a hard link)");
    create("").fails().says("directory");
    assert_eq!(fs::read_to_string(at("victim")).unwrap(), "theirs");
    // An older file was open to others, and longer.
    fs::write(at("older"), "x".repeat(1 << 16)).unwrap();
    fs::set_permissions(at("older"), PermissionsExt::from_mode(0o666)).unwrap();
    create("older").ok();
    assert_eq!(fs::metadata(at("older")).unwrap().permissions().mode() & 0o777, 0o600);
    shell::kubectl(&at("older"), &["cmp", "quota"]).ok();
}

#[test]
fn a_deleted_token_is_refused() {
    let user = shared().user("4", "8Gi");
    let plane = &user.installation.plane;
    let token = user.admin(&["cmp", "create", "token", &user.name, "--duration", "1h"]).ok();
    let kubeconfig = plane.kubeconfig_for(&format!("{}-token", user.name), token.stdout.trim());
    shell::kubectl(&kubeconfig, &["cmp", "quota"]).ok();
    let listed = user.admin(&["cmp", "get", "tokens", &user.name, "-o", "json"]).ok().json();
    let tokens = listed["items"].as_array().unwrap();
    assert_eq!(tokens.len(), 2, "one of the kubeconfig, one of its own");
    user.admin(&["cmp", "get", "tokens", &user.name]).ok().says("in 59m").says("in 29d");
    // The newest token is the one that expires first.
    let id = |at: usize| tokens[at]["metadata"]["name"].as_str().unwrap().to_owned();
    let expires = |at: usize| tokens[at]["status"]["expires"].as_str().unwrap().to_owned();
    let id = if expires(0) < expires(1) { id(0) } else { id(1) };
    let other = shared().user("1", "1Gi");
    user.admin(&["cmp", "delete", "token", &other.name, &id, "--yes"]).fails().says("not found");
    user.admin(&["cmp", "delete", "token", &user.name, &id]).fails().says("repeat the command with --yes to confirm");
    user.admin(&["cmp", "delete", "token", &user.name, &id, "--yes"]).ok().says(&format!("token/{id} deleted"));
    eventually("the token is refused", SOON, || {
        let asked = shell::kubectl(&kubeconfig, &["cmp", "quota"]);
        if asked.code == 1 && asked.stderr.contains("you must be logged in") { Ok(()) } else { Err(asked.to_string()) }
    });
    user.cmp(&["quota"]).ok();
    user.admin(&["cmp", "create", "token", &user.name, "--duration", "1m"]).fails().says("10 minutes");
    user.admin(&["cmp", "create", "token", "nobody"]).fails().says("user \"nobody\" not found");
    let count = user.admin(&["cmp", "get", "tokens", &user.name, "-o", "name"]).ok().stdout.lines().count();
    assert_eq!(count, 1, "a token that could not be made leaves nothing");
}

#[test]
fn a_user_with_clusters_is_deleted_with_them_or_not_at_all() {
    let user = shared().user("4", "8Gi");
    let name = running(&user, "web", 1, "1", "1Gi");
    let delete = |more: &[&str]| {
        let mut arguments = vec!["cmp", "delete", "user", &user.name];
        arguments.extend(more);
        user.admin(&arguments)
    };
    delete(&["--yes"]).fails().says(&format!("still has clusters: {name}")).says("--cascade");
    delete(&["--cascade"]).fails().says(&format!("cluster/{name}")).says("--yes");
    user.cmp(&["quota"]).ok();
    delete(&["--cascade", "--dry-run=client"]).ok().says("deleted (dry run)");
    let said = delete(&["--cascade", "--yes"]).ok().says(&format!("cluster/{name} deleted"));
    let far = said.stderr.lines().any(|line| line.starts_with(&format!("{name}: ")));
    assert!(far, "how far it is is said meanwhile: {said}");
    said.says(&format!("user/{} deleted", user.name));
    user.admin(&["get", "namespace", &format!("{name}-ns")]).fails().says("not found");
    let left =
        user.admin(&["get", "configmaps,secrets,serviceaccounts,roles,rolebindings", "-n", "cmp-users", "-o", "name"]);
    let left: Vec<&str> = left.stdout.lines().filter(|line| line.contains(&format!("/{}", user.name))).collect();
    assert!(
        left.iter().all(|line| line
            .split('/')
            .next_back()
            .unwrap()
            .trim_start_matches(&user.name)
            .starts_with(|c: char| c.is_ascii_digit())),
        "{left:?}"
    );
    delete(&["--yes"]).fails().says(&format!("user \"{}\" not found", user.name));
    eventually("the kubeconfig is worth nothing", SOON, || {
        let asked = user.cmp(&["quota"]);
        if asked.code == 1 { Ok(()) } else { Err(asked.to_string()) }
    });
}

#[test]
fn the_administrator_sees_everyone() {
    let user = shared().user("4", "8Gi");
    running(&user, "web", 2, "1", "1Gi");
    let line = user.admin(&["cmp", "get", "user", &user.name, "--no-headers"]).ok();
    let cells: Vec<&str> = line.stdout.split_whitespace().collect();
    assert_eq!(cells[..5], [user.name.as_str(), "2/4", "2Gi/8Gi", "1", "2"], "{line}");
    user.admin(&["cmp", "describe", "user", &user.name]).ok().says("Settled:").says("1 of 100").says("2 of 1000");
    let shown = user.admin(&["cmp", "get", "user", &user.name, "-o", "yaml"]).ok();
    shown.says("kind: User").says("settled: true");
    user.admin(&["cmp", "quota", &user.name]).ok().says("8Gi");
    user.admin(&["cmp", "get", "users", "nobody"]).fails().says("user \"nobody\" not found");
    user.admin(&["cmp", "set", "quota", &user.name]).fails().says("nothing to set");
    user.admin(&["cmp", "set", "quota", &user.name, "--cpu", "4"]).ok().says("unchanged");
    user.admin(&["cmp", "set", "quota", &user.name, "--cpu", "5", "--dry-run=server"])
        .ok()
        .says("configured (server dry run)");
}
