use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// Values of each key, as rows of key and value: whole ones, damaged ones, and ones of a newer version.
const ROWS: [(&str, &str); 32] = [
    ("quota", r#"{"cpu":"16","memory":"64Gi"}"#),
    ("quota", r#"{"cpu":"8"}"#),
    ("quota", "much"),
    ("policy", r#"{"clusters":2,"instances":5}"#),
    ("policy", r#"{"clusters":3,"nights":true}"#),
    ("policy", r#"{"format":2,"clusters":"many"}"#),
    ("policy", "[]"),
    ("settled", "uid"),
    ("settled", "other"),
    ("format", "1"),
    ("format", "2"),
    ("note", "not ours"),
    ("want.web", r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"},"image":"a/b"}"#),
    ("want.web", r#"{"type":"container","count":2,"size":{"cpu":"1","memory":"1Gi"}}"#),
    ("want.web", r#"{"type":"container","count":2,"size":{"cpu":"1"},"expires":"2027"}"#),
    ("want.web", r#"{"format":2,"type":"microvm"}"#),
    ("want.web", "{"),
    ("held.web", r#"{"uid":"u","type":"vm","count":2,"size":{"cpu":"1","memory":"1Gi"},"state":"ready"}"#),
    ("held.web", r#"{"format":2,"uid":"u-1"}"#),
    ("held.web", "é\n\u{1}\\"),
    ("delete.web", "u"),
    ("refused.web", r#"{"reason":"no <&>","at":"2026-11-23T20:00:00Z"}"#),
    ("refused.web", r#"{"format":2}"#),
    ("scheduled.web", "{}"),
    ("scheduled.web", RUN),
    ("scheduled.web", NEWER_RUN),
    ("scheduled.web", NEWER_RUN_OF_THE_NEXT_DAY),
    ("blocked.web", r#"{"reason":"no","at":"2026-11-23T20:00:00Z"}"#),
    ("want.db", r#"{"type":"vm","count":1,"size":{"cpu":"1","memory":"1Gi"}}"#),
    ("want.db", r#"{"format":3}"#),
    ("want.DB", r#"{"type":"vm","count":1,"size":{}}"#),
    ("other.db", "3"),
];

const RUN: &str = r#"{"turn":"suspend","cause":"once","due":"2026-11-22T20:00:00Z","at":"2026-11-23T20:00:00Z","changed":1,"failed":0,"skipped":0}"#;
const NEWER_RUN: &str = r#"{"turn":"suspend","cause":"once","due":"2026-11-22T20:00:00Z","at":"2026-11-23T20:00:00Z","changed":1,"failed":0,"skipped":0,"next":1}"#;
const NEWER_RUN_OF_THE_NEXT_DAY: &str = r#"{"turn":"suspend","cause":"once","due":"2026-11-23T20:00:00Z","at":"2026-11-23T20:00:00Z","changed":1,"failed":0,"skipped":0,"next":1}"#;

fn data() -> impl Strategy<Value = BTreeMap<&'static str, &'static str>> {
    proptest::collection::vec(select(&ROWS[..]), 0..12).prop_map(|rows| {
        let quota = [ROWS[0]];
        quota.into_iter().chain(rows).collect()
    })
}

/// Encodes a value as the API server does, or with more escapes than it needs.
fn encoded(text: &str, escapes: bool) -> String {
    let json = serde_json::to_string(text).unwrap();
    if escapes { json.replace('/', "\\/").replace('{', "\\u007b") } else { json }
}

fn map(data: &BTreeMap<&str, &str>, escapes: &[bool]) -> String {
    let fields = data.iter().zip(escapes.iter().cycle());
    let fields: Vec<String> =
        fields.map(|((key, text), escapes)| format!("{}:{}", encoded(key, false), encoded(text, *escapes))).collect();
    format!("{{{}}}", fields.join(","))
}

fn parsed(json: &str) -> EncodedData<'_> {
    serde_json::from_str(json).unwrap()
}

fn account<'a>(uid: &'a str, data: &'a EncodedData<'a>) -> EncodedAccount<'a> {
    EncodedAccount { name: "john", uid, data: Some(data) }
}

proptest! {
    #[test]
    fn a_pair_is_both_accounts_read_whole(
        old in proptest::option::weighted(0.9, data()),
        rows in data(),
        removed in proptest::collection::vec(any::<Index>(), 0..3),
        is_same in proptest::bool::weighted(0.9),
        starts_from_old in proptest::bool::weighted(0.8),
        escapes in proptest::collection::vec(any::<bool>(), 1..5),
    ) {
        let mut new = if starts_from_old { old.clone().unwrap_or_default() } else { BTreeMap::new() };
        new.extend(rows.into_iter().skip(usize::from(starts_from_old)).take(3));
        for index in removed {
            if let Some(key) = new.keys().nth(index.index(new.len().max(1))).copied() {
                new.remove(key);
            }
        }
        let uids = if is_same { ["uid", "uid"] } else { ["uid", "other"] };
        let user: UserName = "john".parse().unwrap();
        let before = old.as_ref().map(|old| Account::read_what_can_be(user.clone(), uids[0], old).0);
        let (after, damaged) = Account::read_what_can_be(user, uids[1], &new);

        // A change to a format that this version does not know is refused; a value that stays is kept.
        let is_newer = |key: &str, text: &str| text.contains(r#""format":"#) || (key, text) == ("format", "2");
        let (old_json, new_json) = (old.as_ref().map(|old| map(old, &escapes)), map(&new, &[false]));
        let old_data = old_json.as_deref().map(parsed);
        let new_data = parsed(&new_json);
        let stays = |key: &str| {
            let raw = |data: &EncodedData<'_>| account("", data).values().find(|(other, _)| *other == key).map(|(_, raw)| raw.to_string());
            old_data.as_ref().and_then(raw) == raw(&new_data)
        };
        let refused = old.is_some() && is_same && new.iter().any(|(key, text)| is_newer(key, text) && !stays(key));

        let old = old_data.as_ref().map(|data| account(uids[0], data));
        match AccountPair::read(old.as_ref(), &account(uids[1], &new_data)) {
            Ok(pair) => {
                prop_assert!(damaged.is_empty() && !refused, "{damaged:?}");
                prop_assert_eq!(pair.before, before);
                prop_assert_eq!(pair.after, after);
            }
            Err(error) => prop_assert!(!damaged.is_empty() || refused, "{error} of {after:?}"),
        }
    }
}

#[test]
fn entries_that_do_not_change_are_shared() {
    let want = r#"{\"type\":\"container\",\"count\":1,\"size\":{\"cpu\":\"1\"}}"#;
    let old = format!(r#"{{"quota":"{{}}","want.db":"{want}","want.web":"{want}"}}"#);
    let new = format!(r#"{{"quota":"{{}}","want.db":"{want}","want.web":"{}"}}"#, want.replace(":1,", ":2,"));
    let (old, new) = (parsed(&old), parsed(&new));
    let pair = AccountPair::read(Some(&account("uid", &old)), &account("uid", &new)).unwrap();
    let before = pair.before.unwrap();
    let is_shared = |cluster: &str| {
        let cluster: ClusterName = cluster.parse().unwrap();
        std::sync::Arc::ptr_eq(&before.clusters[&cluster], &pair.after.clusters[&cluster])
    };
    assert!(is_shared("db") && !is_shared("web"));
}

#[test]
fn a_want_that_does_not_get_longer_is_not_listed() {
    let old = parsed(r#"{"want.db":"<<","want.web":"<","want.x":"<<"}"#);
    let new = parsed(r#"{"quota":"long","want.a":"","want.db":"<","want.web":"\u003c","want.x":"<<","want.X":"<"}"#);
    let longer = |old: Option<&EncodedAccount<'_>>| {
        let wants = longer_wants(old, &account("uid", &new)).into_iter();
        wants.map(|want| (want.cluster.to_string(), want.before, want.after)).collect::<Vec<_>>()
    };
    let listed = |cluster: &str, before, after| (cluster.to_owned(), before, after);
    assert_eq!(longer(Some(&account("uid", &old))), [listed("a", 0, 2), listed("web", 3, 8)]);
    assert_eq!(longer(None), [listed("a", 0, 2), listed("db", 0, 3), listed("web", 0, 8), listed("x", 0, 4)]);
}

#[test]
fn no_more_is_read_than_a_config_map_can_hold() {
    let read = |data: &str| {
        let data = parsed(data);
        AccountPair::read(None, &account("uid", &data)).map_or_else(|error| error.to_string(), |_| "read".to_owned())
    };
    let one = |length: usize| format!(r#"{{"note":"{}","quota":"{{}}"}}"#, r"\n".repeat(length - 2));
    assert_eq!(read(&one(MOST_DATA)), "read");
    assert!(read(&one(MOST_DATA + 1)).contains("it has 1048577 bytes, the maximum is 1048576"));
    let many = |count: usize| {
        let notes: Vec<String> = (1..count).map(|at| format!(r#""note-{at}":"""#)).collect();
        format!(r#"{{"quota":"{{}}",{}}}"#, notes.join(","))
    };
    assert_eq!(read(&many(MOST_ENTRIES)), "read");
    assert!(read(&many(MOST_ENTRIES + 1)).contains("it has 10001 entries, the maximum is 10000"));
    // The length counts in both accounts, whether a value is equal in both or not.
    let (old, new) = (one(MOST_DATA), format!(r#"{{"more":"x",{}"#, &one(MOST_DATA)[1..]));
    let (old, new) = (parsed(&old), parsed(&new));
    let error = AccountPair::read(Some(&account("uid", &old)), &account("uid", &new)).unwrap_err();
    assert!(error.why.contains("1048577 bytes"), "{error}");
}

#[test]
fn a_value_that_is_not_a_string_is_refused_by_its_key() {
    for (data, key) in [(r#"{"quota":"{}","want.web":3}"#, "want.web"), (r#"{"quota":"\ud800"}"#, "quota")] {
        let data = parsed(data);
        assert_eq!(AccountPair::read(None, &account("uid", &data)).unwrap_err().key, key);
    }
}
