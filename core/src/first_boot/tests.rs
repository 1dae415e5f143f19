use super::*;
use crate::account::tests::{name, want};
use crate::template::Template;
use crate::vocabulary::InstanceType;

fn vm() -> Want {
    Want { kind: InstanceType::Vm, ..want(1, "cpu=2,memory=4Gi") }
}

fn keys(count: usize) -> Want {
    let key = |number: usize| format!("ssh-rsa {} john{number}", "A".repeat(700));
    Want { ssh_key: Some(key(0)), more_ssh_keys: (1..count).map(key).collect(), ..vm() }
}

fn files() -> Files {
    let answers = Answers::read(b"<unattend xmlns=\"urn\"/>".to_vec());
    let cloud_init = UserData::read(b"#cloud-config\npassword: secret\n".to_vec());
    Files { cloud_init: cloud_init.ok(), sysprep: answers.ok() }
}

fn with_files() -> Want {
    let digest = Some(digest(&[0xab; 32]));
    Want { cloud_init: digest.clone(), sysprep: digest, ..vm() }
}

/// Returns each needed Secret as its name and the keys of its content, or as the flag that is missing.
fn needed(want: &Want, files: &Files) -> Vec<String> {
    let word = |needed: Needed| match needed {
        Needed::Written(secret) => {
            let content = secret.data.unwrap_or_default();
            let keys: Vec<&str> = content.keys().map(String::as_str).collect();
            format!("{}: {}", secret.metadata.name.unwrap_or_default(), keys.join(" "))
        }
        Needed::Earlier { name, flag } => format!("{name}: {flag}"),
    };
    secrets(&name("dev"), want, files).into_iter().map(word).collect()
}

#[test]
fn only_public_and_short_user_data_is_in_the_vm() {
    let source = |want: &Want| disks(want).iter().map(|(_, volume)| volume.clone()).collect::<Vec<_>>();
    assert_eq!(source(&vm()), Vec::<Value>::new());
    let [volume] = source(&keys(2)).try_into().unwrap();
    assert!(volume["cloudInitNoCloud"]["userData"].as_str().unwrap().contains("john1"), "{volume}");
    let secret = json!({ "name": "cloudinit", "cloudInitNoCloud": { "secretRef": { "name": "cmp-cloud-init" } } });
    // Three keys are above the limit of KubeVirt.
    assert_eq!(source(&keys(3)), std::slice::from_ref(&secret));
    let sysprep = json!({ "name": "sysprep", "sysprep": { "secret": { "name": "cmp-sysprep" } } });
    assert_eq!(source(&with_files()), [secret, sysprep]);
    let made = Template::machine().blueprint(&with_files()).unwrap();
    let made = made.virtual_machine(&name("dev").instance(0)).unwrap();
    let disks = &made["spec"]["template"]["spec"]["domain"]["devices"]["disks"];
    assert_eq!(disks[2], json!({ "name": "sysprep", "cdrom": { "bus": "sata" } }));
}

#[test]
fn a_secret_is_written_by_whoever_has_its_content() {
    for (want, files, expected) in [
        (vm(), Files::default(), &[][..]),
        (keys(2), Files::default(), &[]),
        // Keys are in the want, so that every command can write them.
        (keys(3), Files::default(), &["cmp-cloud-init: userdata"]),
        (with_files(), files(), &["cmp-cloud-init: userdata", "cmp-sysprep: autounattend.xml unattend.xml"]),
        (with_files(), Files::default(), &["cmp-cloud-init: --cloud-init", "cmp-sysprep: --sysprep"]),
        (
            Want { ssh_key: keys(1).ssh_key, ..with_files() },
            Files::default(),
            &["cmp-cloud-init: --cloud-init", "cmp-sysprep: --sysprep"],
        ),
    ] {
        assert_eq!(needed(&want, &files), expected, "{want:?}");
    }
    let both = Want { ssh_key: keys(1).ssh_key, ..with_files() };
    let Some(Needed::Written(secret)) = secrets(&name("dev"), &both, &files()).into_iter().next() else {
        panic!("not written")
    };
    assert_eq!(secret.metadata.namespace.as_deref(), Some("dev-ns"));
    let ByteString(user_data) = secret.data.unwrap().remove("userdata").unwrap();
    assert!(user_data.starts_with(b"Content-Type: multipart/mixed;"));
}

#[test]
fn a_missing_file_is_named_by_its_flag() {
    assert_eq!(Files::default().missing(&vm()), None);
    assert_eq!(Files::default().missing(&with_files()), Some("--cloud-init"));
    assert_eq!(Files { sysprep: None, ..files() }.missing(&with_files()), Some("--sysprep"));
    assert_eq!(files().missing(&with_files()), None);
}

#[test]
fn an_answer_file_has_an_unattend_element() {
    let utf16: Vec<u8> = "<?xml version=\"1.0\"?><unattend>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (bytes, expected) in [
        (b"<?xml version='1.0'?>\n<unattend xmlns='urn'>".to_vec(), None),
        (utf16, None),
        (b"<settings/>".to_vec(), Some(InvalidAnswers::NoUnattend)),
        (Vec::new(), Some(InvalidAnswers::NoUnattend)),
        (vec![b' '; cloud_init::LONGEST + 1], Some(InvalidAnswers::TooLong)),
    ] {
        assert_eq!(Answers::read(bytes).err(), expected);
    }
    assert_eq!(format!("{:?}", files().sysprep), "Some(Answers)");
}

#[test]
fn a_digest_has_64_digits() {
    assert_eq!(digest(&[0xab, 0x01]), "sha256:ab01");
    assert!(is_digest(&digest(&[0; 32])));
    for text in ["", "sha256:", "sha256:ab01", &digest(&[0; 32]).to_uppercase(), &digest(&[0; 33])] {
        assert!(!is_digest(text), "{text}");
    }
}
