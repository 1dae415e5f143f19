use super::*;

fn file(text: &str) -> UserData {
    UserData::read(text.as_bytes().to_vec()).unwrap()
}

fn key() -> Vec<Setting> {
    authorized_keys(&["ssh-ed25519 AAAA \"jöhn\"".to_owned()]).into_iter().collect()
}

fn decoded(text: &str) -> String {
    let joined: String = text.lines().collect();
    let ByteString(bytes) = serde_json::from_value(json!(joined)).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Splits a message into its parts, each a header and a body, as a reader of MIME does.
fn parts(message: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(message).unwrap();
    let boundary = text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let (_, body) = text.split_once("\n\n").unwrap();
    let body = body.strip_suffix(&format!("\n--{boundary}--\n")).unwrap();
    let body = body.strip_prefix(&format!("--{boundary}\n")).unwrap();
    let between = format!("\n--{boundary}\n");
    let parts = body.split(&between).map(|part| part.split_once("\n\n").unwrap());
    parts.map(|(head, body)| (head.to_owned(), body.to_owned())).collect()
}

const OURS: &str = r#"#cloud-config
merge_how:
- {"name":"list","settings":["append"]}
- {"name":"dict","settings":["no_replace","recurse_list"]}
ssh_authorized_keys:
- "ssh-ed25519 AAAA \"jöhn\""
"#;

#[test]
fn a_file_alone_and_settings_alone_are_no_message() {
    assert_eq!(user_data(None, &[]), None);
    assert_eq!(user_data(Some(&file("#!/bin/sh\n")), &[]).unwrap(), b"#!/bin/sh\n");
    let settings = [key(), vec![Setting { key: "mounts", value: json!({}) }]].concat();
    let expected = "#cloud-config\nssh_authorized_keys:\n- \"ssh-ed25519 AAAA \\\"jöhn\\\"\"\nmounts: {}\n";
    assert_eq!(user_data(None, &settings).unwrap(), expected.as_bytes());
    assert_eq!(authorized_keys(&[]), None);
}

#[test]
fn each_file_keeps_its_type_and_every_byte() {
    for (text, form) in [
        ("#cloud-config\npassword: a\n", "text/cloud-config"),
        ("#Cloud-Config-Archive\n", "text/cloud-config-archive"),
        ("#cloud-config-jsonp\n", "text/cloud-config-jsonp"),
        ("\n#!/bin/sh\necho ä\r\n--=kubectl-cmp=0=--\n", "text/x-shellscript"),
        ("## template: jinja\n#cloud-config\n", "text/jinja2"),
        ("#cloud-boothook\n", "text/cloud-boothook"),
        ("#include-once\nhttps://example.com", "text/x-include-once-url"),
        ("#include\nhttps://example.com", "text/x-include-url"),
        ("#part-handler\n", "text/part-handler"),
    ] {
        let message = user_data(Some(&file(text)), &key()).unwrap();
        assert!(message.starts_with(b"Content-Type: multipart/mixed; boundary=\""), "{text}");
        let parts = parts(&message);
        let [(head, body), (our_head, ours)] = parts.as_slice() else { panic!("{parts:?}") };
        let expected = format!("Content-Type: {form}; charset=\"utf-8\"\nContent-Transfer-Encoding: base64");
        assert_eq!((head.as_str(), decoded(body).as_str()), (expected.as_str(), text));
        assert!(our_head.starts_with("Content-Type: text/cloud-config;"), "{our_head}");
        assert_eq!(decoded(ours), OURS);
        assert!(message.split(|byte| *byte == b'\n').all(|line| line.len() <= LINE), "{text}");
    }
    let packed = UserData::read(vec![0x1f, 0x8b, 0xff, 0x00]).unwrap();
    let parts = parts(&user_data(Some(&packed), &key()).unwrap());
    let expected = "Content-Type: application/gzip\nContent-Transfer-Encoding: base64";
    assert_eq!(parts.first().unwrap(), &(expected.to_owned(), "H4v/AA==".to_owned()));
}

#[test]
fn a_message_stays_whole_within_the_message() {
    // The user's own boundary is the first one that this version would choose.
    let theirs = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=kubectl-cmp=0=\"\n\n\
                  --=kubectl-cmp=0=\nContent-Type: text/cloud-config\n\n#cloud-config\n--=kubectl-cmp=0=--\n";
    let message = user_data(Some(&file(theirs)), &key()).unwrap();
    let parts = parts(&message);
    let [(head, body), (_, ours)] = parts.as_slice() else { panic!("{parts:?}") };
    assert_eq!(format!("{head}\n\n{body}"), theirs);
    assert_eq!(decoded(ours), OURS);
}

#[test]
fn a_file_that_cloud_init_would_ignore_is_refused() {
    let check = |bytes: &[u8], expected: InvalidFile| {
        assert_eq!(UserData::read(bytes.to_vec()).unwrap_err(), expected, "{}", String::from_utf8_lossy(bytes));
    };
    check(b"", InvalidFile::Empty);
    check(b" \n", InvalidFile::Empty);
    check(b"packages: [git]\n", InvalidFile::Unknown);
    check(b"# cloud-config\n", InvalidFile::Unknown);
    check("\u{feff}#cloud-config\n".as_bytes(), InvalidFile::Unknown);
    check(b"MIME-Version: 1.0\nContent-Type: text/plain\n\nContent-Type: multipart/mixed\n", InvalidFile::Unknown);
    check(b"MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n\xff", InvalidFile::NotText);
    let long = |length: usize| UserData::read([b"#!".to_vec(), vec![b'a'; length]].concat());
    assert_eq!(long(LONGEST - 1).unwrap_err(), InvalidFile::TooLong);
    let longest = user_data(Some(&long(LONGEST - 2).unwrap()), &key()).unwrap();
    assert!(longest.len() < 512 << 10, "{}", longest.len());
    assert!(!format!("{:?}", file("#cloud-config\npassword: secret")).contains("secret"));
}
