//! Random manifests of KubeVirt's kinds, on their way to the form in which `create template` stores them.

use std::sync::atomic::{AtomicU64, Ordering};

use cmp_core::template::{Draft, Template};
use serde_json::Value;

use crate::{MACHINE, POD_WORDS, edited, texts};

/// The kinds that are made into a machine, and a machine that refers to an instancetype and a preference.
const SOUND: [&str; 4] = [
    "apiVersion: kubevirt.io/v1
kind: VirtualMachineInstance
metadata: { name: x, uid: y, labels: { a: b }, annotations: { c: d } }
spec:
  domain:
    memory: { guest: 1Gi }
    resources: { requests: { cpu: 1 } }
    devices: { disks: [{ name: root, disk: {} }] }
  volumes: [{ name: root, containerDisk: { image: x } }]
",
    "apiVersion: kubevirt.io/v1
kind: VirtualMachineInstanceReplicaSet
spec:
  replicas: 3
  selector: { matchLabels: { a: b } }
  template:
    metadata: { creationTimestamp: null, labels: { a: b } }
    spec:
      domain: { devices: { disks: [{ name: root, disk: {} }], interfaces: [{ name: default, masquerade: {} }] } }
      networks: [{ name: default, pod: {} }]
      volumes: [{ name: root, containerDisk: { image: x } }]
",
    "apiVersion: pool.kubevirt.io/v1beta1
kind: VirtualMachinePool
spec:
  replicas: 3
  virtualMachineTemplate:
    metadata: { labels: { a: b } }
    spec:
      runStrategy: Always
      template:
        spec:
          domain: { cpu: { cores: 2 }, devices: { disks: [{ name: root, disk: {} }] } }
          volumes: [{ name: root, containerDisk: { image: x } }]
",
    "apiVersion: kubevirt.io/v1
kind: VirtualMachine
metadata: { name: x, namespace: types, creationTimestamp: null }
spec:
  runStrategy: Halted
  instancetype: { name: large }
  preference: { name: windows, kind: VirtualMachinePreference }
  template:
    spec:
      domain: { devices: { disks: [{ name: root, disk: {} }] } }
      volumes: [{ name: root, containerDisk: { image: x } }]
",
];

/// Returns the draft after the answer of KubeVirt, which has the fields of the instancetype instead of its name.
fn expanded(draft: Draft) -> Draft {
    let Some(mut machine) = draft.to_expand().cloned() else { return draft };
    if let Some(spec) = machine["spec"].as_object_mut() {
        spec.retain(|key, _| !["instancetype", "preference"].contains(&key.as_str()));
    }
    if machine["spec"]["template"]["spec"]["domain"].is_object() {
        machine["spec"]["template"]["spec"]["domain"]["memory"] = serde_json::json!({ "guest": "2Gi" });
    }
    draft.expanded(machine)
}

/// Reads a manifest as `create template` does. Returns whether it is a template.
fn is_stored(text: &str) -> bool {
    let Ok(manifest) = serde_saphyr::from_str::<Value>(text) else { return false };
    let Ok(draft) = Draft::read(&manifest) else { return false };
    let draft = expanded(draft);
    match Template::read(draft.manifest()) {
        Err(wrong) => {
            assert!(!draft.located(wrong).to_string().is_empty(), "{text}");
            false
        }
        Ok((template, unused)) => {
            assert!(unused.is_empty() || !draft.is_changed(), "each field is named once: {unused:?}: {text}");
            // The stored form is stored again as it is.
            let again = Draft::read(draft.manifest()).unwrap();
            assert!(!again.is_changed() && again.to_expand().is_none() && again.notes().is_empty(), "{text}");
            assert_eq!(again.manifest(), draft.manifest(), "{text}");
            assert_eq!(Template::read(again.manifest()).unwrap().0, template, "{text}");
            true
        }
    }
}

#[test]
fn drafts() {
    for sound in SOUND.iter().chain([&MACHINE]) {
        assert!(is_stored(sound), "{sound}");
    }
    let (inputs, good) = (AtomicU64::new(0), AtomicU64::new(0));
    bolero::check!().with_max_len(64).for_each(|bytes: &[u8]| {
        inputs.fetch_add(1, Ordering::Relaxed);
        let more = SOUND[1..].iter().map(|sound| edited(bytes, &POD_WORDS, sound));
        for text in texts(bytes, &POD_WORDS, SOUND[0]).into_iter().chain(more) {
            good.fetch_add(u64::from(is_stored(&text)), Ordering::Relaxed);
        }
    });
    println!("{} inputs, {} templates", inputs.into_inner(), good.into_inner());
}
