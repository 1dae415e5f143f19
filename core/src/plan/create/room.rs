//! The storage that a VM takes beside the disk of a flag. CDI makes a second claim for some images, and KubeVirt one for
//! the state of a TPM or EFI. The ResourceQuota counts both.

use crate::account::Want;
use crate::disk_source::{self, IMAGE, UNPACKED};
use crate::name::ClusterName;
use crate::plan::amounts::own;
use crate::plan::refusal::Refusal;
use crate::quantity::Quantity;
use crate::resources::STORAGE;
use crate::template::Template;
use crate::vocabulary::InstanceType;

/// Adds the storage that each VM takes beside its disk to the size, which is that of the disk alone. The second value tells
/// the user about it.
pub(super) fn added(
    name: &ClusterName,
    mut want: Want,
    template: &Template,
) -> Result<(Want, Option<String>), Refusal> {
    let has_disk = want.kind == InstanceType::Vm && (want.root_disk.is_some() || want.data_disk.is_some());
    let Some(disk) = want.size.named(STORAGE).filter(|_| has_disk) else { return Ok((want, None)) };
    if want.root_disk.as_deref() == Some(IMAGE) && template.unpacks() {
        want.root_disk = Some(UNPACKED.to_owned());
    }
    let source = want.root_disk.as_deref().unwrap_or(IMAGE);
    let Some(storage) = disk_source::storage(source, disk) else {
        return Err(Refusal::wish(format!(
            "--disk {disk}: with an image that CDI unpacks the size must be in whole Mi"
        ))
        .hint("CDI makes a second claim of that size, and rounds it: use a size such as 20Gi"));
    };
    want.size.set(own(STORAGE)?, storage);
    // The patch may add a TPM.
    let state = template.state(&want);
    let all =
        storage.checked_add(state).ok_or_else(|| Refusal::wish(format!("--disk {disk}: more than can be counted")))?;
    want.size.set(own(STORAGE)?, all);
    let parts = [
        (storage > disk).then(|| "as much again in which CDI unpacks the image".to_owned()),
        (state > Quantity::ZERO).then(|| format!("{state} for the state of its TPM or EFI")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let told = (!parts.is_empty()).then(|| {
        format!("cluster/{name}: each VM takes storage={all}: its disk of {disk}, and {}", parts.join(", and "))
    });
    Ok((want, told))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::account::tests::{name, want};

    #[test]
    fn each_vm_is_charged_what_its_claims_are_counted() {
        let tpm = || json!({ "domain": { "devices": { "tpm": { "persistent": true } } } });
        let with = |more: &Value| {
            let mut manifest = Template::machine().manifest();
            json_patch::merge(&mut manifest["spec"]["template"]["spec"], more);
            Template::read(&manifest).unwrap().0
        };
        let (plain, state) = (Template::machine(), with(&tpm()));
        // The template's own image, which CDI downloads.
        let downloads = |source: &Value| {
            let mut manifest = Template::machine().manifest();
            manifest["spec"]["template"]["spec"]["volumes"] =
                json!([{ "name": "root", "dataVolume": { "name": "d" } }]);
            let pvc = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
            manifest["spec"]["dataVolumeTemplates"] =
                json!([{ "metadata": { "name": "d" }, "spec": { "source": source, "pvc": pvc } }]);
            Template::read(&manifest).unwrap().0
        };
        let http = downloads(&json!({ "http": { "url": "https://images.example/x" } }));
        let pod = downloads(&json!({ "registry": { "url": "docker://registry.example/a:1" } }));
        let node = downloads(&json!({ "registry": { "url": "docker://registry.example/a:1", "pullMethod": "node" } }));
        let blank = downloads(&json!({ "blank": {} }));
        let image = Some("https://images.example/x".to_owned());
        let vm = |source: Option<&str>, data: Option<&str>, storage: &str| Want {
            kind: InstanceType::Vm,
            root_disk: source.map(str::to_owned),
            data_disk: data.map(str::to_owned),
            image: image.clone().filter(|_| source == Some("https")),
            ..want(1, &format!("cpu=1,memory=1Gi,storage={storage}"))
        };
        let patched = Want {
            patch: Some(json!({ "spec": { "template": { "spec": tpm() } } })),
            ..vm(Some("image"), None, "1Gi")
        };
        let (unpacks, keeps) = ("as much again in which CDI unpacks the image", "10Mi for the state of its TPM or EFI");
        for (asked, template, storage, told) in [
            (vm(Some("image"), None, "1Gi"), &plain, "1Gi", None),
            (vm(None, Some("/data"), "1Gi"), &plain, "1Gi", None),
            (vm(None, None, "1Gi"), &state, "1Gi", None),
            (vm(Some("image"), None, "1Gi"), &state, "1034Mi", Some(keeps.to_owned())),
            (patched, &plain, "1034Mi", Some(keeps.to_owned())),
            (vm(None, Some("/data"), "1Gi"), &state, "1034Mi", Some(keeps.to_owned())),
            (vm(Some("https"), None, "20Gi"), &plain, "40Gi", Some(unpacks.to_owned())),
            (vm(Some("https"), None, "1Gi"), &http, "2Gi", Some(unpacks.to_owned())),
            (vm(Some("image"), None, "1Gi"), &http, "2Gi", Some(unpacks.to_owned())),
            (vm(Some("image"), None, "1Gi"), &pod, "2Gi", Some(unpacks.to_owned())),
            (vm(Some("image"), None, "1Gi"), &node, "1Gi", None),
            (vm(Some("image"), None, "1Gi"), &blank, "1Gi", None),
            (vm(Some("cluster/web:1"), None, "1Gi"), &http, "1Gi", None),
            (vm(Some("https"), None, "1Gi"), &state, "2058Mi", Some(format!("{unpacks}, and {keeps}"))),
        ] {
            let disk = asked.size.named(STORAGE).unwrap();
            let (roomy, said) = added(&name("dev"), asked.clone(), template).unwrap();
            assert_eq!(roomy.size.named(STORAGE).unwrap().to_string(), storage);
            let expected = told
                .map(|told| format!("cluster/dev: each VM takes storage={storage}: its disk of {disk}, and {told}"));
            assert_eq!(said, expected);
            // The disk itself is as large as the flag says.
            let blueprint = template.blueprint(&roomy).unwrap();
            let made = blueprint.virtual_machine(&name("dev").instance(0)).unwrap();
            let claim = &made["spec"]["dataVolumeTemplates"][0]["spec"]["pvc"]["resources"]["requests"]["storage"];
            let made = claim.as_str().map(|size| size.parse().unwrap()).or(blueprint.data_disk());
            let has_disk = asked.root_disk.is_some() || asked.data_disk.is_some();
            assert_eq!(made, has_disk.then_some(disk), "{asked:?}");
        }
        let refused = added(&name("dev"), vm(Some("https"), None, "1500M"), &plain).unwrap_err().to_string();
        assert!(
            refused.starts_with("--disk 1500M: with an image that CDI unpacks the size must be in whole Mi"),
            "{refused}"
        );
    }
}
