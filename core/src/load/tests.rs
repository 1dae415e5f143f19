use serde_json::json;

use super::*;

fn of(text: &str) -> Resources {
    Resources::from_list(text).unwrap_or_else(|| panic!("{text:?}"))
}

fn load(used: &str, asked: &str) -> Load {
    Load { used: (used != "-").then(|| of(used)), asked: of(asked) }
}

#[test]
fn amounts_are_written_as_kubectl_top_writes_them() {
    for (measure, amount, expected) in [
        (Measure::Cpu, "0", "0m"),
        (Measure::Cpu, "250m", "250m"),
        (Measure::Cpu, "2", "2000m"),
        (Measure::Cpu, "1n", "1m"),
        (Measure::Cpu, "12345678n", "13m"),
        (Measure::Memory, "0", "0Mi"),
        (Measure::Memory, "512Mi", "512Mi"),
        (Measure::Memory, "4Gi", "4096Mi"),
        (Measure::Memory, "1048575", "0Mi"),
        (Measure::Memory, "128974848", "123Mi"),
        (Measure::Memory, "129M", "123Mi"),
    ] {
        assert_eq!(measure.text(amount.parse().unwrap()), expected, "{amount}");
    }
}

#[test]
fn the_percentage_is_rounded_down_and_needs_both_amounts() {
    for (used, asked, cpu, memory) in [
        ("cpu=250m,memory=1Gi", "cpu=1,memory=4Gi", "25%", "25%"),
        ("cpu=1999m,memory=1", "cpu=2,memory=4Gi", "99%", "0%"),
        ("cpu=3,memory=5Gi", "cpu=2,memory=4Gi", "150%", "125%"),
        ("cpu=0,memory=0", "cpu=2,memory=4Gi", "0%", "0%"),
        ("cpu=1,memory=1Gi", "memory=4Gi", "-", "25%"),
        ("-", "cpu=2,memory=4Gi", "-", "-"),
    ] {
        let load = load(used, asked);
        let [_, _, of_cpu] = load.cells(Measure::Cpu);
        let [_, _, of_memory] = load.cells(Measure::Memory);
        assert_eq!((of_cpu.as_str(), of_memory.as_str()), (cpu, memory), "{used} of {asked}");
    }
    assert_eq!(load("-", "cpu=2").cells(Measure::Cpu), ["-", "2000m", "-"]);
    let percent = |used: &str, asked: &str| load(used, asked).percent(Measure::Cpu);
    assert_eq!(percent("cpu=9223372036854775807", "cpu=100"), Some(9_223_372_036_854_775_807));
    assert_eq!(percent("cpu=9223372036854775807", "cpu=1n"), None);
}

#[test]
fn the_total_is_the_sum_of_the_measured_instances() {
    let total = |used: &[&str]| {
        let used: Vec<Resources> = used.iter().map(|used| of(used)).collect();
        Load::total(&used, of("cpu=4,memory=8Gi"))
    };
    assert_eq!(total(&[]), load("-", "cpu=4,memory=8Gi"));
    let two = total(&["cpu=250m,memory=1Gi", "cpu=1n,memory=512Mi"]);
    assert_eq!(two, load("cpu=250000001n,memory=1536Mi", "cpu=4,memory=8Gi"));
    assert_eq!(two.cells(Measure::Memory), ["1536Mi", "8192Mi", "18%"]);
}

#[test]
fn the_highest_use_comes_first() {
    let mut rows = vec![
        ("a", load("cpu=1,memory=2Gi", "")),
        ("b", load("-", "")),
        ("c", load("cpu=2,memory=1Gi", "")),
        ("d", load("cpu=1000m,memory=4Gi", "")),
        ("e", load("cpu=0,memory=0", "")),
    ];
    let mut sorted = |measure| {
        rows.sort_by_key(|(name, _)| *name);
        sort(&mut rows, measure, |(_, load)| load);
        rows.iter().map(|(name, _)| *name).collect::<String>()
    };
    assert_eq!((sorted(Measure::Cpu).as_str(), sorted(Measure::Memory).as_str()), ("cadeb", "daceb"));
}

#[test]
fn the_use_of_an_instance_is_that_of_the_containers_of_its_pods() {
    let pod = |name: &str, namespace: &str, uses: &[(&str, &str)]| -> PodMetrics {
        let container =
            |(cpu, memory): &(&str, &str)| json!({ "name": "x", "usage": { "cpu": cpu, "memory": memory } });
        let containers: Vec<_> = uses.iter().map(container).collect();
        let metadata = json!({ "name": name, "namespace": namespace, "creationTimestamp": "2026-01-01T00:00:00Z" });
        let read = json!({ "metadata": metadata, "timestamp": "2026-01-01T00:00:00Z", "window": "15s",
            "containers": containers });
        serde_json::from_value(read).unwrap()
    };
    let web: ClusterName = "web".parse().unwrap();
    let shown = |pods: &[PodMetrics], instance: &dyn Fn(&str) -> Option<InstanceName>| {
        let used = of_instances(&web, pods, instance);
        used.iter().map(|(name, used)| format!("{name}: {used}")).collect::<Vec<_>>()
    };
    let pods = [
        pod("web-0-0", "web-ns", &[("250m", "100Mi"), ("1500000n", "24Mi")]),
        pod("web-1-0", "web-ns", &[("0", "0")]),
        pod("web-2-0", "db-ns", &[("1", "1Gi")]),
        pod("db-0-0", "web-ns", &[("1", "1Gi")]),
        pod("web-3-1", "web-ns", &[("1", "1Gi")]),
        pod("web-04-0", "web-ns", &[("1", "1Gi")]),
        pod("job-x7k2p", "web-ns", &[("1", "1Gi")]),
    ];
    let expected = ["web-0: cpu=251500u,memory=124Mi", "web-1: cpu=0,memory=0"];
    assert_eq!(shown(&pods, &instance_of_pod), expected);

    // A VM that moves has two Pods.
    let pods = [
        pod("virt-launcher-web-0-aaaaa", "web-ns", &[("1", "1Gi")]),
        pod("virt-launcher-web-0-bbbbb", "web-ns", &[("500m", "1Gi")]),
        pod("other", "web-ns", &[("1", "1Gi")]),
    ];
    let launcher = |pod: &str| pod.starts_with("virt-launcher-").then(|| web.instance(0));
    assert_eq!(shown(&pods, &launcher), ["web-0: cpu=1500m,memory=2Gi"]);
}
