//! Builds a client from the flags and the kubeconfig.
//!
//! The kube crate makes the connections. The modules here read kubeconfigs, choose the proxy and obtain credentials,
//! because the crate differs from kubectl there.

mod answers;
mod busy;
mod certificates;
mod credentials;
mod exec;
mod fields;
mod kubeconfig;
mod options;
mod proxy;
mod target;

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue, USER_AGENT};
use kube::config::AuthProviderConfig;
use kube::{Client, Config};
use serde_json::json;

use crate::error::{ApiError, NoConnection};
use answers::Answers;
use certificates::Unusable;
use credentials::{Origin, Source};
use exec::Plugin;
use kubeconfig::Found;
use target::Target;

pub use answers::Warnings;
pub use certificates::base64;
pub use options::Options;

/// A client and what is known about the API server behind it.
#[derive(Clone)]
pub struct Connection {
    /// The client that makes the calls.
    pub client: Client,
    /// The address of the API server.
    pub server: String,
    /// The entry of a kubeconfig that leads to the API server in the same way: address, certificate authority, the name in
    /// its certificate, proxy.
    pub cluster: serde_json::Value,
    /// The warnings of the API server so far.
    pub warnings: Warnings,
}

/// The names in a kubeconfig.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The names of the contexts.
    pub contexts: Vec<String>,
    /// The names of the clusters.
    pub clusters: Vec<String>,
    /// The names of the users.
    pub users: Vec<String>,
}

/// Creates a client; no request is made yet. `agent` is the `User-Agent`.
pub async fn connect(options: &Options, agent: &str) -> Result<Connection, ApiError> {
    let Prepared { mut config, source, mut cluster } = prepare(options)?;
    let agent = HeaderValue::from_str(agent).map_err(|error| ApiError::Other(error.to_string()))?;
    config.headers.push((USER_AGENT, agent));
    // Silent retries for minutes would look like a hang to the user who typed the command. `busy` repeats what the API
    // server puts off.
    config.default_retry = false;
    config.connect_timeout = Some(options.request_timeout.unwrap_or(Duration::from_secs(30)));
    // A watch may be silent for a long time. The layer of answers limits how long a response may take to begin.
    config.read_timeout = None;
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    cluster["server"] = json!(server);
    // The entry is for other people: the password of a proxy is not theirs.
    if cluster["proxy-url"].as_str().is_some_and(|proxy| proxy.contains('@'))
        && let Some(fields) = cluster.as_object_mut()
    {
        fields.remove("proxy-url");
    }
    let warnings = Warnings::default();
    let answers = Answers {
        warnings: warnings.clone(),
        timeout: options.request_timeout,
        trace: options.trace,
        plain: config.cluster_url.scheme_str() == Some("http"),
    };
    let has_certificate = config.auth_info.client_certificate_data.is_some();
    let client = match source {
        Some(source) => {
            source.prepare().await?;
            credentials::client(source, config, answers)
        }
        None => credentials::plain(config, &answers),
    };
    let client = client.map_err(|error| match error {
        ApiError::Other(why) if has_certificate => NoConnection::new(format!("the client certificate: {why}"))
            .hint("use a certificate of X.509 version 3 and its private key, both in PEM")
            .into(),
        error => error,
    })?;
    Ok(Connection { client, server, cluster, warnings })
}

/// Returns the names in the kubeconfig that the flags or the environment name.
pub fn names(options: &Options) -> Result<Names, ApiError> {
    match kubeconfig::find(options).map_err(ApiError::Other)? {
        Found::Nothing(why) => Err(ApiError::Other(why)),
        Found::Kubeconfig(found) => Ok(Names {
            contexts: found.contexts.into_iter().map(|(name, _)| name).collect(),
            clusters: found.clusters.into_iter().map(|(name, _)| name).collect(),
            users: found.users.into_iter().map(|(name, _)| name).collect(),
        }),
    }
}

/// The configuration of a client, and the source of credentials that are not part of it.
struct Prepared {
    config: Config,
    source: Option<Arc<Source>>,
    /// The cluster as an entry of a kubeconfig. The address may be missing.
    cluster: serde_json::Value,
}

fn prepare(options: &Options) -> Result<Prepared, ApiError> {
    let found = kubeconfig::find(options).map_err(ApiError::Other)?;
    let asked_for = options.kubeconfig.is_some()
        || options.context.is_some()
        || options.cluster.is_some()
        || options.user.is_some();
    let target = match found {
        Found::Kubeconfig(kubeconfig) if asked_for || !kubeconfig.is_empty() => Target::of(&kubeconfig, options),
        // Without a kubeconfig: use the flags alone, or the credentials of the Pod this process runs in.
        _ if !asked_for && options.server.is_some() => Ok(Target::default()),
        found => match Config::incluster().ok().filter(|_| !asked_for) {
            Some(config) => return of_pod(config, options),
            None => Err(match found {
                Found::Kubeconfig(_) => ApiError::NO_CONTEXT.to_owned(),
                Found::Nothing(why) => why,
            }),
        },
    };
    let mut target = target.map_err(ApiError::Other)?;
    target.apply(options);
    target.check().map_err(ApiError::Other)?;
    of_target(&target, options)
}

/// Takes the credentials of the Pod that this process runs in, and what the flags replace.
fn of_pod(mut config: Config, options: &Options) -> Result<Prepared, ApiError> {
    let token_file = config.auth_info.token_file.take().unwrap_or_default();
    let mut target = Target::default();
    target.user.token_file = token_file;
    target.apply(options);
    let Target { cluster, user, .. } = &target;
    impersonate(&mut config, user);
    config.accept_invalid_certs |= cluster.insecure;
    if !cluster.tls_server_name.is_empty() {
        config.tls_server_name = Some(cluster.tls_server_name.clone());
    }
    if let Some(path) = &options.certificate_authority {
        let path = path.display().to_string();
        config.root_cert = Some(authorities("--certificate-authority", &path)?);
        config.root_cert_file = None;
    }
    let source = authenticate(&mut config, &target, None)?;
    let mut cluster = entry(&target)?;
    if let Some(roots) = config.root_cert.as_deref().filter(|_| !options.insecure) {
        cluster["certificate-authority-data"] = json!(base64(certificates::pem(roots).as_bytes()));
    }
    Ok(Prepared { config, source, cluster })
}

fn authorities(field: &str, path: &str) -> Result<Vec<Vec<u8>>, ApiError> {
    let text = kubeconfig::file(field, path).map_err(ApiError::Other)?;
    certificates::authorities(&text).map_err(|why| ApiError::Other(format!("{field} {path}: {why}")))
}

fn of_target(target: &Target, options: &Options) -> Result<Prepared, ApiError> {
    let Target { cluster, user, cluster_name, namespace, .. } = target;
    let mut config = Config::new(target.address(options)?);
    if !namespace.is_empty() {
        config.default_namespace = namespace.clone();
    }
    let of_cluster = proxy::of_cluster(&cluster.proxy_url);
    config.proxy_url = of_cluster
        .map_err(|why| ApiError::Other(format!("cluster {cluster_name:?}: {why}")))?
        .or_else(|| proxy::Environment::read().proxy_for(&config.cluster_url));
    config.disable_compression = cluster.disable_compression;
    config.tls_server_name = Some(cluster.tls_server_name.clone()).filter(|name| !name.is_empty());
    config.accept_invalid_certs = cluster.insecure;
    config.root_cert =
        if !cluster.certificate_authority_data.is_empty() {
            let read = certificates::authorities(&cluster.certificate_authority_data);
            Some(read.map_err(|why| {
                ApiError::Other(format!("certificate-authority-data of cluster {cluster_name:?}: {why}"))
            })?)
        } else if !cluster.certificate_authority.is_empty() {
            let field = match options.certificate_authority {
                Some(_) => "--certificate-authority".to_owned(),
                None => format!("certificate-authority of cluster {cluster_name:?}:"),
            };
            Some(authorities(&field, &cluster.certificate_authority)?)
        } else {
            None
        };
    impersonate(&mut config, user);
    // As kubectl does: no credentials go over plain HTTP.
    let encrypted = config.cluster_url.scheme_str() == Some("https");
    let entry = entry(target)?;
    let mut for_plugins = entry.clone();
    if let Some(config) = &cluster.for_plugins {
        for_plugins["config"] = config.clone();
    }
    let source = if encrypted { authenticate(&mut config, target, Some(for_plugins))? } else { None };
    if config.root_cert.is_none() && cluster.insecure {
        // Any certificate is accepted, so that the roots of the system are not looked for, which may be missing.
        config.root_cert = Some(Vec::new());
    }
    Ok(Prepared { config, source, cluster: entry })
}

/// Returns a cluster as an entry of a kubeconfig that needs no other file.
fn entry(target: &Target) -> Result<serde_json::Value, ApiError> {
    let cluster = &target.cluster;
    let authority = match cluster.certificate_authority.as_str() {
        "" => cluster.certificate_authority_data.clone(),
        path => kubeconfig::file("certificate-authority", path).map_err(ApiError::Other)?,
    };
    let mut info = json!({ "server": cluster.server });
    let mut set = |name: &str, value: serde_json::Value| info[name] = value;
    if !cluster.tls_server_name.is_empty() {
        set("tls-server-name", json!(cluster.tls_server_name));
    }
    if cluster.insecure {
        set("insecure-skip-tls-verify", json!(true));
    }
    if !authority.is_empty() && !cluster.insecure {
        set("certificate-authority-data", json!(base64(&authority)));
    }
    if !cluster.proxy_url.is_empty() {
        set("proxy-url", json!(cluster.proxy_url));
    }
    if cluster.disable_compression {
        set("disable-compression", json!(true));
    }
    Ok(info)
}

fn impersonate(config: &mut Config, user: &kubeconfig::User) {
    if user.impersonate.is_empty() {
        return;
    }
    let auth = &mut config.auth_info;
    auth.impersonate = Some(user.impersonate.clone());
    auth.impersonate_uid = Some(user.impersonate_uid.clone()).filter(|uid| !uid.is_empty());
    auth.impersonate_groups = Some(user.impersonate_groups.clone()).filter(|groups| !groups.is_empty());
    auth.impersonate_user_extra = Some(user.impersonate_extra.clone()).filter(|extra| !extra.is_empty());
}

/// Puts the credentials of a user into the configuration. Returns the source of those that may change.
fn authenticate(
    config: &mut Config,
    target: &Target,
    cluster: Option<serde_json::Value>,
) -> Result<Option<Arc<Source>>, ApiError> {
    let (user, name) = (&target.user, &target.user_name);
    let has_certificate = !(user.client_certificate.is_empty() && user.client_certificate_data.is_empty());
    if has_certificate {
        let read = |field: &str, path: &str, data: &[u8]| {
            if path.is_empty() { Ok(data.to_vec()) } else { kubeconfig::file(field, path) }
        };
        let field = |name_of: &str| format!("{name_of} of user {name:?}:");
        let [of_certificate, of_key] = ["client-certificate", "client-key"].map(field);
        let certificate = read(&of_certificate, &user.client_certificate, &user.client_certificate_data);
        let key = read(&of_key, &user.client_key, &user.client_key_data);
        let identity = certificates::identity(&certificate.map_err(ApiError::Other)?, &key.map_err(ApiError::Other)?);
        let (certificate, key) = identity.map_err(|part| match part {
            Unusable::Certificate => ApiError::Other(format!("{of_certificate} no certificate in it")),
            Unusable::Key => ApiError::Other(format!("{of_key} no private key in it")),
        })?;
        config.auth_info.client_certificate_data = Some(base64(certificate.as_bytes()));
        config.auth_info.client_key_data = Some(base64(key.as_bytes()).into());
    }
    if !user.token_file.is_empty() {
        return Ok(Some(credentials::shared(Origin::File(user.token_file.clone()))));
    }
    if !user.token.is_empty() {
        let header = credentials::bearer(&user.token, &format!("the token of user {name:?}"))?;
        config.headers.push((AUTHORIZATION, header));
        return Ok(None);
    }
    if !(user.username.is_empty() && user.password.is_empty()) {
        config.auth_info.username = Some(user.username.clone());
        config.auth_info.password = Some(user.password.clone().into());
        return Ok(None);
    }
    if let Some(provider) = &user.provider {
        let config_of = AuthProviderConfig {
            name: provider.name.clone(),
            config: provider.config.clone(),
            ..AuthProviderConfig::default()
        };
        config.auth_info.auth_provider = Some(config_of);
        return Ok(None);
    }
    let Some(exec) = &user.exec else { return Ok(None) };
    let plugin = Plugin::new(exec, name, cluster.unwrap_or_default()).map_err(NoConnection::new)?;
    // A certificate of the kubeconfig goes before the plugin, as for kubectl.
    Ok((!has_certificate).then(|| credentials::shared(Origin::Plugin(Box::new(plugin)))))
}
