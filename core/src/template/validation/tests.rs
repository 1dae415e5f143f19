use serde_json::Value;

use super::*;
use crate::template::pod;

const VECTORS: &str = include_str!("../../../tests/vectors/validation.jsonl");

/// The rules that are left out, as parts of the fields that Kubernetes calls wrong. A case in which Kubernetes finds
/// other errors, too, is not left out.
const NOT_COVERED: [&str; 2] = [".stopSignal", "metadata.annotations[controller.kubernetes.io"];

/// The values that core refuses and Kubernetes takes: no sum of this size can be counted.
const STRICTER: [&str; 1] = ["1e400"];

/// Puts a value at a path such as `spec/containers/0/name`.
fn set(object: &mut Value, path: &str, value: &Value) {
    let mut at = object;
    for step in path.split('/') {
        at = match at {
            Value::Array(items) => &mut items[step.parse::<usize>().unwrap()],
            _ => &mut at[step],
        };
    }
    *at = value.clone();
}

/// Returns a field and the type of its error, without the positions in lists.
fn plain(error: &str) -> (String, String) {
    let (field, kind) = error.split_once(": ").unwrap();
    // Kubernetes leaves the name of this list out.
    let field = field.replace("downwardAPI.items", "downwardAPI");
    // Kubernetes names the operator where the value is wrong.
    let field = field.replace("].value", "].operator");
    let field: String = field.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect();
    // Kubernetes has types of their own for texts that are too long, and for fields that are none.
    let plain = kind.starts_with("Too long") || field.ends_with("fieldPath") && kind.starts_with("Unsupported");
    (field, if plain { "Invalid value" } else { kind }.to_owned())
}

/// Returns the error, as the API server calls the field and the type.
fn verdict(pod: &Value) -> Option<String> {
    let Ok(read) = pod::read(pod) else { return Some("the Pod: cannot be read".to_owned()) };
    check(&pod::json(&read).unwrap(), &[]).err().map(|error| error.to_string())
}

#[test]
fn the_verdict_is_kubernetes_own() {
    let mut lines = VECTORS.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let base = lines.next().unwrap()["pod"].clone();
    let (mut valid, mut invalid, mut differences) = (0, 0, Vec::new());
    for line in lines {
        let wrong: Vec<&str> = match &line["wrong"] {
            Value::Array(wrong) => wrong.iter().map(|wrong| wrong.as_str().unwrap()).collect(),
            _ => continue,
        };
        let mut pod = base.clone();
        for (path, value) in line["set"].as_object().unwrap() {
            set(&mut pod, path, value);
        }
        let ours = verdict(&pod);
        let agree = match &ours {
            None if wrong.is_empty() => {
                valid += 1;
                true
            }
            None => {
                let left_out = |wrong: &&str| NOT_COVERED.iter().any(|part| wrong.contains(part));
                wrong.iter().all(left_out) || line["set"].to_string().contains("hugepages")
            }
            Some(_)
                if wrong == ["cannot be read"]
                    || STRICTER.iter().any(|part| line["set"].to_string().contains(part)) =>
            {
                true
            }
            Some(ours) => {
                invalid += 1;
                let (field, kind) = plain(ours);
                // Kubernetes leaves some steps of a path out.
                wrong.iter().map(|wrong| plain(wrong)).any(|(theirs, type_)| {
                    (field.starts_with(&theirs) || theirs.starts_with(&field)) && kind.starts_with(&type_)
                })
            }
        };
        if !agree {
            differences.push(format!("{}\n  ours: {ours:?}\n  Kubernetes: {wrong:?}", line["set"]));
        }
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    assert!(valid > 300 && invalid > 500, "{valid} valid, {invalid} invalid");
}

#[test]
fn references_are_those_that_kubectl_run_accepts() {
    let images = VECTORS.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut count = 0;
    for line in images.filter(|line| line["image"].is_string()) {
        let image = line["image"].as_str().unwrap();
        assert_eq!(is_reference(image), line["valid"] == true, "{image:?}");
        count += 1;
    }
    assert!(count > 50);
}

#[test]
fn an_error_names_the_field_and_the_value() {
    let pod = |containers: Value| serde_json::json!({ "spec": { "containers": containers } });
    let main = |more: Value| {
        let mut main = serde_json::json!({ "name": "instance", "image": "debian" });
        main.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        pod(serde_json::json!([main]))
    };
    for (pod, expected) in [
        (
            main(serde_json::json!({ "ports": [{ "containerPort": 99999 }] })),
            "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535",
        ),
        (
            main(serde_json::json!({ "env": [{ "name": "A=B" }] })),
            "spec.containers[0].env[0].name: Invalid value: \"A=B\": must be printable ASCII characters other than '='",
        ),
        (
            main(serde_json::json!({ "volumeMounts": [{ "name": "data", "mountPath": "/data" }] })),
            "spec.containers[0].volumeMounts[0].name: Not found: \"data\"",
        ),
        (
            main(serde_json::json!({ "image": "bad:::img" })),
            "spec.containers[0].image: Invalid value: \"bad:::img\": invalid reference format",
        ),
        (
            main(serde_json::json!({ "imagePullPolicy": "always" })),
            "spec.containers[0].imagePullPolicy: Unsupported value: \"always\": supported values: \"Always\", \
             \"IfNotPresent\", \"Never\"",
        ),
        (pod(serde_json::json!([])), "spec.containers: Required value: a Pod has at least one container"),
    ] {
        assert_eq!(check(&pod, &[]).unwrap_err().to_string(), expected);
    }
    // A volume of the claims of the StatefulSet is found.
    let mount = main(serde_json::json!({ "volumeMounts": [{ "name": "disk", "mountPath": "/data" }] }));
    assert_eq!(check(&mount, &["disk"]), Ok(()));
    // A long value is cut.
    let long = main(serde_json::json!({ "image": "a:".repeat(5000) }));
    assert!(check(&long, &[]).unwrap_err().to_string().len() < 400);
}
