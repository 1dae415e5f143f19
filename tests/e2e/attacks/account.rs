//! Attempts of john on his own account: no write gives him more than his quota.

use cmp_tests::shell::kubectl;
use cmp_tests::{Installation, eventually};
use serde_json::{Value, json};

use super::table::{allowed, attempt, refused};
use crate::support::{SOON, held, running, shared, want};

#[test]
fn forged_writes_to_accounts_are_refused() {
    let (john, mary) = (shared().user("4", "8Gi"), shared().user("4", "8Gi"));
    let web = running(&john, "web", 1, "1", "1Gi");
    let (me, more) = (&john.name, format!("want.{}", john.cluster("more")));
    let (own, held_key) = (format!("want.{web}"), format!("held.{web}"));
    let uid = held(&john.account(), &web).unwrap()["uid"].as_str().unwrap().to_owned();
    let before = john.admin(&["get", "configmap", me, "-n", "cmp-users", "-o", "json"]).ok().json();

    let patch = format!("patch configmap {me} -n cmp-users --type=merge");
    let json_patch = format!("patch configmap {me} -n cmp-users --type=json");
    let strategic = format!("patch configmap {me} -n cmp-users --type=strategic");
    let apply = "apply --server-side --force-conflicts -f -".to_owned();
    let data = |key: &str, value: Value| json!({ "data": { (key): value } });
    let wants = |text: &str| data(&more, text.into());
    let of = |cpu: &str, memory: &str| wants(&want(1, cpu, memory));
    let map = |data: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": me, "namespace": "cmp-users" }, "data": data });
    let metadata = |metadata: Value| json!({ "metadata": metadata });
    let mine = "a user may change want.* and delete.*, and remove refused.*";
    let data_only = "only the data of an account may be changed";
    let by_us = "only cmp-webhook writes held.*, refused.*, scheduled.*, blocked.* and settled";
    let too_much = "exceeded quota: ";
    let five = want(5, "1", "1Gi");

    refused(
        &john.kubeconfig,
        &[
            // Amounts above the quota, with every verb.
            (attempt("a merge patch above the quota", &patch, data(&more, five.clone().into())), too_much),
            (attempt("a strategic patch above it", &strategic, data(&more, five.clone().into())), too_much),
            (
                attempt("a JSON patch above it", &json_patch, json!([{ "op": "add", "path": format!("/data/{more}"), "value": five }])),
                too_much,
            ),
            (attempt("server-side apply with force", &apply, map(json!({ more.clone(): five }))), too_much),
            (attempt("growing what is there", &patch, data(&own, want(5, "1", "1Gi").into())), too_much),
            (
                attempt("wants that exceed it only together", &patch, json!({ "data": {
                    more.clone(): want(2, "1", "1Gi"), format!("want.{}", john.cluster("yet")): want(2, "1", "1Gi") } })),
                too_much,
            ),
            (
                attempt("a raised quota in the same write", &patch, json!({ "data": {
                    more.clone(): want(5, "1", "1Gi"), "quota": r#"{"cpu":"64","memory":"64Gi"}"# } })),
                mine,
            ),
            (attempt("a sum beyond all numbers", &patch, wants(&want(1000, "9223372036854775807", "1Gi"))), too_much),
            (attempt("a resource the quota does not name", &patch, wants(
                r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi","amd.com/gpu":"1"}}"#)), "amd.com/gpu is not in the quota"),
            (attempt("more clusters than the policy allows", &patch, {
                let tiny = want(1, "1m", "1Mi");
                let many = (0..100).map(|at| (format!("want.c{at}-{me}"), Value::from(tiny.clone())));
                json!({ "data": many.collect::<serde_json::Map<_, _>>() })
            }), "requested: clusters=100, used: clusters=1, limited: clusters=100"),
            // Invalid amounts and counts.
            (attempt("a negative amount", &patch, of("-2", "1Gi")), "must be above 0"),
            (attempt("no amount", &patch, of("0", "1Gi")), "must be above 0"),
            (attempt("a tenth of a thousandth of a core", &patch, of("0.0001", "1Gi")), "must be a multiple of 1m"),
            (attempt("thousandths of a byte", &patch, of("1", "1073741824500m")), "must be a whole number"),
            (attempt("an amount beyond all numbers", &patch, of("1e30", "1Gi")), "too large"),
            (attempt("words for an amount", &patch, of("two", "1Gi")), "is not a quantity"),
            (attempt("digits that are not ASCII", &patch, of("２", "1Gi")), "is not a quantity"),
            (attempt("memory in what looks like GiB", &patch, of("1", "4")), "did you mean Mi or Gi?"),
            (attempt("no instance", &patch, wants(&want(0, "1", "1Gi"))), "is below 1"),
            (attempt("a billion instances", &patch, wants(&want(1_000_000_000, "1m", "1Mi"))), "more than the 1000 instances"),
            (attempt("a count of 33 bits", &patch, wants(r#"{"type":"container","count":4294967297,"size":{"cpu":"1","memory":"1Gi"}}"#)), "is not readable"),
            (attempt("a count below 0", &patch, wants(r#"{"type":"container","count":-1,"size":{"cpu":"1","memory":"1Gi"}}"#)), "is not readable"),
            (attempt("a count as 1e0", &patch, wants(r#"{"type":"container","count":1e0,"size":{"cpu":"1","memory":"1Gi"}}"#)), "is not readable"),
            // Texts that are no valid wants.
            (attempt("a text that is no JSON", &patch, wants("three machines, please")), "is not readable"),
            (attempt("an empty text", &patch, wants("")), "is not readable"),
            (attempt("null", &patch, wants("null")), "is not readable"),
            (attempt("a want with something behind it", &patch, wants(&format!("{} {{}}", want(1, "1", "1Gi")))), "is not readable"),
            (attempt("a want without size", &patch, wants(r#"{"type":"container","count":1}"#)), "missing field `size`"),
            (attempt("a field that there is not", &patch, wants(r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"},"free":true}"#)), "this version does not know \"free\""),
            (attempt("a count twice", &patch, wants(r#"{"type":"container","count":1,"count":9,"size":{"cpu":"1","memory":"1Gi"}}"#)), "duplicate field `count`"),
            (attempt("a resource twice, the larger last", &patch, wants(r#"{"type":"container","count":1,"size":{"cpu":"1","cpu":"64","memory":"1Gi"}}"#)), "cpu is named twice"),
            (attempt("an image of 100 KB", &patch, wants(&json!({ "type": "container", "count": 1, "size": { "cpu": "1", "memory": "1Gi" }, "image": "x".repeat(100_000) }).to_string())), "is longer than 1024 characters"),
            (attempt("an object that is no JSON", &patch, json!("{\"data\": ")), "unexpected end of JSON"),
            // Invalid keys.
            (attempt("a key without a name", &patch, data("want.", want(1, "1", "1Gi").into())), "\"want.\" of the account is not readable"),
            (attempt("a name in capitals", &patch, data("want.UPPER", want(1, "1", "1Gi").into())), "\"UPPER\""),
            (attempt("a name with a dot", &patch, data("want.a.b", want(1, "1", "1Gi").into())), "\"a.b\""),
            (attempt("a name of 41 characters", &patch, data(&format!("want.{}", "a".repeat(41)), want(1, "1", "1Gi").into())), "is not readable"),
            (attempt("a name that is a word of the command line", &patch, data("want.clusters", want(1, "1", "1Gi").into())), "is reserved"),
            (attempt("a name that is not ASCII", &patch, data("want.wéb", want(1, "1", "1Gi").into())), "a valid config key"),
            (attempt("a key in other case", &patch, data("Want.more", want(1, "1", "1Gi").into())), mine),
            // Keys that a user may not write.
            (attempt("a raised quota", &patch, data("quota", r#"{"cpu":"64","memory":"64Gi"}"#.into())), mine),
            (attempt("no quota at all", &patch, data("quota", Value::Null)), mine),
            (attempt("another policy", &patch, data("policy", r#"{"clusters":1000}"#.into())), mine),
            (attempt("something held", &patch, data("held.free", r#"{"uid":"","type":"container","count":9,"size":{"cpu":"1","memory":"1Gi"},"state":"ready"}"#.into())), by_us),
            (attempt("less held than is", &patch, data(&held_key, Value::Null)), by_us),
            (attempt("server-side apply of what is held", &apply, map(json!({ held_key.clone(): "{}" }))), by_us),
            (attempt("a refusal", &patch, data("refused.free", "{}".into())), by_us),
            (attempt("why something is held up", &patch, data(&format!("blocked.{web}"), "{}".into())), by_us),
            (attempt("the empty uid of a cluster that has one", &patch, data(&format!("delete.{web}"), "".into())), "delete.* must be the uid in held.*"),
            (attempt("the empty uid of a cluster that is not held", &patch, data("delete.other", "".into())), "delete.* must be the uid in held.*"),
            (attempt("removing a refusal of mary's", format!("patch configmap {} -n cmp-users --type=merge", mary.name), data("refused.web", Value::Null)), "cannot get resource"),
            (attempt("removing a refusal and a quota with it", &patch, json!({ "data": { "refused.free": null, "quota": null } })), mine),
            (attempt("a change in the name of another", format!("{patch} --field-manager=kubectl-cmp/alice"), data(&own, want(2, "1", "1Gi").into())), "signs for NAME, and for nobody else"),
            (attempt("another's signature on what is there", &patch, metadata(json!({ "managedFields": [
                { "manager": "kubectl-cmp/alice", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
                  "fieldsType": "FieldsV1", "fieldsV1": { "f:data": { (format!("f:{own}")): {} } } }] }))), "signs for NAME, and for nobody else"),
            (attempt("what a schedule did", &patch, data(&format!("scheduled.{web}"), "{}".into())), by_us),
            (attempt("what a schedule of mary's did", format!("patch configmap {} -n cmp-users --type=merge", mary.name), data("scheduled.web", "{}".into())), "cannot get resource"),
            (attempt("a schedule of mary's", format!("patch configmap {} -n cmp-users --type=merge", mary.name), data(&format!("want.{}", mary.cluster("web")), want(1, "1", "1Gi").into())), "cannot get resource"),
            (attempt("a schedule that fires every minute", &patch, wants(r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"},"schedule":{"suspend":"* * * * *","since":"2026-01-01T00:00:00Z"}}"#)), "is due more than 24 times a day"),
            (attempt("a schedule of 100 KB", &patch, wants(&json!({ "type": "container", "count": 1, "size": { "cpu": "1", "memory": "1Gi" }, "schedule": { "suspend": "0 ".repeat(50_000), "since": "2026-01-01T00:00:00Z" } }).to_string())), "the maximum is 8192"),
            (attempt("a schedule that is none", &patch, wants(r#"{"type":"container","count":1,"size":{"cpu":"1","memory":"1Gi"},"schedule":"nightly"}"#)), "is not readable"),
            (attempt("that it is settled", &patch, data("settled", "x".into())), by_us),
            (attempt("taking the label of an account off", &patch, metadata(json!({ "labels": { "kubectl-cmp.dev/account": null } }))), data_only),
            (attempt("the same as JSON patch", &json_patch, json!([{ "op": "remove", "path": "/metadata/labels" }])), data_only),
            (attempt("a finalizer", &patch, metadata(json!({ "finalizers": ["example.com/held"] }))), data_only),
            (attempt("an owner", &patch, metadata(json!({ "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "1" }] }))), data_only),
            (attempt("an annotation, as client-side apply writes one", &patch, metadata(json!({ "annotations": { "a": "b" } }))), data_only),
            (attempt("binary data", &patch, json!({ "binaryData": { "want.x": "AAAA" } })), data_only),
            (attempt("an account that cannot be changed any more", &patch, json!({ "immutable": true })), data_only),
            (attempt("taking back the want of a cluster", &patch, data(&own, Value::Null)), "want.* cannot be removed while its cluster exists"),
            (attempt("deleting a cluster that there is not", &patch, data("delete.other", uid.clone().into())), "delete.* must be the uid in held.*"),
            (attempt("a wish to delete that only looks like the uid", &patch, data(&format!("delete.{web}"), format!("{uid}\",\"type\":\"container").into())), "delete.* must be the uid in held.*"),
            // Verbs other than patch, and accounts of others.
            (attempt("replacing the account", "replace -f -", map(json!({}))), "cannot update resource"),
            (attempt("deleting it", format!("delete configmap {me} -n cmp-users"), Value::Null), "cannot delete resource"),
            (attempt("deleting all", "delete --raw /api/v1/namespaces/cmp-users/configmaps", Value::Null), "cannot deletecollection"),
            (attempt("making another", "create configmap other -n cmp-users", Value::Null), "cannot create resource"),
            (attempt("applying one that is not there", apply.clone(), json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "other", "namespace": "cmp-users" } })), "cannot patch resource"),
            (attempt("mary's", format!("patch configmap {} -n cmp-users --type=merge", mary.name), data(&more, Value::Null)), "cannot get resource"),
            (attempt("a write from an old version", &patch, json!({ "metadata": { "resourceVersion": "1" }, "data": { more.clone(): want(1, "1", "1Gi") } })), "the object has been modified"),
        ],
    );
    let after = john.admin(&["get", "configmap", me, "-n", "cmp-users", "-o", "json"]).ok().json();
    assert_eq!(after["data"], before["data"], "nothing of it was stored");
    assert_eq!(after["metadata"]["labels"], before["metadata"]["labels"]);

    // A dry run is judged, and writes nothing.
    let version =
        || john.admin(&["get", "configmap", me, "-n", "cmp-users", "-o", "jsonpath={.metadata.resourceVersion}"]).ok();
    let read = version().stdout;
    refused(
        &john.kubeconfig,
        &[(
            attempt(
                "a dry run above the quota",
                format!("{patch} --dry-run=server"),
                data(&more, want(5, "1", "1Gi").into()),
            ),
            too_much,
        )],
    );
    allowed(
        &john.kubeconfig,
        &[attempt("a dry run within it", format!("{patch} --dry-run=server"), data(&more, want(3, "1", "1Gi").into()))],
    );
    assert_eq!(version().stdout, read);

    // The user's own keys work in each of the four ways.
    allowed(
        &john.kubeconfig,
        &[
            attempt("what is there already", &patch, data(&own, before["data"][&own].clone())),
            attempt("a want by server-side apply", &apply, map(json!({ more.clone(): want(1, "1", "1Gi") }))),
            attempt("more by a strategic patch", &strategic, data(&more, want(2, "1", "1Gi").into())),
            attempt(
                "more by a JSON patch",
                &json_patch,
                json!([{ "op": "replace", "path": format!("/data/{more}"), "value": want(3, "1", "1Gi") }]),
            ),
        ],
    );
    john.account_is("all of it is held", |account| {
        held(account, &john.cluster("more")).is_some_and(|held| held["count"] == 3 && held["state"] == "ready")
    });
}

/// Checks who may write the delete, refused and blocked entries beside a held entry, for each existing state.
/// cmp-webhook is down and no controller writes, so that each state stays as the test made it.
#[test]
fn each_entry_beside_a_held_entry_has_its_writers() {
    let mut installation = Installation::start(1, "3s");
    let john = installation.user("4", "8Gi");
    let (name, john) = (john.name.clone(), john.kubeconfig.clone());
    installation.stop();
    let (admin, plane) = (installation.plane.kubeconfig(), &installation.plane);
    let webhook = plane.folder().join("cmp-webhook.kubeconfig");
    let patch = format!("patch configmap {name} -n cmp-users --type=merge");
    let held = |uid: &str| {
        let size = json!({ "cpu": "1", "memory": "1Gi" });
        json!({ "uid": uid, "type": "container", "count": 1, "size": size, "state": "preparing" }).to_string()
    };
    let wish = "delete.* must be the uid in held.* of the same cluster, and cannot be removed";
    let by_us = "blocked.* and settled; others may only remove refused.*";
    let reason = r#"{"reason":"no","at":"2026-01-01T00:00:00Z"}"#;
    let state = |uid: Option<&str>, delete: Option<&str>| {
        let wishes =
            json!({ "delete.web": delete, "held.web": uid.map(held), "refused.web": reason, "blocked.web": reason });
        allowed(&webhook, &[attempt("what cmp-webhook writes", &patch, json!({ "data": wishes }))]);
    };
    for who in [&john, &admin] {
        // The held uid, the existing wish, the written wish, and the words of the refusal.
        for (uid, before, after, refusal) in [
            (None, None, Some(""), wish),
            (None, None, Some("u1"), wish),
            (Some(""), None, Some(""), ""),
            (Some(""), None, Some("u1"), wish),
            (Some(""), Some(""), None, wish),
            (Some(""), Some(""), Some("u1"), wish),
            (Some("u1"), None, Some(""), wish),
            (Some("u1"), None, Some("u"), wish),
            (Some("u1"), None, Some("u1"), ""),
            (Some("u1"), None, Some("u1\",\"type"), wish),
            // The Namespace was found after the wish was written.
            (Some("u1"), Some(""), Some("u1"), ""),
            (Some("u1"), Some(""), Some("u2"), wish),
            (Some("u1"), Some(""), None, wish),
            (Some("u1"), Some("u1"), Some(""), wish),
            (Some("u1"), Some("u1"), Some("u2"), wish),
            (Some("u1"), Some("u1"), None, wish),
            // A wish that was meant for an earlier cluster of this name.
            (Some("u1"), Some("u0"), Some("u1"), ""),
            (Some("u1"), Some("u0"), Some(""), wish),
            (Some("u1"), Some("u0"), None, wish),
        ] {
            state(uid, before);
            let tried = attempt("a wish to delete", &patch, json!({ "data": { "delete.web": after } }));
            println!("held {uid:?}, delete {before:?}, then {after:?}: {refusal:?}");
            if refusal.is_empty() {
                allowed(who, &[tried]);
            } else {
                refused(who, &[(tried, refusal)]);
            }
        }
        state(Some("u1"), None);
        let data = |data: Value| json!({ "data": data });
        refused(
            who,
            &[
                (attempt("another refusal", &patch, data(json!({ "refused.web": "{}" }))), by_us),
                (attempt("a refusal of another name", &patch, data(json!({ "refused.db": reason }))), by_us),
                (attempt("another reason", &patch, data(json!({ "blocked.web": "{}" }))), by_us),
                (attempt("a reason of another name", &patch, data(json!({ "blocked.db": reason }))), by_us),
                (attempt("no reason", &patch, data(json!({ "blocked.web": null }))), by_us),
                (
                    attempt(
                        "no refusal, and nothing held",
                        &patch,
                        data(json!({ "refused.web": null, "held.web": null })),
                    ),
                    by_us,
                ),
            ],
        );
        allowed(who, &[attempt("no refusal", &patch, data(json!({ "refused.web": null })))]);
    }
    // Every writer of the account may remove a want without a held entry.
    plane.admin(&["delete", "validatingwebhookconfiguration", "cmp-webhook"]).ok();
    for who in [&john, &admin] {
        let wanted = json!({ "data": { "want.db": want(1, "1", "1Gi") } }).to_string();
        let patch = ["patch", "configmap", &name, "-n", "cmp-users", "--type=merge", "-p", &wanted];
        eventually("it is wanted", SOON, || {
            let tried = kubectl(who, &patch);
            if tried.code == 0 { Ok(()) } else { Err(tried.to_string()) }
        });
        kubectl(who, &["cmp", "delete", "cluster", "db", "--yes", "--wait"]).ok().says("cluster/db deleted");
        let kept =
            plane.admin(&["get", "configmap", &name, "-n", "cmp-users", "-o", "jsonpath={.data.want\\.db}"]).ok();
        assert_eq!(kept.stdout, "");
    }
}
