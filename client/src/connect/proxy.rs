//! Chooses the proxy for the API server by the rules of Go's `golang.org/x/net/http/httpproxy`, which kubectl follows.
//!
//! The kube crate compares `NO_PROXY` with the address of the proxy, refuses `host:port` in it, and sends loopback
//! addresses to the proxy as well.

use std::net::IpAddr;

use http::Uri;

/// The variables of the environment that select a proxy.
#[derive(Debug, Clone, Default)]
pub(super) struct Environment {
    http: String,
    https: String,
    except: String,
    /// A CGI program gets `HTTP_PROXY` from its client, which must not select a proxy.
    cgi: bool,
}

impl Environment {
    /// Reads the variables of this process. The upper-case name wins unless it is empty.
    pub(super) fn read() -> Self {
        let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let either = |name: &str| value(name).or_else(|| value(&name.to_lowercase())).unwrap_or_default();
        Self {
            http: either("HTTP_PROXY"),
            https: either("HTTPS_PROXY"),
            except: either("NO_PROXY"),
            cgi: value("REQUEST_METHOD").is_some(),
        }
    }

    /// Returns the proxy for this server, if there is one. A variable that is no address is ignored, as Go does.
    pub(super) fn proxy_for(&self, server: &Uri) -> Option<Uri> {
        let proxy = match server.scheme_str() {
            Some("https") => address(&self.https)?,
            Some("http") if !self.cgi => address(&self.http)?,
            _ => return None,
        };
        let default = if server.scheme_str() == Some("https") { 443 } else { 80 };
        let host = server.host()?.trim_start_matches('[').trim_end_matches(']');
        uses_proxy(host, server.port_u16().unwrap_or(default), &self.except).then_some(proxy)
    }
}

/// Reads the `proxy-url` of a kubeconfig. It holds for every server, loopback included.
pub(super) fn of_cluster(text: &str) -> Result<Option<Uri>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let proxy = text.parse::<Uri>().ok().filter(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    // A proxy may have a password in its address, so that the message does not quote it.
    proxy.filter(known).map(supported).map(Some).ok_or_else(|| {
        "proxy-url is not an address of a proxy: use http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
            .to_owned()
    })
}

/// Reports whether a proxy of this scheme can be used.
fn known(proxy: &Uri) -> bool {
    matches!(proxy.scheme_str(), Some("http" | "https" | "socks5" | "socks5h"))
}

/// Reads the address of a proxy in the environment, which may leave out `http://`.
fn address(text: &str) -> Option<Uri> {
    let usable = |text: &str| {
        let uri = text.parse::<Uri>().ok()?;
        (known(&uri) && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
    };
    if text.is_empty() {
        return None;
    }
    usable(text).or_else(|| usable(&format!("http://{text}"))).map(supported)
}

/// Writes a proxy as the kube crate takes it: it knows `socks5` alone, and not its usual port. The proxy resolves names
/// with either scheme.
fn supported(proxy: Uri) -> Uri {
    if !matches!(proxy.scheme_str(), Some("socks5" | "socks5h")) {
        return proxy;
    }
    let port = proxy.port_u16().unwrap_or(1080);
    let host = proxy.host().unwrap_or_default();
    format!("socks5://{host}:{port}").parse().unwrap_or(proxy)
}

/// Reports whether a connection to this host and port goes through the proxy. `except` is the value of `NO_PROXY`.
fn uses_proxy(host: &str, port: u16, except: &str) -> bool {
    if host == "localhost" {
        return false;
    }
    let ip = host.parse::<IpAddr>().ok().map(|ip| ip.to_canonical());
    if ip.is_some_and(|ip| ip.is_loopback()) {
        return false;
    }
    let host = host.trim().to_lowercase();
    !except.split(',').any(|entry| matches(&entry.trim().to_lowercase(), &host, ip, port))
}

/// Reports whether an entry of `NO_PROXY` names this host. An entry is `*`, a CIDR, an IP address or a domain. The last two
/// may have a port.
fn matches(entry: &str, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    if let Some((network, length)) = cidr(entry) {
        return ip.is_some_and(|ip| contains(network, length, ip));
    }
    let (name, only) = split(entry);
    if name.is_empty() || !(only.is_empty() || only.parse() == Ok(port)) {
        return false;
    }
    if let Ok(named) = name.parse::<IpAddr>() {
        return ip == Some(named.to_canonical());
    }
    // A domain never stands for an address, and `*.a.b` means the same as `.a.b`.
    if ip.is_some() {
        return false;
    }
    let name = if name.starts_with("*.") { &name[1..] } else { name };
    match name.strip_prefix('.') {
        Some(_) => host.ends_with(name),
        None => host == name || host.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')),
    }
}

/// Splits `host:port` and `[host]:port`. An entry of another form is a host.
fn split(entry: &str) -> (&str, &str) {
    let Some((host, port)) = entry.rsplit_once(':') else { return (entry, "") };
    match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(inner) if !inner.contains(['[', ']']) => (inner, port),
        None if !host.contains([':', '[', ']']) => (host, port),
        _ => (entry, ""),
    }
}

fn cidr(entry: &str) -> Option<(IpAddr, u8)> {
    let (network, length) = entry.split_once('/')?;
    let network: IpAddr = network.parse().ok()?;
    if !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: u8 = length.parse().ok()?;
    match (network, network.to_canonical()) {
        (IpAddr::V4(_), _) if length > 32 => None,
        (IpAddr::V6(_), _) if length > 128 => None,
        // An IPv4 address in an IPv6 form.
        (IpAddr::V6(_), IpAddr::V4(inner)) => Some((inner.into(), length.saturating_sub(96))),
        _ => Some((network, length)),
    }
}

fn contains(network: IpAddr, length: u8, ip: IpAddr) -> bool {
    let length = u32::from(length);
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            (network.to_bits() ^ ip.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            (network.to_bits() ^ ip.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(except: &str, server: &str, expected: bool) {
        let proxy = "http://proxy:3128".to_owned();
        let environment =
            Environment { http: proxy.clone(), https: proxy, except: except.to_owned(), ..Environment::default() };
        let used = environment.proxy_for(&server.parse().unwrap()).is_some();
        assert_eq!(used, expected, "NO_PROXY={except:?} {server}");
    }

    #[test]
    fn loopback_needs_no_proxy() {
        for server in ["https://localhost", "https://localhost:6443", "http://127.0.0.1", "https://127.9.8.7:6443"] {
            check("", server, false);
        }
        check("", "https://[::1]:6443", false);
        check("", "https://[::ffff:127.0.0.1]:6443", false);
        check("", "https://localhost.example.com", true);
        check("", "https://128.0.0.1", true);
        check("", "https://[::2]", true);
    }

    #[test]
    fn entries_of_no_proxy() {
        // The entry, the server, and whether the proxy is used.
        let table = [
            ("*", "https://a.b", false),
            ("x, *", "https://10.0.0.1", false),
            ("a.b", "https://a.b", false),
            ("a.b", "https://A.B", false),
            ("A.b", "https://a.b:6443", false),
            ("a.b", "https://c.a.b", false),
            ("a.b", "https://ca.b", true),
            ("a.b", "https://a.b.c", true),
            (".a.b", "https://c.a.b", false),
            (".a.b", "https://a.b", true),
            ("*.a.b", "https://c.a.b", false),
            ("*.a.b", "https://a.b", true),
            ("a.b:6443", "https://a.b:6443", false),
            ("a.b:6443", "https://c.a.b:6443", false),
            ("a.b:6443", "https://a.b", true),
            ("a.b:443", "https://a.b", false),
            ("a.b:80", "http://a.b", false),
            (".a.b:443", "https://c.a.b", false),
            ("a.b:", "https://a.b:1", false),
            ("a.b:x", "https://a.b:1", true),
            ("10.0.0.1", "https://10.0.0.1:6443", false),
            ("10.0.0.1:6443", "https://10.0.0.1:6443", false),
            ("10.0.0.1:6443", "https://10.0.0.1:6444", true),
            ("10.0.0.0/8", "https://10.1.2.3:6443", false),
            ("10.0.0.0/8", "https://11.1.2.3:6443", true),
            ("10.0.0.0/33", "https://10.0.0.0", true),
            ("0.0.0.0/0", "https://8.8.8.8", false),
            ("0.0.0.0/0", "https://a.b", true),
            ("::/0", "https://8.8.8.8", true),
            ("fd00::/8", "https://[fd12::1]:6443", false),
            ("fd00::/8", "https://[fe80::1]:6443", true),
            ("::ffff:10.0.0.0/104", "https://10.1.2.3", false),
            ("::ffff:10.0.0.1", "https://10.0.0.1", false),
            ("fd12::1", "https://[fd12::1]:6443", false),
            ("[fd12::1]:6443", "https://[fd12::1]:6443", false),
            ("[fd12::1]:6443", "https://[fd12::1]:1", true),
            ("[fd12::1]", "https://[fd12::1]:1", true),
            ("0.0.1", "https://10.0.0.1", true),
            (" a.b , c.d ", "https://c.d", false),
            ("a.b c.d", "https://a.b", true),
            (",,", "https://a.b", true),
            (":443", "https://a.b", true),
            ("", "https://a.b", true),
        ];
        for (except, server, expected) in table {
            check(except, server, expected);
        }
    }

    #[test]
    fn the_scheme_of_the_server_selects_the_variable() {
        let environment = Environment { http: "h:1".to_owned(), https: "https://s:2".to_owned(), ..Default::default() };
        let proxy = |environment: &Environment, server: &str| {
            environment.proxy_for(&server.parse().unwrap()).map(|proxy| proxy.to_string())
        };
        assert_eq!(proxy(&environment, "http://a.b").as_deref(), Some("http://h:1/"));
        assert_eq!(proxy(&environment, "https://a.b").as_deref(), Some("https://s:2/"));
        let cgi = Environment { cgi: true, ..environment };
        assert_eq!(proxy(&cgi, "http://a.b"), None);
        assert!(proxy(&cgi, "https://a.b").is_some());
        assert_eq!(proxy(&Environment { https: "::".to_owned(), ..Default::default() }, "https://a.b"), None);
        let socks = Environment { https: "socks5h://s".to_owned(), ..Default::default() };
        assert_eq!(proxy(&socks, "https://a.b").as_deref(), Some("socks5://s:1080/"));
    }

    #[test]
    fn the_proxy_of_a_cluster_has_a_scheme() {
        assert_eq!(of_cluster(""), Ok(None));
        assert!(of_cluster("http://p:1").unwrap().is_some() && of_cluster("socks5://p").unwrap().is_some());
        for wrong in ["foo://user:hunter2@x", "p:1", "://", "http://"] {
            let error = of_cluster(wrong).unwrap_err();
            assert!(error.starts_with("proxy-url") && !error.contains("hunter2"), "{error}");
        }
    }
}
