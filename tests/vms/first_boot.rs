//! The first boot of machines: keys, the file of cloud-init, and the Secret that holds it.

use std::path::PathBuf;

use cmp_tests::shell::{command, run};
use cmp_tests::{World, eventually};
use serde_json::{Value, json};

use crate::guests::uid;
use crate::support::{SOON, installed};

pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEAVvHOMwLJ0IiqFXJ3yRBqOqRkTGXSfCLDGbL0m5Vqp john@laptop";
const PASSWORD: &str = "correct-horse";

/// A folder that is removed on drop.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("cmp-first-boot-{}-{name}", std::process::id()));
        std::fs::create_dir_all(path.join(".ssh")).unwrap();
        Self(path)
    }

    /// Writes a file, and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn a_file_of_cloud_init_is_in_a_secret_and_nowhere_else() {
    let (john, mary) = (installed().user("16", "64Gi"), installed().user("1", "1Gi"));
    let folder = Folder::new("cloud-init");
    // The file is far above the 2 KiB that KubeVirt accepts in a VM.
    let text = format!("#cloud-config\npassword: {PASSWORD}\n{}", "# a long comment\n".repeat(1000));
    let (file, other) = (folder.file("web.yaml", &text), folder.file("other.sh", "#!/bin/sh\n"));
    let key = folder.file("john.pub", KEY);
    let dev = john.cluster("dev");
    let namespace = format!("{dev}-ns");
    let create = |more: &[&str]| {
        let create = ["create", "cluster", &dev, "--type", "vm", "--cpu", "1", "--memory", "1Gi", "--ssh-key", &key];
        john.cmp(&[create.as_slice(), more].concat())
    };
    let secret = || john.kubectl(&["get", "secret", "cmp-cloud-init", "-n", &namespace, "-o", "json"]);

    create(&["--cloud-init", &file, "--dry-run=client"])
        .ok()
        .says(&format!("write secret/cmp-cloud-init in namespace {namespace}"))
        .says_not(PASSWORD);
    create(&["--cloud-init", &file]).ok().says(&format!("cluster/{dev} created"));
    let stored = secret().ok().json();
    assert!(stored["data"]["userdata"].as_str().unwrap().len() > text.len(), "{stored}");
    let machine = || john.kubectl(&["get", "vm", &format!("{dev}-0"), "-n", &namespace, "-o", "json"]).ok();
    let volumes = &machine().json()["spec"]["template"]["spec"]["volumes"];
    let expected = json!({ "name": "cloudinit", "cloudInitNoCloud": { "secretRef": { "name": "cmp-cloud-init" } } });
    assert_eq!(volumes[1], expected);
    machine().says_not(PASSWORD);
    let described = john.cmp(&["describe", "cluster", &dev]).ok().says_not(PASSWORD);
    described.says("ssh-ed25519 john@laptop").says("secret/cmp-cloud-init (sha256:").says_not("AAAAC3");
    assert!(!john.account().to_string().contains(PASSWORD));
    mary.kubectl(&["get", "secret", "cmp-cloud-init", "-n", &namespace]).fails().says("forbidden");

    // The same command goes on, and another file is another cluster.
    create(&["--cloud-init", &file]).ok().says("unchanged");
    create(&["--cloud-init", &other])
        .fails()
        .says(&format!("cluster {dev} exists and is different: cloudInit is sha256:"));
    // Further instances take the Secret that is there. Without it, nothing changes.
    john.cmp(&["scale", "cluster", &dev, "--count", "2"]).ok().says("scaled");
    john.kubectl(&["delete", "secret", "cmp-cloud-init", "-n", &namespace]).ok();
    john.cmp(&["scale", "cluster", &dev, "--count", "3"])
        .fails()
        .says(&format!("secret cmp-cloud-init in namespace {namespace} is gone"))
        .says(&format!("repeat create cluster {dev} with the same --cloud-init FILE"));
    create(&["--cloud-init", &file, "--count", "2"]).ok().says("unchanged");
    assert_eq!(secret().ok().json()["data"], stored["data"]);
    john.cmp(&["scale", "cluster", &dev, "--count", "3"]).ok().says("scaled");

    // An export has no secrets, and says what has to be given again.
    let exported = john.cmp(&["export", "cluster", &dev]).ok().says_not(PASSWORD);
    let exported =
        exported.says(&format!("files of --cloud-init are not exported; give them again to create cluster -f: {dev}"));
    john.cmp(&["delete", "cluster", &dev, "--yes", "--wait", "--timeout", "180s"]).ok();
    john.cmp_reading(&["create", "-f", "-"], &exported.stdout)
        .fails()
        .says(&format!("cluster {dev} needs the file of --cloud-init"));
    assert_eq!(john.account()[format!("want.{dev}")], Value::Null);
    let again =
        |file: &str| john.cmp_reading(&["create", "cluster", "-f", "-", "--cloud-init", file], &exported.stdout);
    again(&other).fails().says("--cloud-init: no cluster in the file was created with this content");
    again(&file).ok().says(&format!("cluster/{dev} created"));
    assert_eq!(secret().ok().json()["data"], stored["data"]);
}

#[test]
fn the_same_command_restores_the_secrets_that_nobody_but_the_owner_changes() {
    /// The Secrets, each with a key that a guest reads.
    const SECRETS: [(&str, &str); 2] = [("cmp-cloud-init", "userdata"), ("cmp-sysprep", "unattend.xml")];
    let (john, mary) = (installed().user("16", "64Gi"), installed().user("1", "1Gi"));
    let folder = Folder::new("secrets");
    let setup = folder.file("setup.yaml", "#cloud-config\npassword: correct-horse\n");
    let answers = folder.file("unattend.xml", "<unattend/>");
    let dev = john.cluster("dev");
    let namespace = format!("{dev}-ns");
    let create = |count: &str| {
        let create = ["create", "cluster", &dev, "--type", "vm", "--cpu", "1", "--memory", "1Gi", "--count", count];
        let files = ["--ssh-key", "none", "--cloud-init", &setup, "--sysprep", &answers];
        john.cmp(&[create.as_slice(), &files].concat())
    };
    let of = |user: &World<'_>, verb: &str, name: &str, more: &[&str]| {
        user.kubectl(&[[verb, "secret", name, "-n", &namespace].as_slice(), more].concat())
    };
    let data = || SECRETS.map(|(name, _)| of(&john, "get", name, &["-o", "jsonpath={.data}"]).ok().stdout);
    let forged = |(name, key): (&str, &str)| {
        let forged = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": namespace },
            "data": { key: "Zm9yZ2Vk" }, "immutable": true });
        john.kubectl_reading(&["create", "-f", "-"], &forged.to_string())
    };
    // Before its cluster there is no Namespace that a Secret could be in.
    for each in SECRETS {
        forged(each).fails().says("forbidden");
    }
    create("1").ok();
    let written = data();

    // An edited Secret is what the next VM finds, until the same command is repeated.
    for (name, key) in SECRETS {
        let patch = json!({ "data": { key: "Zm9yZ2Vk" } }).to_string();
        of(&mary, "patch", name, &["--type=merge", "-p", &patch]).fails().says("forbidden");
        of(&mary, "delete", name, &[]).fails().says("forbidden");
        of(&john, "patch", name, &["--type=merge", "-p", &patch]).ok();
    }
    john.cmp(&["scale", "cluster", &dev, "--count", "2"]).ok().says("scaled");
    assert!(data().iter().zip(&written).all(|(now, before)| now != before));
    create("2").ok().says("unchanged");
    assert_eq!(data(), written);

    // One that nobody may change has to be deleted first.
    for each in SECRETS {
        of(&john, "delete", each.0, &[]).ok();
        forged(each).ok();
        create("2").fails().says("field is immutable").says(&format!(
            "hint: delete it, and repeat the command: kubectl delete secret {} -n {namespace}\n",
            each.0
        ));
        of(&john, "delete", each.0, &[]).ok();
        let before = john.account();
        for more in [&["--dry-run=client"][..], &["--dry-run=server"], &[]] {
            let scale = ["scale", "cluster", &dev, "--count", "3"];
            let refused = john.cmp(&[&scale[..], more].concat()).fails();
            refused.says(&format!("secret {} in namespace {namespace} is gone", each.0));
        }
        assert_eq!(john.account(), before, "nothing is raised");
        create("2").ok().says("unchanged");
        assert_eq!(data(), written);
    }
    john.cmp(&["scale", "cluster", &dev, "--count", "3"]).ok().says("scaled");
}

#[test]
fn a_new_cluster_takes_the_own_key_of_its_user_and_an_existing_one_keeps_its_keys() {
    let john = installed().user("16", "64Gi");
    let (folder, empty) = (Folder::new("own-key"), Folder::new("no-key"));
    let path = folder.file(".ssh/id_ed25519.pub", KEY);
    let private = folder.file(".ssh/id_ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA");
    let (dev, bare) = (john.cluster("dev"), john.cluster("bare"));
    let create = |home: &Folder, name: &str, more: &[&str]| {
        let mut command = command(&john.kubeconfig);
        let create = ["cmp", "create", "cluster", name, "--type", "vm", "--cpu", "1", "--memory", "1Gi"];
        command.args(create).args(more).env("HOME", &home.0);
        run(command, "")
    };
    let said = format!("using the SSH key {path} (--ssh-key none for no key)");
    create(&folder, &dev, &[]).ok().says(&said).says(&format!("cluster/{dev} created"));
    let key = |name: &str| john.cmp(&["get", "cluster", name, "-o", "json"]).ok().json()["spec"]["sshKey"].clone();
    assert_eq!(key(&dev), KEY);
    create(&empty, &dev, &[]).ok().says("unchanged");
    create(&folder, &dev, &[]).ok().says("unchanged").says_not("using the SSH key");
    create(&folder, &dev, &["--ssh-key", "none"]).fails().says("exists and is different: sshKey is ssh-ed25519");
    create(&folder, &bare, &["--ssh-key", &private])
        .fails()
        .says("the file contains a private key, which was not sent")
        .says_not("b3Blbn");
    create(&folder, &bare, &["--ssh-key", "none"]).ok().says_not("using the SSH key");
    assert_eq!(key(&bare), Value::Null);
}

#[test]
fn no_vm_is_switched_off_that_could_not_start_again() {
    let john = installed().user("16", "64Gi");
    let folder = Folder::new("start");
    let setup = folder.file("setup.yaml", "#cloud-config\npackages: [git]\n");
    let dev = john.cluster("dev");
    let (one, namespace) = (format!("{dev}-0"), format!("{dev}-ns"));
    let create = || {
        let create = ["create", "cluster", &dev, "--type", "vm", "--cpu", "1", "--memory", "1Gi", "--count", "2"];
        let more = ["--ssh-key", "none", "--cloud-init", &setup, "--wait", "--timeout", "120s"];
        john.cmp(&[&create[..], &more].concat())
    };
    let late = ["--timeout", "120s"];
    let delete = || john.kubectl(&["delete", "secret", "cmp-cloud-init", "-n", &namespace]).ok();
    let objects = || {
        let vms = john.kubectl(&["get", "vm", "-n", &namespace, "-o", "jsonpath={.items[*].metadata.generation}"]).ok();
        (john.account(), vms.stdout, uid(&john, &dev))
    };
    create().ok();
    let sentence = format!("secret cmp-cloud-init in namespace {namespace} is gone");
    let way_out = format!("repeat create cluster {dev} with the same flags and files");
    // Each command is refused before it changes anything.
    let refused = |command: &[&str]| {
        let before = objects();
        john.cmp(command).fails().says(&sentence).says(&way_out);
        assert_eq!(objects(), before, "{command:?}");
    };
    delete();
    for dry_run in [&[][..], &["--dry-run=client"], &["--dry-run=server"]] {
        refused(&[&["resize", "cluster", &dev, "--cpu", "2", "--yes"][..], dry_run].concat());
        refused(&[&["rollout", "restart", "cluster", &dev, "--yes"][..], dry_run].concat());
    }
    for check in [john.admin(&["cmp", "check"]), john.cmp(&["check"])] {
        check.says("first-boot").says(&sentence).says(&format!("cluster {dev} do not start again"));
    }
    john.cmp(&["get", "instance", &one, "-o", "wide"]).ok().says("running").says_not("SecretMissing");
    // A frozen guest goes on without it.
    john.cmp(&["suspend", "cluster", &dev, "--wait"]).ok();
    john.cmp(&["resume", "cluster", &dev, "--wait"]).ok();
    create().ok();
    john.cmp(&[&["stop", "instance", &one, "--wait", "--yes"][..], &late].concat()).ok();
    delete();
    refused(&["start", "instance", &one]);
    create().ok();
    john.cmp(&[&["start", "instance", &one, "--wait"][..], &late].concat()).ok();
    john.cmp(&[&["suspend", "cluster", &dev, "--mode=halt", "--wait", "--yes"][..], &late].concat()).ok();
    delete();
    refused(&["resume", "cluster", &dev]);
    refused(&["resume", "cluster", &dev, "--for", "3h"]);
    refused(&["resume", "instance", &one]);

    // A VM that is started all the same says why it does not run.
    let on = json!({ "spec": { "runStrategy": "Always" } }).to_string();
    john.kubectl(&["patch", "vm", &one, "-n", &namespace, "--type=merge", "-p", &on]).ok();
    eventually("the reason is shown", SOON, || {
        let shown = john.cmp(&["get", "instance", &one, "-o", "wide"]).ok();
        let says = ["failed", "SecretMissing", &sentence, &way_out].iter().all(|word| shown.stdout.contains(word));
        if says { Ok(()) } else { Err(shown.to_string()) }
    });
    john.cmp(&["describe", "instance", &one]).ok().says("SecretMissing").says(&way_out);
    john.cmp(&["describe", "cluster", &dev]).ok().says(&sentence);
    create();
    john.becomes(&one, "running");
}
