//! An etcd that is restored from a snapshot. Revisions go back and repeat, and every earlier watch is at a revision
//! that does not exist any more.

use cmp_tests::etcd::Etcd;
use cmp_tests::{Installation, World, eventually};

use crate::support::{SOON, held, holds, runtime};

/// Returns the uids of the Namespaces and instances. Pods are left out: they are created again if the snapshot does not
/// have them.
fn there(user: &World<'_>) -> String {
    let uids = "jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.uid}\n{end}";
    let namespaces = user.admin(&["get", "namespaces", "-l", "kubectl-cmp.dev/owner=john", "-o", uids]).ok();
    let sets = user.admin(&["get", "statefulsets", "-A", "-o", uids]).ok();
    namespaces.stdout + &sets.stdout
}

fn world<'a>(installation: &'a Installation) -> World<'a> {
    let kubeconfig = installation.plane.folder().join("john.kubeconfig");
    World { installation, name: "john".to_owned(), kubeconfig }
}

#[test]
fn a_restored_etcd_converges_to_the_existing_objects() {
    let _beside = crate::beside();
    let mut installation = Installation::start(2, "3s");
    let user = installation.user_named("john", "16", "64Gi");
    user.running("kept", 2, "1", "1Gi");
    user.running("shrunk", 2, "1", "1Gi");
    user.running("deleted", 1, "1", "1Gi");
    let (before, account) = (there(&user), user.account());
    drop(user);
    installation.plane.snapshot("snapshot");
    installation.ready();
    for restarted in [false, true] {
        // The restore undoes this period, in which everything changes.
        let user = world(&installation);
        eventually("the policies know the Namespaces again", SOON, || {
            let scaled = user.cmp(&["scale", "cluster", "kept", "--count", "4"]);
            if scaled.code == 0 { Ok(()) } else { Err(scaled.to_string()) }
        });
        user.cmp(&["scale", "cluster", "shrunk", "--count", "1", "--yes"]).ok();
        user.cmp(&["delete", "cluster", "deleted", "--yes", "--wait"]).ok();
        user.running("new", 2, "1", "1Gi");
        user.account_is("it is shrunk", |account| holds(account, "shrunk", 1));
        drop(user);
        // The revision goes far ahead, so that the cached revisions stay in the future after the restore.
        runtime().block_on(async {
            let etcd = Etcd::new(installation.plane.etcd_url());
            for at in 0..3000 {
                etcd.put("/elsewhere", &at.to_string()).await.expect("etcd stores");
            }
        });
        installation.plane.restore("snapshot");
        if restarted {
            installation.restart();
        }
        let user = world(&installation);
        user.account_is("what was held is held", |account| {
            holds(account, "kept", 2) && holds(account, "shrunk", 2) && holds(account, "deleted", 1)
        });
        // New wants are met as before.
        user.cmp(&["create", "cluster", "later", "--cpu", "1", "--memory", "1Gi", "--timeout", "90s"]).ok();
        user.account_is("the new one is ready", |account| holds(account, "later", 1));
        user.cmp(&["delete", "cluster", "later", "--yes"]).ok();
        user.account_is("it is gone again", |account| held(account, "later").is_none());
        assert_eq!(there(&user), before, "nothing is destroyed, and nothing comes back");
        let now = user.account();
        for cluster in ["kept", "shrunk", "deleted", "new"] {
            assert_eq!(held(&now, cluster), held(&account, cluster), "{cluster}");
        }
        eventually("all instances run", SOON, || {
            let shown = user.cmp(&["get", "clusters"]).ok();
            let run = ["2/2", "1/1"].iter().map(|count| shown.stdout.matches(count).count()).sum::<usize>() == 3;
            if run { Ok(()) } else { Err(shown.to_string()) }
        });
    }
}
