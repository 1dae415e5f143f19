use super::change::Change;
use super::*;
use crate::vocabulary::InstanceType;

pub(crate) fn size(text: &str) -> Resources {
    Resources::from_list(text).unwrap()
}

pub(crate) fn name(text: &str) -> ClusterName {
    text.parse().unwrap()
}

/// Returns a settled account from rows of key and value.
pub(crate) fn account(rows: &[(&str, &str)]) -> Account {
    let mut data: BTreeMap<String, String> =
        rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    data.entry("quota".to_owned()).or_insert_with(|| r#"{"cpu":"16","memory":"64Gi"}"#.to_owned());
    data.entry("settled".to_owned()).or_insert_with(|| "account-uid".to_owned());
    Account::read("john".parse().unwrap(), "account-uid", &data).unwrap()
}

pub(crate) fn want(count: u32, of: &str) -> Want {
    Want::new(InstanceType::Container, count, size(of))
}

pub(crate) fn held(count: u32, of: &str, state: HeldState) -> Held {
    Held::of("ns-uid", InstanceType::Container, shape(count, of), state)
}

/// Returns a shape of `count` instances of size `of` that may run.
pub(crate) fn shape(count: u32, of: &str) -> Shape {
    Shape { count, size: size(of), released: false }
}

#[test]
fn a_released_cluster_costs_its_storage_only() {
    let check = |shape: &Shape, charge: &str| assert_eq!(shape.charge(), Some(size(charge)), "{shape:?}");
    let runs = shape(3, "cpu=2,memory=4Gi,storage=10Gi");
    let off = Shape { released: true, ..runs.clone() };
    check(&runs, "cpu=6,memory=12Gi,storage=30Gi");
    check(&off, "storage=30Gi");
    check(&Shape { released: true, ..shape(3, "cpu=2,memory=4Gi,nvidia.com/gpu=1") }, "");
    // A shape that may run is more than a released one.
    assert!(off.fits(&runs) && !runs.fits(&off));
    assert_eq!(off.max(&runs), runs);
    assert_eq!(off.max(&off), off);
    assert_eq!(Shape::nothing().max(&off), off);
    assert!(Shape::nothing().fits(&off));
    // Resuming is charged from the moment that it is wanted.
    let entry = Entry {
        want: Some(want(3, "cpu=2,memory=4Gi")),
        held: Some(Held::of(
            "u",
            InstanceType::Container,
            Shape { released: true, ..shape(3, "cpu=2,memory=4Gi") },
            HeldState::Ready,
        )),
        ..Entry::default()
    };
    assert_eq!(entry.charge(), Some(size("cpu=6,memory=12Gi")));
}

#[test]
fn an_amount_below_nothing_pays_for_nothing_else() {
    let account = account(&[
        ("want.web", r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#),
        ("want.trick", r#"{"type":"container","count":9,"size":{"cpu":"-2","memory":"-4Gi"}}"#),
    ]);
    assert_eq!(account.charge(), Some(size("cpu=6,memory=12Gi")));
    assert_eq!(Shape { count: 2, size: size("cpu=-1,memory=1Gi"), released: false }.charge(), Some(size("memory=2Gi")));
}

#[test]
fn an_account_is_read_and_written_back() {
    let written = account(&[
        ("policy", r#"{"suspended":"release","clusters":2,"instances":5}"#),
        ("want.web", r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"image":"nginx"}"#),
        ("held.web", r#"{"uid":"u","type":"container","count":2,"size":{"cpu":"2","memory":"8Gi"},"state":"ready"}"#),
        ("delete.old", "uid-of-old"),
        ("refused.taken", r#"{"reason":"the name is taken","at":"2026-11-23T20:00:00Z"}"#),
        ("note", "not ours"),
    ]);
    let read = Account::read(written.user.clone(), &written.uid, &written.data()).unwrap();
    assert_eq!(read, written);
    assert_eq!(read.policy.clusters, 2);
    let web = read.cluster(&name("web"));
    assert_eq!(web.charged(), shape(3, "cpu=2,memory=8Gi"));
    assert_eq!(read.charge(), Some(size("cpu=6,memory=24Gi")));
    assert_eq!(read.counts(), (1, 3));
}

#[test]
fn an_unreadable_value_is_refused_by_its_key() {
    let check = |key: &str, value: &str| {
        let data =
            BTreeMap::from([("quota".to_owned(), r#"{"cpu":"1"}"#.to_owned()), (key.to_owned(), value.to_owned())]);
        let error = Account::read("john".parse().unwrap(), "uid", &data).unwrap_err();
        assert_eq!(error.key, key);
    };
    check("quota", "");
    check("quota", r#"{"cpu":"lots"}"#);
    check("quota", r#"{"cpu":"1","cpu":"2"}"#);
    check("quota", r#"{"a b":"1"}"#);
    check("policy", r#"{"clusters":-1}"#);
    check("policy", "[]");
    check("want.web", "null");
    check("want.web", r#"{"type":"container","count":1}"#);
    check("want.web", r#"["container",1,{"cpu":"1","memory":"1Gi"}]"#);
    check("want.web", r#"{"type":"container","count":1,"size":{"cpu":"1","cpu":"2","memory":"1Gi"}}"#);
    for template in ["", "a b", "../../h-ns/configmaps/x", "\\u001b[2J", "a?b=c", "UPPER", "a/b", "."] {
        check("want.web", &format!(r#"{{"type":"container","count":1,"size":{{}},"template":"{template}"}}"#));
    }
    check("want.web", r#"{"type":"container","count":1.5,"size":{}}"#);
    check("want.web", r#"{"type":"pod","count":1,"size":{}}"#);
    check("want.WEB", r#"{"type":"container","count":1,"size":{}}"#);
    check("held.web", r#"{"type":"container","count":1,"size":{},"state":"ready"}"#);
    check("held.", "{}");
    check("refused.web", "because");
    check("delete.-", "uid");
    let none = Account::read("john".parse().unwrap(), "uid", &BTreeMap::new()).unwrap_err();
    assert_eq!(none.key, "quota");
}

#[test]
fn a_change_is_based_on_the_account_that_was_read() {
    let before = account(&[]);
    let change = Change::new().want(&name("web"), Some(&want(1, "cpu=1,memory=1Gi")));
    let after = change.apply(&before).unwrap();
    assert_eq!(after.cluster(&name("web")).want, Some(want(1, "cpu=1,memory=1Gi")));
    let undone = Change::new().want(&name("web"), None).apply(&after).unwrap();
    assert_eq!(undone, before);
}

#[test]
fn mending_an_account_loses_and_invents_nothing() {
    let held = r#"{"uid":"u","type":"container","count":2,"size":{"cpu":"1","memory":"1Gi"},"state":"ready"}"#;
    let mended = |rows: &[(&str, &str)]| {
        let mut stored: BTreeMap<String, String> =
            rows.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        stored.entry("quota".to_owned()).or_insert_with(|| r#"{"cpu":"4"}"#.to_owned());
        let (account, damaged) = Account::read_what_can_be("john".parse().unwrap(), "u", &stored);
        let change = account.mend(&damaged, "2026-11-23T20:00:00Z".parse().unwrap())?;
        let list: Vec<String> = change
            .entries()
            .map(|(key, value)| value.map_or(format!("{key}-"), |value| format!("{key}={value}")))
            .collect();
        Some(list.join(" "))
    };
    assert_eq!(mended(&[("held.web", held)]).as_deref(), Some(""));
    // A damaged holding is read back from its Namespace. Nothing grows until then.
    assert_eq!(
        mended(&[("held.web", "{}"), ("held.db", held), ("settled", "u")]).as_deref(),
        Some("held.web- settled-")
    );
    // A damaged want becomes the holding, or is removed if nothing is held.
    let want = mended(&[("want.web", "{"), ("held.web", held)]).unwrap();
    assert!(want.starts_with(r#"refused.web={"reason":"the want was damaged: "#), "{want}");
    assert!(want.ends_with(r#"want.web={"type":"container","count":2,"size":{"cpu":"1","memory":"1Gi"}}"#), "{want}");
    let none = mended(&[("want.web", "{"), ("held.web", "{")]).unwrap();
    assert!(none.starts_with("held.web- refused.web=") && none.ends_with("settled- want.web-"), "{none}");
    assert_eq!(
        mended(&[("refused.web", "no"), ("want.No", "{}"), ("held._", held)]).as_deref(),
        Some("held._- refused.web- settled- want.No-")
    );
    // Only an administrator may set the quota and the policy.
    assert_eq!(mended(&[("quota", "much"), ("held.web", "{}")]), None);
    assert_eq!(mended(&[("policy", "{]")]), None);
}

#[test]
fn a_newer_version_is_no_damage() {
    let stored = |rows: &[(&str, &str)]| -> BTreeMap<String, String> {
        let quota = ("quota", r#"{"cpu":"4","memory":"8Gi","ephemeral-whatever":"1"}"#);
        [&[quota], rows].concat().iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let read = |rows: &[(&str, &str)]| Account::read("john".parse().unwrap(), "u", &stored(rows)).unwrap();
    let expires =
        r#"{"type":"container","count":2,"size":{"cpu":"1","memory":"1Gi"},"expires":"2027-01-01T00:00:00Z"}"#;
    let account = read(&[("want.web", expires), ("policy", r#"{"clusters":3,"nights":true}"#)]);
    assert_eq!(account.newer().as_deref(), Some(r#"policy: this version does not know "nights""#));
    let web = account.cluster(&name("web"));
    assert_eq!(web.newer().as_deref(), Some(r#"want: this version does not know "expires""#));
    assert_eq!(web.charge(), Some(size("cpu=2,memory=2Gi")), "it costs what it says");
    // A known field with a value that is not known, too.
    let later = r#"{"type":"vm","count":1,"size":{"cpu":"1","memory":"1Gi"},"rootDisk":"later","expires":1}"#;
    let entry = read(&[("want.web", later)]).cluster(&name("web"));
    let why = r#"want: this version does not know "expires", "rootDisk: later""#;
    assert_eq!((entry.newer().as_deref(), entry.want.unwrap().stored().as_str()), (Some(why), later));
    let known = later.replace("later", "https").replace(r#","expires":1"#, "");
    assert_eq!(read(&[("want.web", &known)]).cluster(&name("web")).newer(), None);
    // Unknown fields survive every write.
    assert_eq!(account.data()["want.web"], expires);
    assert_eq!(account.data()["policy"], r#"{"clusters":3,"nights":true}"#);
    let closed = Change::new().policy(&Policy { clusters: 0, ..account.policy.clone() });
    assert_eq!(
        closed.entries().collect::<Vec<_>>(),
        [("policy", Some(r#"{"clusters":0,"nights":true,"suspended":"keep","instances":1000}"#))]
    );
    // A value of a newer format may look in any way: the cluster exists, and its cost is not known.
    let two = r#"{"format":2,"uid":"u-1","kind":"microvm"}"#;
    let account = read(&[("held.web", two), ("want.db", r#"{"format":3}"#), ("refused.x", r#"{"format":2}"#)]);
    assert_eq!(account.counts(), (2, 0));
    assert_eq!(account.cluster(&name("web")).uid(), Some("u-1"));
    assert_eq!(account.cluster(&name("db")).uid(), None);
    assert!(account.uncounted().is_some() && account.newer().is_none());
    // The value is known again once this version writes it, or once it is removed.
    let known = Change::new().want(&name("db"), Some(&want(1, "cpu=1,memory=1Gi"))).apply(&account).unwrap();
    assert!(known.cluster(&name("db")).opaque.is_empty());
    let gone = Change::new().forget(&name("web")).forget(&name("x")).apply(&known).unwrap();
    assert_eq!((gone.uncounted(), gone.counts()), (None, (1, 1)));
    // A change to a format that is not known is refused by its key, and the message says what to do.
    let wrong = account.changed(&[], [("want.web", Some(r#"{"format":2,"x":1}"#))]).unwrap_err();
    assert!(wrong.key == "want.web" && wrong.why.ends_with("upgrade cmp-webhook and kubectl-cmp"), "{wrong}");
}
