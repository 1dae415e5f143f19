//! Chooses a context, a cluster and a user, and checks them as kubectl does.

use http::Uri;

use super::kubeconfig::{Cluster, Context, Kubeconfig, User, entry};
use super::options::Options;
use crate::error::{ApiError, NoConnection};

/// The cluster and the user of a connection, with their names in the kubeconfig.
#[derive(Default)]
pub(super) struct Target {
    pub(super) cluster_name: String,
    pub(super) cluster: Cluster,
    pub(super) user_name: String,
    pub(super) user: User,
    pub(super) namespace: String,
}

impl Target {
    /// Chooses what the flags name, else what the current context names. Reports errors in kubectl's words.
    pub(super) fn of(kubeconfig: &Kubeconfig, options: &Options) -> Result<Self, String> {
        let named = options.context.as_deref().unwrap_or(&kubeconfig.current_context);
        let context = if named.is_empty() {
            // The flags alone give the address.
            if options.server.is_none() && options.cluster.is_none() {
                return Err(ApiError::NO_CONTEXT.to_owned());
            }
            Context::default()
        } else {
            entry(&kubeconfig.contexts, named).cloned().ok_or_else(|| format!("context {named:?} does not exist"))?
        };
        let cluster_name = options.cluster.clone().unwrap_or(context.cluster);
        let cluster = match entry(&kubeconfig.clusters, &cluster_name) {
            Some(cluster) => cluster.clone(),
            None if cluster_name.is_empty() => Cluster::default(),
            None => return Err(format!("cluster {cluster_name:?} does not exist")),
        };
        let user_name = options.user.clone().unwrap_or(context.user);
        // Without this check a missing user would silently become an anonymous one.
        let user = match entry(&kubeconfig.users, &user_name) {
            Some(user) => user.clone(),
            None if user_name.is_empty() => User::default(),
            None => return Err(format!("auth info {user_name:?} does not exist")),
        };
        Ok(Self { cluster_name, cluster, user_name, user, namespace: context.namespace })
    }

    /// Replaces fields by those of the flags, with the effects that kubectl gives them.
    pub(super) fn apply(&mut self, options: &Options) {
        let (cluster, user) = (&mut self.cluster, &mut self.user);
        if let Some(server) = &options.server {
            cluster.server = server.clone();
            // The name belongs to the other address.
            cluster.tls_server_name.clear();
        }
        if let Some(name) = &options.tls_server_name {
            cluster.tls_server_name = name.clone();
        }
        if options.insecure || options.certificate_authority.is_some() {
            let path = options.certificate_authority.as_ref().map(|path| path.display().to_string());
            cluster.certificate_authority = path.unwrap_or_default();
            cluster.certificate_authority_data.clear();
            cluster.insecure = options.insecure;
        }
        if let Some(token) = &options.token {
            let User { impersonate, impersonate_uid, impersonate_groups, impersonate_extra, .. } = std::mem::take(user);
            *user = User {
                token: token.clone(),
                impersonate,
                impersonate_uid,
                impersonate_groups,
                impersonate_extra,
                ..User::default()
            };
        }
        if let Some(impersonate) = &options.impersonate {
            user.impersonate = impersonate.clone();
            user.impersonate_uid = options.impersonate_uid.clone().unwrap_or_default();
            user.impersonate_groups = options.impersonate_groups.clone();
            user.impersonate_extra.clear();
        }
    }

    /// Refuses what kubectl refuses before it connects.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { cluster, user, cluster_name, user_name, .. } = self;
        if cluster.server.is_empty() {
            return Err(format!("cluster {cluster_name:?} has no server"));
        }
        let (file, data) = (!cluster.certificate_authority.is_empty(), !cluster.certificate_authority_data.is_empty());
        if file && data {
            let both = "certificate-authority and certificate-authority-data: keep one of them";
            return Err(format!("cluster {cluster_name:?} has both {both}"));
        }
        if (file || data) && cluster.insecure {
            let both = "a certificate authority and insecure-skip-tls-verify: keep one of them";
            return Err(format!("cluster {cluster_name:?} has both {both}"));
        }
        let wrong = |what: &str| Err(format!("user {user_name:?} has {what}"));
        let certificate = (!user.client_certificate.is_empty(), !user.client_certificate_data.is_empty());
        let key = (!user.client_key.is_empty(), !user.client_key_data.is_empty());
        if certificate == (true, true) {
            return wrong("both client-certificate and client-certificate-data: keep one of them");
        }
        if certificate != (false, false) && key == (true, true) {
            return wrong("both client-key and client-key-data: keep one of them");
        }
        if certificate != (false, false) && key == (false, false) {
            return wrong("a client certificate without client-key or client-key-data");
        }
        let password = !(user.username.is_empty() && user.password.is_empty());
        if !user.token.is_empty() && password {
            return wrong("both a token and a password: keep one of them");
        }
        if user.exec.is_some() && user.provider.is_some() {
            return wrong("both exec and auth-provider: keep one of them");
        }
        let (uid, extra) = (!user.impersonate_uid.is_empty(), !user.impersonate_extra.is_empty());
        if user.impersonate.is_empty() && (uid || extra || !user.impersonate_groups.is_empty()) {
            return wrong("as-uid, as-groups or as-user-extra without as");
        }
        match user.provider.as_ref().map(|provider| provider.name.as_str()) {
            None | Some("oidc") => Ok(()),
            Some(name @ ("gcp" | "azure")) => wrong(&format!(
                "the auth-provider {name}, which kubectl has removed: use the credential plugin {}",
                if name == "gcp" { "gke-gcloud-auth-plugin" } else { "kubelogin" }
            )),
            Some(name) => wrong(&format!("an auth-provider {name:?}, which is not known")),
        }
    }

    /// Returns the address of the API server. An address of a kubeconfig without a scheme is one of plain HTTP, as for
    /// kubectl; one of `--server` is one of HTTPS.
    pub(super) fn address(&self, options: &Options) -> Result<Uri, NoConnection> {
        let (what, scheme) = match &options.server {
            Some(_) => ("--server".to_owned(), "https"),
            None => (format!("the server of cluster {:?}:", self.cluster_name), "http"),
        };
        let server = &self.cluster.server;
        address(server, scheme).map_err(|why| {
            // A user name in an address is followed by a password.
            let quoted = if server.contains('@') { "it".to_owned() } else { format!("{server:?}") };
            NoConnection::new(format!("{what} {quoted} {why}")).hint("write it as https://HOST:PORT")
        })
    }
}

/// Reads an address. The result has a scheme, a host, and no query: the kube crate panics without.
fn address(server: &str, scheme: &str) -> Result<Uri, String> {
    let is_url = server.contains("://");
    let full = if is_url { server.to_owned() } else { format!("{scheme}://{server}") };
    let uri: Uri = full.parse().map_err(|error| format!("is not an address: {error}"))?;
    let authority = uri.authority().ok_or("is not an address: it has no host")?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("is not an address: the scheme is not http or https".to_owned());
    }
    if authority.as_str().contains('@') {
        return Err("is not an address: it has a user name in it".to_owned());
    }
    if authority.host().is_empty() {
        return Err("is not an address: it has no host".to_owned());
    }
    let port = authority.as_str().get(authority.host().len()..).unwrap_or_default();
    if !matches!(port, "" | ":") && authority.port_u16().is_none() {
        return Err("is not an address: the port is not from 0 to 65535".to_owned());
    }
    if !is_url && uri.path().len() > 1 {
        return Err("is not an address: it has a path and no scheme".to_owned());
    }
    let mut parts = uri.into_parts();
    parts.path_and_query = parts.path_and_query.and_then(|path| path.path().parse().ok());
    Uri::from_parts(parts).map_err(|error| format!("is not an address: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::kubeconfig::parse;
    use super::*;

    #[test]
    fn named_entries_have_to_be_in_the_kubeconfig() {
        let kubeconfig = parse(
            b"clusters: [{ name: here, cluster: { server: https://localhost } }]\n\
              users: [{ name: john, user: {} }]\n\
              contexts: [{ name: work, context: { cluster: here, user: john } }, { name: none, context: {} }]\n",
        )
        .unwrap();
        let check = |context: Option<&str>, cluster: Option<&str>, user: Option<&str>, expected: Result<(), &str>| {
            let own = |name: Option<&str>| name.map(str::to_owned);
            let options =
                Options { context: own(context), cluster: own(cluster), user: own(user), ..Options::default() };
            assert_eq!(Target::of(&kubeconfig, &options).map(|_| ()), expected.map_err(str::to_owned));
        };
        check(Some("work"), None, None, Ok(()));
        check(Some("work"), Some("here"), Some("john"), Ok(()));
        check(None, None, None, Err(ApiError::NO_CONTEXT));
        check(None, Some("here"), None, Ok(()));
        check(Some("none"), Some("here"), None, Ok(()));
        check(Some("x"), None, None, Err("context \"x\" does not exist"));
        check(Some("work"), Some("x"), None, Err("cluster \"x\" does not exist"));
        check(Some("work"), None, Some("x"), Err("auth info \"x\" does not exist"));
    }

    #[test]
    fn a_server_needs_no_scheme() {
        assert_eq!(address("localhost:6443", "https").unwrap().to_string(), "https://localhost:6443/");
        assert_eq!(address("127.0.0.1:6443", "http").unwrap().to_string(), "http://127.0.0.1:6443/");
        assert!(address("not an address", "https").is_err());
    }

    #[test]
    fn an_address_has_a_scheme_a_host_and_no_query() {
        let good = [
            ("https://a/b/?c=d", "https://a/b/"),
            ("HTTPS://a", "https://a/"),
            ("https://a:", "https://a:/"),
            ("https://[::1]:1/x", "https://[::1]:1/x"),
        ];
        for (server, expected) in good {
            assert_eq!(address(server, "http").unwrap().to_string(), expected);
        }
        let bad =
            ["", "ftp://a", "https://", "https://:1", "https://a:99999", "https://u:p@a", "a/b", "https://a b", "/"];
        for server in bad {
            assert!(address(server, "http").is_err(), "{server}");
        }
    }

    #[test]
    fn flags_that_kubectl_refuses_are_refused() {
        let check = |cluster: &str, user: &str, flags: &Options, expected: &str| {
            let text = format!(
                "current-context: c\ncontexts: [{{ name: c, context: {{ cluster: k, user: u }} }}]\n\
                 clusters: [{{ name: k, cluster: {{ server: https://a, {cluster} }} }}]\n\
                 users: [{{ name: u, user: {{ {user} }} }}]\n"
            );
            let mut target = Target::of(&parse(text.as_bytes()).unwrap(), flags).unwrap();
            target.apply(flags);
            let error = target.check().err().unwrap_or_default();
            assert!(error.contains(expected) && error.is_empty() == expected.is_empty(), "{cluster} {user}: {error}");
        };
        let none = Options::default();
        check("certificate-authority: x, insecure-skip-tls-verify: true", "", &none, "insecure-skip-tls-verify");
        check("certificate-authority: x, certificate-authority-data: YQ==", "", &none, "certificate-authority-data");
        let insecure = Options { insecure: true, ..Options::default() };
        check("certificate-authority: x", "", &insecure, "");
        let both = Options { certificate_authority: Some("z".into()), ..insecure };
        check("", "", &both, "insecure-skip-tls-verify");
        check("", "client-certificate: x", &none, "without client-key");
        check("", "client-key: x", &none, "");
        check("", "client-certificate: x, client-certificate-data: YQ==", &none, "client-certificate-data");
        check("", "client-certificate: x, client-key: x, client-key-data: YQ==", &none, "client-key-data");
        check("", "token: x, username: z", &none, "a token and a password");
        check("", "exec: {}, auth-provider: {}", &none, "exec and auth-provider");
        check("", "as-groups: [a]", &none, "without as");
        check("", "as-groups: [a], as: b", &none, "");
        check("", "auth-provider: { name: gcp }", &none, "gke-gcloud-auth-plugin");
        check("", "auth-provider: { name: oidc }", &none, "");
        let token = Options { token: Some("t".to_owned()), ..Options::default() };
        check("", "username: a, password: z, exec: {}, auth-provider: {}", &token, "");
    }
}
