//! Tests of cmp's promises while everything around it fails: under faults, after a restore, and under churn.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use cmp_tests::control_plane::{Options, client};
use cmp_tests::etcd::Etcd;
use cmp_tests::{ControlPlane, Installation, eventually};
use fastrand::Rng;
use serde_json::json;

mod churn;
mod clients;
mod faults;
mod observer;
mod recovery;
mod restore;
mod support;

use clients::{Counts, Person};
use faults::{FAULTS, Faults};
use observer::Observer;
use support::{SOON, finished, runtime};

static MACHINE: RwLock<()> = RwLock::new(());

/// Gives the whole machine to a test that loads it.
fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Lets a test run beside others that mostly wait.
fn beside() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a number from the environment.
fn given(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// Prints past the capture of output, so that the text is readable whatever happens.
fn say(text: &str) {
    // Without standard error there is nobody to tell.
    let _said = writeln!(std::io::stderr(), "{text}");
}

/// Long enough for an admitted request to be stored or dropped. The API server gives up after 6 s, and etcd pauses for
/// 3 s at most.
const WINDOW: &str = "10s";
const REQUESTS: &str = "--request-timeout=6s";
/// The time limit for everything to settle after the last fault. kube-controller-manager pauses twice as long after each
/// failure to write the status of a ResourceQuota, up to minutes, and a cluster is preparing until then.
const QUIET: Duration = Duration::from_secs(240);

#[test]
fn the_invariants_hold_while_everything_fails() {
    let _alone = alone();
    let seed = given("CMP_CHAOS_SEED").unwrap_or_else(|| Rng::new().u64(..));
    let duration = Duration::from_secs(given("CMP_CHAOS_SECONDS").unwrap_or(60));
    let told = format!("CMP_CHAOS_SEED={seed}");
    say(&format!("{told} for {} s", duration.as_secs()));
    let mut random = Rng::with_seed(seed);

    // The observer can read the stored JSON. The higher limits let the controllers delete more than one Namespace in
    // five seconds.
    let plane = ControlPlane::start_with(&Options {
        apiserver: vec!["--storage-media-type=application/json".to_owned(), REQUESTS.to_owned()],
        controller_manager: vec!["--kube-api-qps=200".to_owned(), "--kube-api-burst=400".to_owned()],
        ..Options::default()
    });
    let runtime = runtime();
    let etcd = runtime.block_on(async { Etcd::new(plane.etcd_url()) });
    let observer = Observer::start(etcd, plane.folder(), &runtime);
    let installed = Installation::on(plane, 3, WINDOW, |plane, url| {
        plane.admin(&["cmp", "install", "--webhook-url", url]).ok();
        true
    });
    let mut installation = installed.expect("it was installed");

    let users: Vec<String> = (0..6).map(|at| format!("user-{at}")).collect();
    let (counts, stop) = (Counts::default(), Arc::new(AtomicBool::new(false)));
    let kubeconfigs: Vec<_> = users.iter().map(|user| installation.user_named(user, "8", "64Gi").kubeconfig).collect();
    let work: Vec<_> = (0..16)
        .map(|number| {
            let kubeconfig = kubeconfigs[number % users.len()].clone();
            let person = Person {
                number,
                user: users[number % users.len()].clone(),
                client: runtime.block_on(client(&kubeconfig)),
                kubeconfig,
                random: random.fork(),
                counts: counts.clone(),
                observer: observer.clone(),
            };
            runtime.spawn(person.work(stop.clone()))
        })
        .collect();
    let mut faults = Faults::new(&mut installation, &users, random.fork(), &observer);
    faults.run(duration);
    let hits = std::mem::take(&mut faults.hits);
    stop.store(true, Ordering::Relaxed);
    finished(&runtime, work);
    say(&format!("faults: {hits:?}"));
    for ((work, outcome), count) in counts.all() {
        say(&format!("{count:>6} {work}: {outcome}"));
    }
    say(&format!("{} changes in etcd were looked at", observer.changes()));
    observer.judge(&told);

    let quiet = Instant::now();
    installation.ready();
    eventually(&format!("{told}: everything comes to rest"), QUIET, || runtime.block_on(observer.settled()));
    say(&format!("at rest after {} s", quiet.elapsed().as_secs()));
    observer.judge(&told);
    eventually(&format!("{told}: nothing is left"), QUIET + SOON, || {
        for (user, cluster, uid) in observer.held() {
            let patch = json!({ "data": { format!("delete.{cluster}"): uid } }).to_string();
            // A deletion that is asked for already stays asked for.
            installation.plane.admin(&["patch", "configmap", &user, "-n", "cmp-users", "--type=merge", "-p", &patch]);
        }
        runtime.block_on(observer.empty())
    });
    observer.judge(&told);

    for fault in FAULTS {
        assert!(hits.get(&fault).is_some_and(|hits| *hits > 0), "{told}: {fault:?} never hit: {hits:?}");
    }
    for work in clients::WORK {
        assert!(counts.done(work) > 0, "{told}: nobody ever did it: {work}: {:?}", counts.all());
    }
    for outcome in ["refused at random", "over quota"] {
        assert!(counts.outcome(outcome) > 0, "{told}: nobody was {outcome}: {:?}", counts.all());
    }
}
