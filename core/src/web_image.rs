//! Images on a web server, which CDI downloads from inside the Kubernetes cluster.
//!
//! The rules give a clear answer early. They are no barrier: the name of a host and a redirect may lead anywhere. The
//! network of the Namespace is the barrier, and CDI's Pod is in it as any Pod of the user (`docs/SECURITY.md`).

/// The only scheme.
const SCHEME: &str = "https://";
/// The ends of names that lead into the cluster, or to the node.
const INSIDE: [&str; 7] =
    ["localhost", "localdomain", "svc", "default", "cluster.local", "metadata.google.internal", "metadata.goog"];
/// Parts of the names of parameters whose values are credentials.
const SECRET: [&str; 8] = ["token", "signature", "password", "passwd", "secret", "credential", "api_key", "apikey"];
/// Whole names of such parameters.
const SECRETS: [&str; 4] = ["sig", "auth", "key", "access_key"];

/// The reason why an address is refused. Its text follows the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// Another scheme. Without TLS anybody on the way could replace the image.
    #[error("must begin with https://: without it nobody notices an image that was replaced on its way")]
    Scheme,
    /// A user name or a password before the host.
    #[error("must have no user and no password before its host: everybody who reads the account would read them")]
    User,
    /// A parameter that looks like a credential.
    #[error("must have no credentials, such as the parameter {0}: everybody who reads the account would read them")]
    Parameter(String),
    /// A host inside of the Kubernetes cluster, or an IP address.
    #[error("must name a server outside of this Kubernetes cluster, and {0} is an address or a name inside")]
    Inside(String),
    /// Anything else.
    #[error("must name a server and a file, as in https://images.example/debian.qcow2")]
    Form,
}

/// Reports whether an image is meant as an address on a web server. No image in a registry has a scheme.
pub fn is_address(image: &str) -> bool {
    image.contains("://")
}

/// Checks the address of an image.
pub fn check(address: &str) -> Result<(), Wrong> {
    let rest = address.strip_prefix(SCHEME).ok_or(Wrong::Scheme)?;
    let (authority, path) = rest.find(['/', '?', '#', '\\']).map_or((rest, ""), |at| rest.split_at(at));
    // Nothing else may be wrong before this: the text of a refusal would show the password.
    if authority.contains('@') {
        return Err(Wrong::User);
    }
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    for parameter in query.split(['&', ';']) {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        let known = name.to_ascii_lowercase().replace('-', "_");
        if SECRET.iter().any(|part| known.contains(part)) || SECRETS.contains(&known.as_str()) {
            return Err(Wrong::Parameter(name.to_owned()));
        }
    }
    let plain = |char: char| char.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(char);
    if !path.starts_with('/') || path.len() == 1 || !rest.chars().all(plain) {
        return Err(Wrong::Form);
    }
    if authority.starts_with('[') {
        return Err(Wrong::Inside(authority.to_owned()));
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse().is_ok_and(|port: u16| port > 0);
    if host.len() > 253 || !host.split('.').all(is_label) || !port.is_none_or(is_port) {
        return Err(Wrong::Form);
    }
    if is_inside(&host.to_ascii_lowercase()) { Err(Wrong::Inside(host.to_owned())) } else { Ok(()) }
}

fn is_label(label: &str) -> bool {
    let ends = !label.starts_with('-') && !label.ends_with('-');
    ends && (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Reports whether a host leads into the cluster as it is written. A Pod takes a name without a dot for one of its own
/// Namespace. It takes the last label for a Namespace first, and those of clusters have a hyphen, as no domain has.
fn is_inside(host: &str) -> bool {
    let Some((_, last)) = host.rsplit_once('.') else { return true };
    // `127.1` and `0x7f.1` are addresses as well.
    let is_number = last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x");
    let is_namespace = last.contains('-') && !last.starts_with("xn--");
    let ends = |end: &&str| host.strip_suffix(*end).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    // `web.dev-ns.svc.` and the domain of the cluster, which may be any.
    let is_service = host.split('.').nth(2) == Some("svc");
    is_number || is_namespace || is_service || INSIDE.iter().any(ends)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_outside_has_tls_and_no_credentials() {
        let inside = |host: &str| Err(Wrong::Inside(host.to_owned()));
        let parameter = |name: &str| Err(Wrong::Parameter(name.to_owned()));
        for (address, expected) in [
            ("https://images.example/debian.qcow2", Ok(())),
            ("https://Images.Example:8443/a/b%20c@d.img.xz?file=x&v=1", Ok(())),
            ("https://svc.images.example/x", Ok(())),
            ("https://a.xn--p1ai/x", Ok(())),
            ("https://cluster.local.example/x", Ok(())),
            ("http://images.example/x", Err(Wrong::Scheme)),
            ("HTTPS://images.example/x", Err(Wrong::Scheme)),
            ("docker://images.example/x", Err(Wrong::Scheme)),
            ("https://john@images.example/x", Err(Wrong::User)),
            ("https://john:secret@images.example/x", Err(Wrong::User)),
            ("https://john:a b@images.example", Err(Wrong::User)),
            ("https://images.example/x?a=1&X-Amz-Signature=1", parameter("X-Amz-Signature")),
            ("https://images.example/x?private_token=1", parameter("private_token")),
            ("https://images.example/x?sv=1;sig=1", parameter("sig")),
            ("https://images.example/x?design=1", Ok(())),
            ("https://images.example", Err(Wrong::Form)),
            ("https://images.example/", Err(Wrong::Form)),
            ("https://images.example?x", Err(Wrong::Form)),
            ("https:///x", Err(Wrong::Form)),
            ("https://", Err(Wrong::Form)),
            ("https://images.example./x", Err(Wrong::Form)),
            ("https://images..example/x", Err(Wrong::Form)),
            ("https://-a.example/x", Err(Wrong::Form)),
            ("https://images.example:/x", Err(Wrong::Form)),
            ("https://images.example:0/x", Err(Wrong::Form)),
            ("https://images.example:+1/x", Err(Wrong::Form)),
            ("https://images.example:65536/x", Err(Wrong::Form)),
            ("https://images.example:1:2/x", Err(Wrong::Form)),
            ("https://images.example\\.other.example/x", Err(Wrong::Form)),
            ("https://images.example/x#y", Err(Wrong::Form)),
            ("https://images.example/a b", Err(Wrong::Form)),
            ("https://bücher.example/x", Err(Wrong::Form)),
            ("https://images/x", inside("images")),
            ("https://localhost:8443/x", inside("localhost")),
            ("https://a.LOCALHOST/x", inside("a.LOCALHOST")),
            ("https://127.0.0.1/x", inside("127.0.0.1")),
            ("https://169.254.169.254/x", inside("169.254.169.254")),
            ("https://8.8.8.8/x", inside("8.8.8.8")),
            ("https://127.1/x", inside("127.1")),
            ("https://2130706433/x", inside("2130706433")),
            ("https://1.0x7f/x", inside("1.0x7f")),
            ("https://[::1]:443/x", inside("[::1]:443")),
            ("https://kubernetes.default/x", inside("kubernetes.default")),
            ("https://kubernetes.default.svc/x", inside("kubernetes.default.svc")),
            ("https://web.dev-ns/x", inside("web.dev-ns")),
            ("https://web.dev-ns.svc.cluster.local/x", inside("web.dev-ns.svc.cluster.local")),
            ("https://web.dev.svc.site.example/x", inside("web.dev.svc.site.example")),
            ("https://metadata.google.internal/x", inside("metadata.google.internal")),
        ] {
            assert_eq!(check(address), expected, "{address}");
        }
        assert!(is_address("https://x") && is_address("http://x") && !is_address("registry.example:5000/a/b:1"));
    }

    #[test]
    fn no_refusal_shows_a_password() {
        for address in ["https://john:hunter2@x/", "https://x.example/a?password=hunter2", "https://a:hunter2@[::1]/ü"]
        {
            let said = check(address).unwrap_err().to_string();
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "(https://)?[a-z0-9.:@/?#&=\\[\\]\\\\ü-]{0,40}") {
            let host = text.trim_start_matches(SCHEME).split('/').next().unwrap_or_default().to_owned();
            if check(&text).is_ok() {
                prop_assert!(host.contains('.') && !host.contains('@'), "{}", host);
            }
        }
    }
}
