//! Reviews that the API server did not send: somebody who can reach the port of cmp-webhook sends them.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use cmp_tests::child::connect;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::support::{running, shared, want};

/// POSTs to cmp-webhook over TLS with the trust anchors of the API server, and returns status and body.
fn post(port: u16, authorities: &str, body: &[u8], announced: usize) -> (String, String) {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
        roots.add(authority.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let socket = connect(([127, 0, 0, 1], port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), socket);
    let head = format!(
        "POST /validate-account HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        announced
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut bytes = Vec::new();
    // The test ignores whether the other side closes TLS properly.
    let _read = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    (head.lines().next().unwrap_or_default().to_owned(), body.to_owned())
}

#[test]
fn a_forged_admission_review_changes_nothing() {
    let john = shared().user("4", "8Gi");
    let web = running(&john, "web", 1, "1", "1Gi");
    let configuration = john.admin(&["get", "validatingwebhookconfiguration", "cmp-webhook", "-o", "json"]).ok().json();
    let asked = &configuration["webhooks"][0]["clientConfig"];
    let port = asked["url"].as_str().and_then(|url| url.split(':').nth(2)?.split('/').next()?.parse().ok()).unwrap();
    let bundle: k8s_openapi::ByteString = serde_json::from_value(asked["caBundle"].clone()).unwrap();
    let authorities = String::from_utf8(bundle.0).unwrap();

    let stored = || john.admin(&["get", "configmap", &john.name, "-n", "cmp-users", "-o", "json"]).ok().json();
    let before = stored();
    let question = |change: &dyn Fn(&mut Value)| {
        let mut new = before.clone();
        change(&mut new);
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "forged", "operation": "UPDATE", "name": john.name, "namespace": "cmp-users", "dryRun": false,
            "kind": { "group": "", "version": "v1", "kind": "ConfigMap" },
            "resource": { "group": "", "version": "v1", "resource": "configmaps" },
            "userInfo": { "username": "admin", "groups": ["system:masters"] },
            "object": new, "oldObject": before } })
        .to_string()
    };
    let answer = |body: &str| -> Value {
        let (status, answer) = post(port, &authorities, body.as_bytes(), body.len());
        assert!(status.contains("200"), "{status}: {answer}");
        serde_json::from_str(&answer).unwrap()
    };
    // The answer is the same as for a real review, and reserves nothing.
    let fits = |new: &mut Value| new["data"][format!("want.{}", john.cluster("more"))] = want(3, "1", "1Gi").into();
    assert_eq!(answer(&question(&fits))["response"]["allowed"], true);
    let exceeds = |new: &mut Value| new["data"][format!("want.{}", john.cluster("more"))] = want(4, "1", "1Gi").into();
    assert_eq!(answer(&question(&exceeds))["response"]["allowed"], false);
    // The webhook does not judge who may raise a quota: a policy does.
    let raised = |new: &mut Value| new["data"]["quota"] = r#"{"cpu":"64","memory":"64Gi"}"#.into();
    assert_eq!(answer(&question(&raised))["response"]["allowed"], true);
    let gone = |new: &mut Value| new["data"][format!("held.{web}")] = Value::Null;
    assert_eq!(answer(&question(&gone))["response"]["allowed"], false);
    for (body, expected) in [
        (b"".to_vec(), "400"),
        (b"{}".to_vec(), "400"),
        (b"\xff\xfe\x00".to_vec(), "400"),
        (br#"{"request":{"uid":["#.to_vec(), "400"),
        (b"[".repeat(100_000), "400"),
    ] {
        let (status, text) = post(port, &authorities, &body, body.len());
        assert!(status.contains(expected), "{expected}: {status} {text}");
    }
    // A body above the limit is not read at all.
    let (status, text) = post(port, &authorities, b"", 21 << 20);
    assert!(status.contains("413"), "{status} {text}");
    assert_eq!(stored(), before, "nothing was stored");
    john.cmp(&["quota"]).ok();
    for replica in &john.installation.replicas {
        assert!(replica.is_running(), "{}", replica.last_words());
    }
    // The amount in the forged review is still free.
    john.patch(&json!({ format!("want.{}", john.cluster("other")): want(3, "1", "1Gi") })).ok();
}
