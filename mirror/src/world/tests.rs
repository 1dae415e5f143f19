use serde_json::{Value, json};

use super::*;

fn read<K: serde::de::DeserializeOwned>(object: Value) -> K {
    serde_json::from_value(object).unwrap()
}

fn namespace(name: &str, labels: &Value) -> Change {
    let object = json!({ "metadata": { "name": name, "uid": format!("uid-of-{name}"), "labels": labels } });
    Change::Namespace(News::Is(read(object)))
}

fn ours() -> Value {
    json!({ (keys::OWNER): "john", (keys::CLUSTER): "web" })
}

fn set(namespace: &str, name: &str, generation: u32, replicas: u32, more: &Value) -> Change {
    let mut metadata =
        json!({ "name": name, "namespace": namespace, "uid": format!("uid-of-{name}"), "generation": generation });
    metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spec = json!({ "replicas": replicas, "selector": {}, "serviceName": "", "template": { "spec": { "containers": [
        { "name": "c", "resources": { "limits": { "cpu": "2", "memory": "4Gi" } } }] } } });
    Change::Set(News::Is(read(json!({ "metadata": metadata, "spec": spec }))))
}

fn pod(namespace: &str, name: &str, uid: &str) -> Change {
    let object =
        json!({ "metadata": { "name": name, "namespace": namespace, "uid": uid }, "status": { "phase": "Running" } });
    Change::Pod(News::Is(read(object)))
}

fn world(changes: impl IntoIterator<Item = Change>) -> World {
    let mut world = World::new(false);
    changes.into_iter().for_each(|change| world.take(change));
    world
}

fn shown(world: &World) -> Vec<String> {
    let all = world.all().instances.into_iter();
    all.map(|((place, _), fact)| format!("{place} {} {}", fact.value.instance, fact.value.state)).collect()
}

#[test]
fn an_instance_is_recognized_by_its_namespace_and_name_and_not_by_labels() {
    let none = json!({});
    let world = world([
        namespace("web-ns", &ours()),
        namespace("other", &ours()),
        namespace("db-ns", &json!({})),
        set("web-ns", "web-0", 1, 1, &none),
        pod("web-ns", "web-0-0", "p"),
        // Not ours: by its name, by its Namespace, by the owner of its Namespace.
        set("web-ns", "db-0", 1, 1, &none),
        set("other", "web-1", 1, 1, &none),
        set("db-ns", "db-0", 1, 1, &json!({ "labels": ours() })),
    ]);
    assert_eq!(shown(&world), ["web-ns web-0 running"]);
    assert_eq!(world.clusters(), 1);
}

#[test]
fn every_relevant_change_changes_the_evidence() {
    let none = json!({});
    let evidence = |changes: Vec<Change>| {
        let all = world([namespace("web-ns", &ours())].into_iter().chain(changes)).all().instances;
        all.into_values().next().unwrap().evidence
    };
    let before = || vec![set("web-ns", "web-0", 3, 1, &none), pod("web-ns", "web-0-0", "p")];
    assert_eq!(evidence(before()), evidence(before()));
    let labelled = json!({ "labels": { "a": "b" }, "resourceVersion": "99" });
    let unharmed = vec![set("web-ns", "web-0", 3, 1, &labelled), pod("web-ns", "web-0-0", "p")];
    assert_eq!(evidence(before()), evidence(unharmed), "a label switches nothing");
    for (what, changes) in [
        ("off and on again", vec![set("web-ns", "web-0", 5, 1, &none), pod("web-ns", "web-0-0", "p")]),
        ("another Pod", vec![set("web-ns", "web-0", 3, 1, &none), pod("web-ns", "web-0-0", "q")]),
        (
            "suspended anew",
            vec![
                set(
                    "web-ns",
                    "web-0",
                    3,
                    1,
                    &json!({ "annotations": { (keys::SUSPENDED_AT): "2026-01-01T00:00:00Z" } }),
                ),
                pod("web-ns", "web-0-0", "p"),
            ],
        ),
    ] {
        assert_ne!(evidence(before()), evidence(changes), "{what}");
    }
}

#[test]
fn only_changed_namespaces_and_users_are_reported() {
    let mut world = world([namespace("web-ns", &ours()), set("web-ns", "web-0", 1, 1, &json!({}))]);
    assert_eq!(world.take_news(), (vec!["web-ns".to_owned()], vec![]));
    assert!(!world.has_news());
    let account = json!({ "metadata": { "name": "john", "uid": "u", "resourceVersion": "7" },
        "data": { "quota": "{\"cpu\":\"4\",\"memory\":\"8Gi\"}",
            "want.web": "{\"type\":\"container\",\"count\":2,\"size\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}" } });
    world.take(Change::Account(News::Is(read(account))));
    let (places, users) = world.take_news();
    assert_eq!((&places[..], &users[..]), (&[][..], &["john".to_owned()][..]));
    let seen = world.seen(&places, &users);
    let charge = &seen.charges[&("john".to_owned(), "web".to_owned())];
    assert_eq!((charge.value.cpu().to_string(), charge.evidence.as_str()), ("2".to_owned(), "7"));
    assert_eq!(seen.quotas[&("john".to_owned(), String::new())].value.cpu().to_string(), "4");
    let released = json!({ "metadata": { "name": "john", "uid": "u", "resourceVersion": "8" },
        "data": { "quota": "{\"cpu\":\"4\",\"memory\":\"8Gi\"}",
            "held.web": "{\"uid\":\"u\",\"type\":\"container\",\"count\":2,\"size\":{},\"state\":\"deleting\"}" } });
    world.take(Change::Account(News::Is(read(released))));
    assert!(world.seen(&[], &users).charges.is_empty(), "a charge of nothing is no charge");
    // A new list replaces the objects of the previous one.
    assert!(!world.is_complete());
    for change in [Change::Set(News::First), Change::Set(News::All)] {
        world.take(change);
    }
    assert!(world.all().instances.is_empty());
    for change in [Change::Namespace(News::All), Change::Pod(News::All), Change::Account(News::All)] {
        world.take(change);
    }
    assert!(world.is_complete());
    assert!(!World::new(true).is_complete());
}
