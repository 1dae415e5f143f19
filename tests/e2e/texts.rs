//! The texts that `cmp_client` compares are those of the real API server, and the causes of a denial arrive.

use cmp_client::ApiError;
use cmp_tests::{control_plane, eventually};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::support::{SOON, copy_of, held, running, shared, want};

/// Reads an object of a test.
fn object<K: serde::de::DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

/// The error of a call that has to fail.
#[track_caller]
fn refused<T>(answer: Result<T, kube::Error>) -> ApiError {
    answer.err().map(ApiError::from).expect("the API server refuses it")
}

#[test]
fn a_predicate_for_each_text_of_kubernetes_and_of_the_policies() {
    let user = shared().user("4", "8Gi");
    let web = running(&user, "web", 1, "1", "1Gi");
    let ns = format!("{web}-ns");
    let another: StatefulSet = object(copy_of(&user, &web, &format!("{web}-0"), &format!("{web}-7")));
    let create = PostParams::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let john = runtime.block_on(control_plane::client(&user.kubeconfig));
    runtime.block_on(async {
        let accounts: Api<ConfigMap> = Api::namespaced(john.clone(), "cmp-users");
        let patch = |data: Value| Patch::Merge(json!({ "data": data }));
        let params = PatchParams::default();
        let key = format!("want.{}", user.cluster("db"));
        let error = refused(accounts.patch(&user.name, &params, &patch(json!({ key: want(40, "1", "1Gi") }))).await);
        assert!(error.is_over_quota() && !error.is_not_settled() && !error.is_fenced(), "{error:?}");
        assert!(error.to_string().starts_with("exceeded quota: "), "{error:?}");

        let secrets: Api<Secret> = Api::namespaced(john.clone(), "kube-system");
        let error = refused(secrets.get("x").await);
        assert!(error.lacks_rights() && !error.is_not_seen_yet(), "{error:?}");
        let elsewhere: Api<StatefulSet> = Api::namespaced(john.clone(), "default");
        let mut there = another.clone();
        there.metadata.namespace = Some("default".to_owned());
        let error = refused(elsewhere.create(&create, &there).await);
        assert!(error.lacks_rights() && error.is_not_seen_yet(), "{error:?}");
        let sets: Api<StatefulSet> = Api::namespaced(john.clone(), &ns);
        let error = refused(sets.create(&create, &another).await);
        assert!(error.is_not_seen_yet() && !error.lacks_rights() && !error.is_fenced(), "{error:?}");
        let stale = json!({ "metadata": { "resourceVersion": "1", "labels": { "a": "b" } } });
        let error = refused(sets.patch(&format!("{web}-0"), &params, &Patch::Merge(stale)).await);
        assert!(error.is_modified(), "{error:?}");
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(john.clone(), &ns);
        let claim = json!({ "metadata": { "name": "x" }, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } } });
        let error = refused(claims.create(&create, &object(claim)).await);
        assert!(error.is_fenced() && error.is_not_seen_yet() && !error.is_over_quota(), "{error:?}");
    });

    user.admin(&["cmp", "set", "quota", &user.name, "--suspended", "release"]).ok();
    user.cmp(&["suspend", "cluster", &web]).ok();
    user.account_is("it is released", |account| {
        held(account, &web).is_some_and(|held| held["released"] == true && held["state"] == "ready")
    });
    let on = Patch::Merge(json!({ "spec": { "replicas": 1 } }));
    let sets: Api<StatefulSet> = Api::namespaced(john, &ns);
    eventually("its instance cannot be switched on", SOON, || {
        let error = refused(runtime.block_on(sets.patch_scale(&format!("{web}-0"), &PatchParams::default(), &on)));
        if error.is_released() { Ok(()) } else { Err(format!("{error:?}")) }
    });
}
