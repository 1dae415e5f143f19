use super::*;

pub(crate) fn size(text: &str) -> Resources {
    Resources::from_list(text).unwrap()
}

pub(crate) fn name(text: &str) -> ClusterName {
    text.parse().unwrap()
}

/// An account that is settled, from rows of key and value.
pub(crate) fn account(rows: &[(&str, &str)]) -> Account {
    let mut data: BTreeMap<String, String> =
        rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    data.entry("quota".to_owned()).or_insert_with(|| r#"{"cpu":"16","memory":"64Gi"}"#.to_owned());
    data.entry("settled".to_owned()).or_insert_with(|| "account-uid".to_owned());
    Account::read("john".parse().unwrap(), "account-uid", &data).unwrap()
}

pub(crate) fn want(count: u32, of: &str) -> Want {
    Want { kind: InstanceType::Container, count, size: size(of), template: None, image: None }
}

pub(crate) fn held(count: u32, of: &str, state: HeldState) -> Held {
    Held { uid: "ns-uid".to_owned(), kind: InstanceType::Container, count, size: size(of), state }
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
    assert_eq!(web.charged(), Shape { count: 3, size: size("cpu=2,memory=8Gi") });
    assert_eq!(read.charge(), Some(size("cpu=6,memory=24Gi")));
    assert_eq!(read.counts(), (1, 3));
}

#[test]
fn what_cannot_be_read_is_refused_by_its_key() {
    let check = |key: &str, value: &str| {
        let data =
            BTreeMap::from([("quota".to_owned(), r#"{"cpu":"1"}"#.to_owned()), (key.to_owned(), value.to_owned())]);
        let error = Account::read("john".parse().unwrap(), "uid", &data).unwrap_err();
        assert_eq!(error.key, key);
    };
    check("quota", "");
    check("quota", r#"{"cpu":"lots"}"#);
    check("quota", r#"{"pods":"1"}"#);
    check("policy", r#"{"clusters":-1}"#);
    check("policy", r#"{"cluster":1}"#);
    check("want.web", "null");
    check("want.web", r#"{"type":"container","count":1}"#);
    check("want.web", r#"{"type":"container","count":1,"size":{"cpu":"1"},"unknown":1}"#);
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
fn a_change_is_made_in_what_was_read() {
    let before = account(&[]);
    let change = Change::new().want(&name("web"), Some(&want(1, "cpu=1,memory=1Gi")));
    let after = change.apply(&before).unwrap();
    assert_eq!(after.cluster(&name("web")).want, Some(want(1, "cpu=1,memory=1Gi")));
    let undone = Change::new().want(&name("web"), None).apply(&after).unwrap();
    assert_eq!(undone, before);
}
