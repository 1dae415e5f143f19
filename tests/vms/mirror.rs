//! The mirror observes virtual machines: a pause, its author and its length.

use cmp_core::usage::Span;
use cmp_tests::{eventually, history};

use crate::clusters::running;
use crate::support::{SOON, installed};

#[test]
fn the_states_of_a_machine_are_recorded() {
    let user = installed().user("2", "4Gi");
    let plane = &user.installation.plane;
    let path = plane.folder().join("machines.db");
    let watch = history::watch(plane, "machines", &path);
    let dev = running(&user, "dev", 1);
    let spans = || -> Vec<Span> {
        let mut spans = history::settled(&path, |span| span.cluster.as_str() == dev);
        // Between the resume request and its effect the machine is still paused, but the suspension has no author any
        // more.
        spans.dedup_by_key(|span| (span.state, span.paused));
        spans
    };
    let comes_to_be = |expected: &[&str]| {
        eventually(&format!("{expected:?} is written down"), SOON, || {
            let spans = spans();
            let states: Vec<String> = spans
                .iter()
                .map(|span| format!("{}{}", span.state, if span.paused { " paused" } else { "" }))
                .collect();
            if states == expected { Ok(spans) } else { Err(format!("{states:?}\n{}", watch.last_words())) }
        })
    };
    comes_to_be(&["running"]);
    user.cmp(&["suspend", "cluster", &dev]).ok().says("1 suspended");
    comes_to_be(&["running", "suspended paused"]);
    user.cmp(&["resume", "cluster", &dev, "--wait"]).ok();
    comes_to_be(&["running", "suspended paused", "running"]);
    user.cmp(&["suspend", "cluster", &dev, "--mode", "halt"]).ok();
    let all = comes_to_be(&["running", "suspended paused", "running", "suspended"]);
    let by = format!("system:serviceaccount:cmp-users:{}", user.name);
    let whom: Vec<Option<&str>> = all.iter().map(|span| span.by.as_deref()).collect();
    assert_eq!(whom, [None, Some(by.as_str()), None, Some(by.as_str())]);
    assert!(all.iter().all(|span| span.kind.as_str() == "vm" && span.instance_uid == all[0].instance_uid), "{all:?}");
}
