use super::*;
use crate::account::tests::{account, name, size, want};
use crate::name::TemplateName;
use crate::plan::tests::{HELD, WEB, time, written as rows_of};
use crate::schedule::Schedule;
use crate::vocabulary::InstanceType;

/// Three containers with a label and a schedule.
fn web() -> Want {
    Want { labels: [("app".to_owned(), "web".to_owned())].into(), schedule: Some(schedule("0 19 * * *")), ..plain() }
}

fn plain() -> Want {
    want(3, "cpu=2,memory=4Gi")
}

fn schedule(suspend: &str) -> Schedule {
    let since = Some(time("2026-11-28T12:00:00Z"));
    Schedule { suspend: vec![suspend.to_owned()], since, ..Schedule::default() }
}

/// Writes the steps as words.
fn words(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Step::Write => "write".to_owned(),
        Step::Scale(wish) => format!("count={}", wish.count),
        Step::Resize(wish) => {
            let own = [("cpu", wish.cpu), ("memory", wish.memory)];
            let own = own.into_iter().filter_map(|(name, amount)| Some(format!("{name}={}", amount?)));
            let more = wish.more.iter().map(|(name, amount)| format!("{name}={amount}"));
            own.chain(more).collect::<Vec<_>>().join(",")
        }
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn an_edit_is_a_list_of_steps_or_a_refusal() {
    let labels = || [("app".to_owned(), "shop".to_owned())].into();
    let fixed = |field: &str| {
        format!(
            "spec.{field} of cluster web cannot be changed\n\
             hint: create another cluster with it, then delete this one"
        )
    };
    let template: Option<TemplateName> = Some("big".parse().unwrap());
    for (after, expected) in [
        (web(), String::new()),
        (Want { count: 5, ..web() }, "count=5".to_owned()),
        (Want { count: 1, ..web() }, "count=1".to_owned()),
        (Want { size: size("cpu=1,memory=4Gi"), ..web() }, "cpu=1".to_owned()),
        (Want { size: size("cpu=2,memory=8Gi"), ..web() }, "memory=8Gi".to_owned()),
        (
            Want { size: size("cpu=1,memory=8Gi,nvidia.com/gpu=1"), ..web() },
            "cpu=1,memory=8Gi,nvidia.com/gpu=1".to_owned(),
        ),
        (Want { schedule: None, ..web() }, "write".to_owned()),
        (Want { schedule: Some(schedule("0 20 * * *")), ..web() }, "write".to_owned()),
        (Want { labels: labels(), ..web() }, "write".to_owned()),
        (Want { annotations: labels(), ..web() }, "write".to_owned()),
        (Want { labels: labels(), schedule: None, count: 4, ..web() }, "write count=4".to_owned()),
        // Instances that go do not restart before, and those that come have the new size.
        (Want { count: 1, size: size("cpu=1,memory=1Gi"), ..web() }, "count=1 cpu=1,memory=1Gi".to_owned()),
        (Want { count: 5, size: size("cpu=1,memory=1Gi"), ..web() }, "cpu=1,memory=1Gi count=5".to_owned()),
        (Want { kind: InstanceType::Vm, count: 1, ..web() }, fixed("type")),
        (Want { kind: InstanceType::Vm, command: vec!["a".to_owned()], ..web() }, fixed("type")),
        (Want { template, ..web() }, fixed("template")),
        (Want { image: Some("nginx".to_owned()), ..web() }, fixed("image")),
        (Want { ports: vec![80], ..web() }, fixed("ports")),
        (Want { released: true, ..web() }, fixed("released")),
        (
            Want { size: size("cpu=2"), ..web() },
            "spec.size.memory of cluster web cannot be removed\n\
             hint: create another cluster without it, then delete this one"
                .to_owned(),
        ),
        (
            Want { schedule: Some(schedule("0 25 * * *")), ..web() },
            format!("spec.{}", schedule("0 25 * * *").check(InstanceType::Container).unwrap_err()),
        ),
    ] {
        let came = steps(&name("web"), &web(), &after);
        assert_eq!(came.map_or_else(|refusal| refusal.to_string(), |steps| words(&steps)), expected, "{after:?}");
    }
}

#[test]
fn the_quota_is_checked_for_the_whole_and_a_conflict_is_told() {
    let held = &[("want.web", WEB), ("held.web", HELD)][..];
    let other = WEB.replace('3', "2");
    let over = "exceeded quota: john, requested: cpu=14, used: cpu=6, limited: cpu=16";
    let changed = "cluster web was changed by somebody else since it was opened\n\
                   hint: apply your changes to the latest version: kubectl cmp edit cluster web";
    let newer = WEB.replace("{\"type\"", "{\"colour\":\"red\",\"type\"");
    for (after, rows, expected) in [
        (want(4, "cpu=3,memory=4Gi"), held, format!("want.web: {}", want(4, "cpu=3,memory=4Gi").stored())),
        // Each alone is within the quota.
        (want(5, "cpu=4,memory=4Gi"), held, over.to_owned()),
        (want(4, "cpu=2,memory=4Gi"), &[("want.web", &other), ("held.web", HELD)], changed.to_owned()),
        (
            want(4, "cpu=2,memory=4Gi"),
            &[("want.web", WEB), ("held.web", HELD), ("delete.web", "u")],
            "cluster web is being deleted: wait until it is gone, then create it anew".to_owned(),
        ),
        (want(4, "cpu=2,memory=4Gi"), &[("want.web", &newer)], changed.to_owned()),
        (plain(), held, String::new()),
    ] {
        let planned = plan(&name("web"), &plain(), &after, &account(rows));
        assert_eq!(rows_of(planned.map(|plan| plan.whole)), expected, "{rows:?}");
    }
    let after = Want { labels: web().labels, count: 5, ..plain() };
    let labelled = Want { labels: web().labels, ..plain() };
    let only = write(&name("web"), &plain(), &after, &account(held));
    assert_eq!(rows_of(only), format!("want.web: {}", labelled.stored()));
    assert_eq!(rows_of(write(&name("web"), &plain(), &after, &account(&[("want.web", &other)]))), changed);
}
