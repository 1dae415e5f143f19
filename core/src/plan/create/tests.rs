use serde_json::json;

use super::*;
use crate::account::Variable;
use crate::account::tests::want;
use crate::account::tests::{account, name, size};
use crate::name::TemplateName;
use crate::plan::tests::{HELD, WEB, time, written};
use crate::schedule::{Once, Schedule};
use crate::vocabulary::{ScheduleAction, Trigger};

const NOW: &str = "2026-11-28T12:00:00Z";
const RELEASES: (&str, &str) = ("policy", r#"{"suspended":"release","clusters":9,"instances":9}"#);

fn wish(want: Want) -> Wish {
    Wish::new(name("web"), want, false)
}

/// The stored form of a want with a label and an annotation.
const LABELLED: &str = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"labels":{"app":"web"},"annotations":{"note":"a b"}}"#;

fn labelled(key: &str, value: &str) -> Wish {
    let labels = [(key.to_owned(), value.to_owned())].into();
    wish(Want { labels, ..want(3, "cpu=2,memory=4Gi") })
}

fn web() -> Wish {
    wish(want(3, "cpu=2,memory=4Gi"))
}

fn planned(wish: &Wish, rows: &[(&str, &str)], extent: Extent) -> Result<Plan, Refusal> {
    plan(wish, &account(rows), extent, time(NOW))
}

/// Writes the steps as words.
fn words(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Step::TellExpiredTimer(_) => "over".to_owned(),
        Step::Try { open } => format!("try:{open}"),
        Step::Write => "write".to_owned(),
        Step::Prepare => "prepare".to_owned(),
        Step::Make { look: false } => "make".to_owned(),
        Step::Make { look: true } => "look make".to_owned(),
        Step::Run(names) => format!("run:{}", names.len()),
        Step::TellOff(_) => "off".to_owned(),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_new_cluster_is_written_and_an_interrupted_one_goes_on() {
    let expired_timer = Some(Transition { at: time(NOW), action: ScheduleAction::Resume, trigger: Trigger::Once });
    let over = Wish { expired_timer, ..web() };
    let some_off = Wish { off: PoweredOff::read(&json!({ "stopped": [1] }), 3).unwrap(), ..web() };
    let (real, dry) = (Extent::default(), Extent { dry_run: true, wait: true });
    let waits = Extent { dry_run: false, wait: true };
    let new = format!("want.web: {WEB}");
    for (wish, rows, extent, steps, write) in [
        (&web(), &[][..], real, "write prepare make", new.as_str()),
        (&web(), &[], waits, "write prepare make run:3", &new),
        (&web(), &[], dry, "write", &new),
        (&some_off, &[], waits, "write prepare make run:2", &new),
        (&over, &[], real, "over write prepare make", &new),
        (&over, &[], dry, "over write", &new),
        (&over, &[("want.web", WEB)], real, "write prepare look make", ""),
        (&web(), &[("want.web", WEB), ("held.web", HELD)], waits, "write prepare look make run:3", ""),
        (&web(), &[("want.web", WEB)], dry, "write", ""),
        // A request without labels and annotations does not change them.
        (&web(), &[("want.web", LABELLED)], real, "write prepare look make", ""),
        (&labelled("app", "web"), &[("want.web", LABELLED)], real, "write prepare look make", ""),
        // A cluster that is held without a want is wanted again.
        (&web(), &[("held.web", HELD)], real, "write prepare make", &new),
    ] {
        let plan = planned(wish, rows, extent).unwrap();
        let all = [plan.steps.clone(), plan.after_write(&plan.write.account)].concat();
        assert_eq!((words(&all).as_str(), written(Ok(plan.write)).as_str()), (steps, write), "{rows:?}");
    }
}

#[test]
fn a_released_cluster_is_not_waited_for() {
    let released = WEB.replace("}}", "},\"released\":true}");
    let waits = Extent { dry_run: false, wait: true };
    let plan = planned(&web(), &[], waits).unwrap();
    for (written, expected) in [(WEB, "prepare make run:3"), (&released, "prepare make off")] {
        let written = account(&[("want.web", written)]);
        assert_eq!(words(&plan.after_write(&written)), expected);
        assert_eq!(plan.written(&written).released, expected.ends_with("off"));
    }
    // Another writer took the want away. The wait for its preparation tells that.
    assert_eq!(plan.written(&account(&[])), plan.want);
    let asked = planned(&web(), &[("want.web", &released)], waits).unwrap();
    let steps = asked.after_write(&asked.write.account);
    let line = "its instances are off: kubectl cmp resume cluster web";
    assert_eq!(steps.last(), Some(&Step::TellOff(line.to_owned())));
}

#[test]
fn a_repeated_command_that_makes_nothing_is_unchanged() {
    for (rows, made, word) in [
        (&[][..], 3, "created"),
        (&[], 0, "created"),
        (&[("want.web", WEB)], 1, "created"),
        (&[("want.web", WEB)], 0, "unchanged"),
    ] {
        assert_eq!(planned(&web(), rows, Extent::default()).unwrap().word(made), word, "{rows:?} {made}");
    }
    let dry = Extent { dry_run: true, wait: false };
    let repeated = planned(&web(), &[("want.web", WEB)], dry).unwrap();
    assert_eq!((repeated.word(0), repeated.word(1)), ("unchanged", "created"));
}

#[test]
fn a_cluster_that_is_suspended_as_a_whole_is_released_by_the_policy() {
    let off = |value: Value| Wish { off: PoweredOff::read(&value, 3).unwrap(), ..web() };
    for (wish, rows, released) in [
        (&off(json!({ "suspended": ["0-2"] })), &[RELEASES][..], true),
        (&off(json!({ "suspended": ["0-2"] })), &[], false),
        (&off(json!({ "suspended": [0, 1] })), &[RELEASES], false),
        (&off(json!({ "suspended": [0, 1], "stopped": [2] })), &[RELEASES], false),
        (&web(), &[RELEASES], false),
    ] {
        let plan = planned(wish, rows, Extent::default()).unwrap();
        assert_eq!(plan.want.released, released, "{wish:?}");
        assert_eq!(plan.write.account.cluster(&name("web")).want, Some(plan.want));
    }
}

#[test]
fn a_different_cluster_of_the_same_name_is_refused_with_the_command_that_changes_it() {
    let deleted = "cluster web is being deleted\n\
                   hint: wait until it is gone: kubectl cmp delete cluster web --yes --wait";
    let is = "cluster web exists and is different: ";
    let scale = "\nhint: to change the number of instances: kubectl cmp scale cluster web --count 4";
    let resize = "\nhint: to change their size: kubectl cmp resize cluster web";
    let other = "\nhint: delete it first, or choose another name";
    let image = Want { image: Some("nginx".to_owned()), ..want(4, "cpu=2,memory=4Gi") };
    let exists = &[("want.web", WEB)][..];
    for (wish, rows, expected) in [
        (web(), &[("want.web", WEB), ("held.web", HELD), ("delete.web", "u")][..], deleted.to_owned()),
        (web(), &[("held.web", HELD), ("delete.web", "u")], deleted.to_owned()),
        (wish(want(4, "cpu=2,memory=4Gi")), exists, format!("{is}count is 3, requested is 4{scale}")),
        (
            wish(want(3, "cpu=1,memory=4Gi")),
            exists,
            format!("{is}size is cpu=2,memory=4Gi, requested is cpu=1,memory=4Gi{resize}"),
        ),
        (
            wish(want(4, "cpu=1,memory=4Gi")),
            exists,
            format!(
                "{is}count is 3, requested is 4; size is cpu=2,memory=4Gi, requested is cpu=1,memory=4Gi{scale}{resize}"
            ),
        ),
        (
            labelled("tier", "back"),
            &[("want.web", LABELLED)],
            format!(
                "{is}labels is {{\"app\":\"web\"}}, requested is {{\"tier\":\"back\"}}\n\
                 hint: to change its labels: kubectl cmp label cluster web KEY=VALUE --overwrite"
            ),
        ),
        (wish(image), exists, format!("{is}count is 3, requested is 4; image is not set, requested is nginx{other}")),
        (
            wish(want(9, "cpu=2,memory=4Gi")),
            &[],
            "exceeded quota: john, requested: cpu=18, used: cpu=0, limited: cpu=16".to_owned(),
        ),
    ] {
        let refusal = planned(&wish, rows, Extent::default()).unwrap_err();
        assert_eq!(refusal.to_string(), expected, "{rows:?}");
    }
}

#[test]
fn a_want_without_instances_is_corrected() {
    let exists = &[("want.web", WEB), ("held.web", HELD)][..];
    let is = "cluster web exists and is different: ";
    let large = want(9, "cpu=2,memory=4Gi");
    let patched = Want { patch: Some(json!({})), ..want(3, "cpu=2,memory=4Gi") };
    let template = Want { template: Some("big".parse().unwrap()), ..web().want };
    let newer = WEB.replace("{\"type\"", "{\"colour\":\"red\",\"type\"");
    let newer = &[("want.web", newer.as_str())][..];
    let deleted = &[("want.web", WEB), ("held.web", HELD), ("delete.web", "u")][..];
    for (want, rows, unmade, expected) in [
        (want(4, "cpu=1,memory=4Gi"), exists, true, format!("want.web: {}", want(4, "cpu=1,memory=4Gi").stored())),
        (patched.clone(), exists, true, format!("want.web: {}", patched.stored())),
        (patched.clone(), exists, false, format!("{is}patch is not set, requested is ")),
        // The same want is no correction.
        (web().want, exists, true, String::new()),
        (large, exists, true, "exceeded quota: john, requested: cpu=12, used: cpu=6, limited: cpu=16".to_owned()),
        (template, exists, true, format!("{is}template is not set, requested is big")),
        (Want { kind: InstanceType::Vm, ..web().want }, exists, true, format!("{is}type is container")),
        (patched.clone(), newer, true, is.to_owned()),
        (patched, deleted, true, "cluster web is being deleted".to_owned()),
    ] {
        let wish = Wish { unmade, ..wish(want) };
        let came = written(planned(&wish, rows, Extent::default()).map(|plan| plan.write));
        let equal = if expected.is_empty() { came.is_empty() } else { came.starts_with(&expected) };
        assert!(equal, "{rows:?} {wish:?}: {came}");
    }
    // The instances are made, and the result is a created cluster.
    let corrected = Wish { unmade: true, ..wish(want(2, "cpu=2,memory=4Gi")) };
    let plan = planned(&corrected, exists, Extent::default()).unwrap();
    let steps = [plan.steps.clone(), plan.after_write(&plan.write.account)].concat();
    assert_eq!((words(&steps).as_str(), plan.word(2)), ("try:2 write prepare look make", "created"));
    // A cluster of which nothing is wanted yet needs no look at its instances.
    assert!(!may_correct(&web(), &account(&[]), time(NOW)) && !may_correct(&web(), &account(exists), time(NOW)));
    assert!(may_correct(&corrected, &account(exists), time(NOW)));
}

#[test]
fn an_instance_is_tried_before_the_write_where_its_namespace_is_open_for_it() {
    let (real, dry) = (Extent::default(), Extent { dry_run: true, wait: false });
    let is = |from: &str, to: &str| HELD.replace(from, to);
    let vm = |size: &str| Want { kind: InstanceType::Vm, ..want(3, size) };
    let vms = |held: &str| (vm("cpu=2,memory=4Gi").stored(), held.replace("container", "vm"));
    let containers = |held: &str| (WEB.to_owned(), held.to_owned());
    // Columns: the wish, whether no instance exists, the want and the holding, the extent, the steps up to the write.
    for (asked, unmade, (wanted, held), extent, expected) in [
        // The same want is tried by a dry run, because a real run goes on to the instances.
        (web().want, false, containers(HELD), dry, "try:3 write"),
        (web().want, false, containers(HELD), real, "write"),
        (web().want, false, containers(&is("ready", "preparing")), dry, "write"),
        (web().want, false, containers(&is("ready", "releasing")), dry, "write"),
        (web().want, false, containers(&is("\"state\"", "\"released\":true,\"state\"")), dry, "write"),
        (web().want, false, containers(&is("3", "2")), dry, "try:2 write"),
        // A correction is tried by both.
        (want(2, "cpu=2,memory=4Gi"), true, containers(HELD), real, "try:2 write"),
        (want(4, "cpu=3,memory=4Gi"), true, containers(HELD), real, "try:3 write"),
        (want(1, "cpu=1,memory=4Gi"), true, containers(HELD), dry, "try:1 write"),
        (want(1, "cpu=1,memory=4Gi,nvidia.com/gpu=1"), true, containers(HELD), real, "write"),
        (vm("cpu=1,memory=4Gi"), true, vms(HELD), real, "try:3 write"),
        (vm("cpu=3,memory=4Gi"), true, vms(HELD), real, "write"),
    ] {
        let quota = ("quota", r#"{"cpu":"16","memory":"64Gi","nvidia.com/gpu":"3"}"#);
        let rows = [("want.web", wanted.as_str()), ("held.web", held.as_str()), quota];
        let asked = Wish { unmade, ..wish(asked) };
        let plan = planned(&asked, &rows, extent).unwrap();
        assert_eq!(words(&plan.steps), expected, "{asked:?} {held} {extent:?}");
    }
    // Without a holding there is no Namespace.
    let plan = planned(&web(), &[("want.web", WEB)], dry).unwrap();
    assert_eq!(words(&plan.steps), "write");
}

#[test]
fn instances_that_are_off_at_their_users_request_are_not_awaited() {
    let names: Vec<InstanceName> = (0..5).map(|index| name("web").instance(index)).collect();
    let there = |index: u32, asked, on| {
        let metadata = crate::containers::Metadata::default();
        let kind = InstanceType::Container;
        Instance { asked, on, ..Instance::new(name("web").instance(index), kind, State::Pending, &metadata) }
    };
    let there = [
        there(0, Some(State::Running), true),
        there(1, Some(State::Stopped), false),
        // A VM that is frozen is on.
        there(2, Some(State::Suspended), true),
        there(3, None, false),
    ];
    let shown = |there: &[Instance]| {
        awaited(&names, there).iter().map(|name| name.index.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((shown(&there).as_str(), shown(&[]).as_str()), ("0 4", "0 1 2 3 4"));
}

#[test]
fn a_schedule_counts_as_a_difference_only_if_the_wish_has_another_one() {
    let at = |line: &str, since: &str| Schedule {
        suspend: vec![line.to_owned()],
        since: Some(time(since)),
        ..Schedule::default()
    };
    let night = at("0 19 * * *", "2026-11-01T00:00:00Z");
    let with = |schedule: Option<Schedule>| Want { schedule, ..want(3, "cpu=2,memory=4Gi") };
    let is = with(Some(night.clone()));
    let stored = is.stored();
    let once = Once { suspend: Some(time("2026-11-27T00:00:00Z")), resume: None };
    // Columns: the schedule of the wish, and whether it equals that of the cluster.
    for (asked, equal) in [
        (None, true),
        (Some(night.clone()), true),
        // The same lines, set at another time.
        (Some(at("0 19 * * *", "2026-11-20T00:00:00Z")), true),
        // The timer is over.
        (Some(Schedule { once: Some(once), ..night.clone() }), true),
        (Some(at("0 20 * * *", "2026-11-01T00:00:00Z")), false),
    ] {
        let planned = planned(&wish(with(asked.clone())), &[("want.web", &stored)], Extent::default());
        assert_eq!(planned.is_ok(), equal, "{asked:?}");
        if let Err(refusal) = planned {
            assert!(refusal.to_string().ends_with("when it is suspended: kubectl cmp schedule cluster web"));
        }
    }
    // A cluster without a schedule gets one only by the command for it.
    assert!(planned(&wish(is), &[("want.web", WEB)], Extent::default()).is_err());
    // A released cluster is the same cluster.
    let released = Want { released: true, ..with(None) }.stored();
    assert!(planned(&web(), &[("want.web", &released)], Extent::default()).is_ok());
}

#[test]
fn an_unsettled_account_is_left_to_the_verdict_of_the_server() {
    let unsettled = account(&[("settled", "")]);
    let planned = |want| write(&wish(want), &unsettled, time(NOW));
    assert!(written(planned(web().want)).starts_with("want.web: "));
    assert!(written(planned(want(99, "cpu=2,memory=4Gi"))).starts_with("want.web: "));
}

#[test]
fn the_template_decides_the_type() {
    use InstanceType::{Container, Vm};
    let named: Option<TemplateName> = Some("big".parse().unwrap());
    for (kind, template, typed, of, expected) in [
        (Container, None, false, Container, Ok(Container)),
        (Container, None, true, Vm, Ok(Container)),
        (Container, named.clone(), false, Vm, Ok(Vm)),
        (Vm, named.clone(), true, Vm, Ok(Vm)),
        (
            Container,
            named,
            true,
            Vm,
            Err("--type container: the template is of type vm\n\
                 hint: omit --type: the template determines the type"),
        ),
    ] {
        let wish = Wish { typed, ..wish(Want { kind, template, ..web().want }) };
        match (of_template(wish, of), expected) {
            (Ok(settled), Ok(expected)) => assert_eq!(settled.want.kind, expected),
            (Err(refusal), Err(expected)) => assert_eq!(refusal.to_string(), expected),
            (settled, expected) => panic!("{settled:?}, expected {expected:?}"),
        }
    }
    assert_eq!((can_run(Container, false), can_run(Vm, true)), (Ok(()), Ok(())));
    assert_eq!(
        can_run(Vm, false).unwrap_err().to_string(),
        "--type vm: KubeVirt is not installed in this cluster\n\
         hint: ask an administrator to install KubeVirt 1.7 or newer (kubevirt.io), or use --type container\n\
         hint: if it was installed just now, repeat the command: the API server may serve new types only after five minutes"
    );
}

#[test]
fn the_missing_instances_are_made_on_or_off() {
    let names: Vec<String> = missing(&name("web"), 4, &[1, 3, 7].into()).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["web-0", "web-2"]);
    let off = json!({ "suspended": [1], "stopped": [2], "wokenBy": { "once": [1] } });
    let off = PoweredOff::read(&off, 3).unwrap();
    let suspension = restored_suspension("john", time(NOW));
    let by = |woken_by| SuspensionRequest { woken_by, ..suspension.clone() };
    for (index, expected) in
        [(0, None), (1, Some((State::Suspended, by(Some(Trigger::Once))))), (2, Some((State::Stopped, by(None))))]
    {
        assert_eq!(born(&off, index, Some(&suspension)), expected, "{index}");
    }
    let remembered = (suspension.by.as_str(), suspension.at, suspension.reason.as_deref());
    assert_eq!(remembered, ("john", time(NOW), Some("as in the file it was created from")));
    assert_eq!(born(&PoweredOff::default(), 0, None), None);
}

fn flags() -> Flags {
    Flags { size: size("cpu=2,memory=4Gi"), ..Flags::default() }
}

fn variable(name: &str) -> Variable {
    Variable { name: name.to_owned(), value: "1".to_owned() }
}

#[test]
fn flags_that_do_not_fit_are_refused() {
    use InstanceType::{Container, Vm};
    let vm = || Flags { kind: Some(Vm), ..flags() };
    let template = |name: &str| Some(name.parse().unwrap());
    let disk = || Some(Disk { size: "10Gi".parse().unwrap(), path: None });
    let storage = ("storage".parse().unwrap(), "1Gi".parse().unwrap());
    let pairs = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), "b".to_owned())).collect::<Vec<_>>();
    let only_vms = "\nhint: use --type vm, or omit the flag";
    let only_containers = "\nhint: use --type container, or omit the flag";
    for (flags, expected) in [
        (
            Flags { template: template("container"), ..vm() },
            "--type vm: the template is of type container\nhint: omit --type: the template determines the type"
                .to_owned(),
        ),
        (
            Flags { disk: disk(), more: vec![storage], ..flags() },
            "--disk and --resource storage: both set the storage of an instance\n\
             hint: use --disk for a disk in each instance, --resource storage for claims of your own"
                .to_owned(),
        ),
        (Flags { ssh_keys: vec![String::new()], ..flags() }, format!("--ssh-key is for VMs{only_vms}")),
        (Flags { cloud_init: Some(String::new()), ..flags() }, format!("--cloud-init is for VMs{only_vms}")),
        (Flags { sysprep: Some(String::new()), ..flags() }, format!("--sysprep is for VMs{only_vms}")),
        (Flags { env: vec![variable("A")], ..vm() }, format!("--env is for containers{only_containers}")),
        (Flags { ports: vec![80], ..vm() }, format!("--port is for containers{only_containers}")),
        (Flags { args: vec!["a".to_owned()], ..vm() }, format!("a command is for containers{only_containers}")),
        (Flags { command: true, ..vm() }, format!("a command is for containers{only_containers}")),
        (
            Flags { disk: disk(), data_disk: disk(), ..vm() },
            "--disk and --data-disk: both set the storage of an instance\n\
             hint: use one of them: a root disk of --disk stays, too"
                .to_owned(),
        ),
        (
            Flags { disk: disk().map(|disk| Disk { path: Some("/a".to_owned()), ..disk }), ..vm() },
            "--disk 10Gi:/a: the disk of a VM is its root disk\n\
             hint: leave out the path, or use --data-disk for a disk that is mounted"
                .to_owned(),
        ),
        (
            Flags { data_disk: disk(), ..flags() },
            "--data-disk is for VMs\nhint: use --type vm, or omit the flag".to_owned(),
        ),
        // The type follows from the built-in template.
        (
            Flags { template: template("vm"), ports: vec![80], ..flags() },
            format!("--port is for containers{only_containers}"),
        ),
        (
            Flags { command: true, ..flags() },
            "--command: the command is missing\n\
             hint: write the command at the end, after --, as in: --command -- sh -c 'sleep 9'"
                .to_owned(),
        ),
        (
            Flags { env: ["A", "B", "A"].map(variable).into(), ..flags() },
            "--env A is given twice\nhint: give each variable once".to_owned(),
        ),
        (
            Flags { labels: pairs(&["a", "a"]), ..flags() },
            "--labels a is given twice\nhint: give each label once".to_owned(),
        ),
        (
            Flags { labels: pairs(&["kubectl-cmp.dev/owner"]), ..flags() },
            "labels: the key \"kubectl-cmp.dev/owner\" is reserved for cmp: use another domain, or none".to_owned(),
        ),
        (
            Flags { image: Some("bad:::img".to_owned()), ..vm() },
            "Invalid image name \"bad:::img\": invalid reference format".to_owned(),
        ),
    ] {
        assert_eq!(flags.clone().want().map(|want| want.kind).unwrap_err().to_string(), expected, "{flags:?}");
    }
    assert_eq!(Flags { kind: Some(Container), template: template("container"), ..flags() }.kind(), Ok(Container));
    assert_eq!(Flags { template: template("big"), ..vm() }.kind(), Ok(Vm));
}

#[test]
fn a_want_is_made_of_flags() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert_eq!(flags().want(), Ok(want(1, "cpu=2,memory=4Gi")));
    let all = Flags {
        template: Some("big".parse().unwrap()),
        count: Some(3),
        more: vec![("nvidia.com/gpu".parse().unwrap(), "1".parse().unwrap())],
        disk: Some(Disk { size: "10Gi".parse().unwrap(), path: None }),
        image: Some("nginx".to_owned()),
        env: ["A", "B"].map(variable).into(),
        ports: vec![80],
        args: words(&["a", "b"]),
        patch: Some(json!({})),
        labels: vec![("app".to_owned(), "web".to_owned())],
        ..flags()
    };
    let expected = Want {
        template: Some("big".parse().unwrap()),
        image: Some("nginx".to_owned()),
        env: ["A", "B"].map(variable).into(),
        ports: vec![80],
        args: words(&["a", "b"]),
        disk: Some("/data".to_owned()),
        patch: Some(json!({})),
        labels: [("app".to_owned(), "web".to_owned())].into(),
        ..want(3, "cpu=2,memory=4Gi,nvidia.com/gpu=1,storage=10Gi")
    };
    assert_eq!(all.clone().want(), Ok(expected.clone()));
    let program = Want { command: words(&["a", "b"]), args: Vec::new(), ..expected };
    assert_eq!(Flags { command: true, ..all }.want(), Ok(program));
    let digest = || Some("sha256:0".to_owned());
    let vm = Flags {
        template: Some("vm".parse().unwrap()),
        ssh_keys: words(&["a", "b", "a", "b", "c"]),
        cloud_init: digest(),
        sysprep: digest(),
        ..flags()
    };
    let expected = Want {
        kind: InstanceType::Vm,
        ssh_key: Some("a".to_owned()),
        more_ssh_keys: words(&["b", "c"]),
        cloud_init: digest(),
        sysprep: digest(),
        ..want(1, "cpu=2,memory=4Gi")
    };
    assert_eq!(vm.want(), Ok(expected));
}

#[test]
fn a_cluster_keeps_its_keys_unless_the_command_names_other_ones() {
    let key = |key: &str| Want {
        kind: InstanceType::Vm,
        ssh_key: Some(key.to_owned()),
        more_ssh_keys: vec!["c".to_owned()],
        ..want(3, "cpu=2,memory=4Gi")
    };
    let stored = key("a").stored();
    let rows = [("want.web", stored.as_str())];
    let none = Want { kind: InstanceType::Vm, ..want(3, "cpu=2,memory=4Gi") };
    for (asked, any_key, expected) in [
        (key("a"), false, Ok(())),
        (key("b"), true, Ok(())),
        (none.clone(), true, Ok(())),
        (key("b"), false, Err("cluster web exists and is different: sshKey is a, requested is b")),
        (none, false, Err("cluster web exists and is different: moreSshKeys is [\"c\"], requested is not set")),
    ] {
        let asked = Wish { any_key, ..wish(asked) };
        let answered = planned(&asked, &rows, Extent::default()).map(|plan| assert!(plan.write.change.is_empty()));
        match (answered, expected) {
            (Ok(()), Ok(())) => {}
            (Err(refusal), Err(expected)) => assert!(refusal.to_string().starts_with(expected), "{refusal}"),
            (answered, _) => panic!("{asked:?}: {answered:?}"),
        }
    }
}

#[test]
fn a_new_cluster_needs_its_files_and_an_existing_one_does_not() {
    let digest = Some(crate::first_boot::digest(&[0; 32]));
    let want = Want { kind: InstanceType::Vm, cloud_init: digest, ..want(3, "cpu=2,memory=4Gi") };
    let user_data = crate::cloud_init::UserData::read(b"#cloud-config\n".to_vec()).unwrap();
    let files = Files { cloud_init: Some(user_data), ..Files::default() };
    let stored = want.stored();
    assert!(planned(&wish(want.clone()), &[("want.web", &stored)], Extent::default()).is_ok());
    let given = Wish { files, ..wish(want.clone()) };
    let lines = crate::plan::describe::create(&planned(&given, &[], Extent::default()).unwrap());
    assert_eq!(lines.get(2).map(String::as_str), Some("write secret/cmp-cloud-init in namespace web-ns"), "{lines:?}");
    let refusal = planned(&wish(want), &[], Extent::default()).unwrap_err();
    assert_eq!(
        refusal.to_string(),
        "cluster web needs the file of --cloud-init, which no account and no export contains\n\
         hint: give the file again: kubectl cmp create cluster -f FILE --cloud-init FILE"
    );
}

#[test]
fn a_root_disk_that_stays_needs_cdi() {
    let disk = || Some(Disk { size: "20Gi".parse().unwrap(), path: None });
    let vm = Flags { kind: Some(InstanceType::Vm), disk: disk(), ..flags() }.want().unwrap();
    assert_eq!(
        (vm.root_disk.as_deref(), vm.disk.as_deref(), vm.size.to_string().as_str()),
        (Some("image"), None, "cpu=2,memory=4Gi,storage=20Gi")
    );
    let container = Flags { disk: disk(), ..flags() }.want().unwrap();
    assert_eq!((container.root_disk.as_deref(), container.disk.as_deref()), (None, Some("/data")));
    // A stored template decides the type after the flags were read.
    let template = Some("golden".parse().unwrap());
    let wish = |path: Option<&str>| {
        let disk = disk().map(|disk| Disk { path: path.map(str::to_owned), ..disk });
        let want = Flags { template: template.clone(), disk, ..flags() }.want().unwrap();
        of_template(Wish::new(name("dev"), want, false), InstanceType::Vm)
    };
    let decided = wish(None).unwrap().want;
    assert_eq!((decided.root_disk.as_deref(), decided.disk.as_deref()), (Some("image"), None));
    let refused = wish(Some("/srv")).unwrap_err().to_string();
    assert!(refused.starts_with("--disk 20Gi:/srv: the disk of a VM is its root disk"), "{refused}");
    assert!(can_keep_roots(&vm, true).is_ok() && can_keep_roots(&container, false).is_ok());
    let refused = can_keep_roots(&vm, false).unwrap_err().to_string();
    assert!(refused.starts_with("--disk: a root disk that stays needs CDI, which is not installed"), "{refused}");
}

#[test]
fn only_the_disk_of_a_flag_gets_room_for_further_claims() {
    let image = Some("https://images.example/x".to_owned());
    let disk = Some(Disk { size: "20Gi".parse().unwrap(), path: None });
    let want =
        Flags { kind: Some(InstanceType::Vm), image: image.clone(), disk: disk.clone(), ..flags() }.want().unwrap();
    assert_eq!((want.root_disk.as_deref(), &want.image), (Some("https"), &image));
    for (origin, expected) in [(Origin::Flags, "40Gi"), (Origin::File, "20Gi")] {
        let wish = Wish { origin, ..Wish::new(name("dev"), want.clone(), true) };
        let (wish, told) = with_room(wish, &Template::machine()).unwrap();
        assert_eq!(
            (wish.want.size.get(&"storage".parse().unwrap()), told.is_some()),
            (expected.parse().unwrap(), origin == Origin::Flags)
        );
    }
    // An address needs a disk, and a VM. A stored template decides the type after the flags were read.
    let template = Some("golden".parse().unwrap());
    for (kind, template, disk, of, expected) in [
        (Some(InstanceType::Vm), None, None, InstanceType::Vm, "an image on a web server needs --disk"),
        (None, None, disk.clone(), InstanceType::Container, "the image of a container is in a registry"),
        (None, template.clone(), None, InstanceType::Vm, "an image on a web server needs --disk"),
        (None, template.clone(), disk.clone(), InstanceType::Container, "the image of a container is in a registry"),
        (None, template, disk, InstanceType::Vm, ""),
    ] {
        let want = Flags { kind, template, image: image.clone(), disk, ..flags() }.want().unwrap();
        match of_template(Wish::new(name("dev"), want, false), of) {
            Ok(wish) => assert_eq!((wish.want.root_disk.as_deref(), expected), (Some("https"), "")),
            Err(refused) => assert!(!expected.is_empty() && refused.to_string().contains(expected), "{refused}"),
        }
    }
    for (image, expected) in [
        ("http://images.example/x", "--image: the address must begin with https://"),
        ("https://a:b@images.example/x", "--image: the address must have no user and no password"),
    ] {
        let refused = Flags { image: Some(image.to_owned()), ..flags() }.want().unwrap_err().to_string();
        assert!(refused.starts_with(expected), "{refused}");
    }
}
