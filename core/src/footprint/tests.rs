use serde_json::{Value, json};

use super::*;

#[test]
fn a_pod_costs_what_kubernetes_counts() {
    let check = |spec: Value, expected: &str| {
        let spec = serde_json::from_value(spec).unwrap();
        assert_eq!(footprint(&spec, Rule::Requests).unwrap().to_string(), expected);
    };
    let container = |cpu: &str| json!({ "name": "c", "resources": { "requests": { "cpu": cpu } } });
    let sidecar =
        |cpu: &str| json!({ "name": "s", "restartPolicy": "Always", "resources": { "requests": { "cpu": cpu } } });
    check(json!({ "containers": [container("1"), container("500m")] }), "cpu=1500m");
    check(json!({ "containers": [container("1")], "initContainers": [container("3")] }), "cpu=3");
    check(json!({ "containers": [container("1")], "initContainers": [sidecar("1"), container("2")] }), "cpu=3");
    check(json!({ "containers": [container("1")], "initContainers": [container("2"), sidecar("1")] }), "cpu=2");
    check(json!({ "containers": [container("1")], "resources": { "requests": { "cpu": "4" } } }), "cpu=4");
    check(json!({ "containers": [container("1")], "overhead": { "cpu": "250m" } }), "cpu=1250m");
}

/// Random Pods with the results of the real `PodRequests` and `PodLimits`; `tests/control-plane/kubernetes/pods` makes
/// the file.
const PODS: &str = include_str!("../../tests/vectors/pods.jsonl");

#[test]
fn a_random_pod_costs_what_kubernetes_counts() {
    let mut seen = 0;
    for line in PODS.lines() {
        let vector: Value = serde_json::from_str(line).unwrap();
        let pod = serde_json::from_value(vector["pod"].clone()).unwrap();
        for (rule, sums) in [(Rule::Requests, "requests"), (Rule::Limits, "limits")] {
            // A resource that cannot be in a size is not counted.
            let expected: Resources = vector[sums]
                .as_object()
                .unwrap()
                .iter()
                .filter_map(|(name, amount)| Some((name.parse().ok()?, amount.as_str()?.parse().unwrap())))
                .collect();
            assert_eq!(footprint(&pod, rule), Some(expected), "{sums} of {line}");
            seen += 1;
        }
    }
    assert_eq!(seen, 500);
}
