//! Reads kubeconfigs as client-go does. The kube crate refuses some files that kubectl reads, and reads some that it
//! refuses.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::fields::Fields;
use super::options::Options;

/// The limit for a kubeconfig, and for each file that it names. A device or a pipe may have no end.
const LARGEST: u64 = 16 << 20;

/// The extension of a cluster that is given to credential plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// The merged content of the kubeconfigs.
#[derive(Default)]
pub(super) struct Kubeconfig {
    pub(super) current_context: String,
    pub(super) contexts: Vec<(String, Context)>,
    pub(super) clusters: Vec<(String, Cluster)>,
    pub(super) users: Vec<(String, User)>,
}

/// A cluster and a user that belong together.
#[derive(Clone, Default)]
pub(super) struct Context {
    pub(super) cluster: String,
    pub(super) user: String,
    pub(super) namespace: String,
}

/// The address of an API server, and its certificate.
#[derive(Clone, Default)]
pub(super) struct Cluster {
    pub(super) server: String,
    pub(super) tls_server_name: String,
    pub(super) insecure: bool,
    pub(super) certificate_authority: String,
    pub(super) certificate_authority_data: Vec<u8>,
    pub(super) proxy_url: String,
    pub(super) disable_compression: bool,
    /// The part that is for credential plugins only.
    pub(super) for_plugins: Option<Value>,
}

/// The credentials of a user. There is no `Debug`, because they are secret.
#[derive(Clone, Default)]
pub(super) struct User {
    pub(super) client_certificate: String,
    pub(super) client_certificate_data: Vec<u8>,
    pub(super) client_key: String,
    pub(super) client_key_data: Vec<u8>,
    pub(super) token: String,
    pub(super) token_file: String,
    pub(super) username: String,
    pub(super) password: String,
    pub(super) impersonate: String,
    pub(super) impersonate_uid: String,
    pub(super) impersonate_groups: Vec<String>,
    pub(super) impersonate_extra: HashMap<String, Vec<String>>,
    pub(super) provider: Option<Provider>,
    pub(super) exec: Option<Exec>,
}

/// An authentication provider that is built into the client.
#[derive(Clone)]
pub(super) struct Provider {
    pub(super) name: String,
    pub(super) config: HashMap<String, String>,
}

/// A credential plugin: a program that prints credentials.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Exec {
    pub(super) api_version: String,
    pub(super) command: String,
    pub(super) args: Vec<String>,
    pub(super) env: Vec<(String, String)>,
    pub(super) install_hint: String,
    pub(super) interactive_mode: String,
    pub(super) provide_cluster_info: bool,
}

/// The result of looking for kubeconfigs.
pub(super) enum Found {
    Kubeconfig(Kubeconfig),
    /// There is none; the text says where it was expected.
    Nothing(String),
}

/// Reads the kubeconfig of `--kubeconfig`, those of `$KUBECONFIG`, or `~/.kube/config`. Skips missing files of the
/// environment. An error names its file.
pub(super) fn find(options: &Options) -> Result<Found, String> {
    let paths = match &options.kubeconfig {
        Some(path) => vec![path.clone()],
        None => of_environment(),
    };
    let (mut merged, mut missing) = (None, None);
    for path in paths {
        match read(&path, LARGEST) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.get_or_insert_with(|| format!("no kubeconfig: {}: {error}", path.display()));
            }
            Err(error) => return Err(format!("the kubeconfig {} cannot be read: {error}", path.display())),
            Ok(bytes) => {
                let parsed = parse(&bytes).and_then(|mut read| {
                    read.resolve(&path)?;
                    Ok(read)
                });
                let read = parsed.map_err(|why| format!("the kubeconfig {}: {why}", path.display()))?;
                merged.get_or_insert_with(Kubeconfig::default).merge(read);
            }
        }
    }
    Ok(match merged {
        Some(merged) => Found::Kubeconfig(merged),
        None => Found::Nothing(missing.unwrap_or_else(|| "no kubeconfig".to_owned())),
    })
}

fn of_environment() -> Vec<PathBuf> {
    let value = std::env::var_os("KUBECONFIG").unwrap_or_default();
    let paths: Vec<PathBuf> = std::env::split_paths(&value).filter(|path| !path.as_os_str().is_empty()).collect();
    if !paths.is_empty() {
        return paths;
    }
    std::env::home_dir().map(|home| home.join(".kube").join("config")).into_iter().collect()
}

/// Reads a file up to a limit.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // Read one byte more to detect a longer file.
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > most {
        return Err(io::Error::other(format!("it is larger than the limit of {} MiB", most >> 20)));
    }
    Ok(bytes)
}

/// Reads a file that a kubeconfig or a flag names. The message names the field and the path.
pub(super) fn file(field: &str, path: &str) -> Result<Vec<u8>, String> {
    read(Path::new(path), LARGEST).map_err(|error| format!("{field} {path}: {error}"))
}

/// Parses one kubeconfig. Only the first document of a file counts, as for kubectl.
pub(super) fn parse(bytes: &[u8]) -> Result<Kubeconfig, String> {
    let document = document(&decode(bytes)?)?;
    let fields = Fields::of(&document)?;
    for (name, only) in [("kind", "Config"), ("apiVersion", "v1")] {
        if !["", only].contains(&fields.text(name)?.as_str()) {
            return Err(format!("{name} is not {only}"));
        }
    }
    Ok(Kubeconfig {
        current_context: fields.text("current-context")?,
        contexts: named(&fields, "contexts", "context", Context::of)?,
        clusters: named(&fields, "clusters", "cluster", Cluster::of)?,
        users: named(&fields, "users", "user", User::of)?,
    })
}

/// Decodes UTF-8, or UTF-16 with a byte order mark, which PowerShell writes.
fn decode(bytes: &[u8]) -> Result<String, String> {
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        let whole = bytes.len().is_multiple_of(2);
        String::from_utf16(&units).ok().filter(|_| whole).ok_or_else(|| "it is not valid UTF-16".to_owned())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            String::from_utf8(rest.to_vec()).map_err(|_| "it is not valid UTF-8".to_owned())
        }
    }
}

/// Parses a document of YAML or JSON. The message has the place only: the parsers quote the text, which may be secret.
pub(super) fn document(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{')
        && let Ok(document) = serde_json::from_str(text)
    {
        return Ok(document);
    }
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    options.duplicate_keys = serde_saphyr::DuplicateKeyPolicy::LastWins;
    let mut reader = text.as_bytes();
    let first = serde_saphyr::read_with_options::<_, Value>(&mut reader, options).next();
    match first {
        None => Ok(Value::Null),
        Some(Ok(document)) => Ok(document),
        Some(Err(error)) => Err(match error.location() {
            Some(at) => format!("line {}, column {}: not YAML", at.line(), at.column()),
            None => "it is not YAML".to_owned(),
        }),
    }
}

fn named<T: Default>(
    fields: &Fields<'_>,
    list: &str,
    name: &str,
    read: fn(&Fields<'_>) -> Result<T, String>,
) -> Result<Vec<(String, T)>, String> {
    let mut all: Vec<(String, T)> = Vec::new();
    for item in fields.mappings(list)? {
        let called = item.text("name")?;
        if all.iter().any(|(other, _)| *other == called) {
            return Err(format!("{list} has two entries with the name {called:?}"));
        }
        let entry = item.mapping(name)?.map(|fields| read(&fields)).transpose()?;
        all.push((called, entry.unwrap_or_default()));
    }
    Ok(all)
}

impl Context {
    fn of(fields: &Fields<'_>) -> Result<Self, String> {
        Ok(Self { cluster: fields.text("cluster")?, user: fields.text("user")?, namespace: fields.text("namespace")? })
    }
}

impl Cluster {
    fn of(fields: &Fields<'_>) -> Result<Self, String> {
        let mut for_plugins = None;
        for extension in fields.mappings("extensions")? {
            if extension.text("name")? == EXEC_EXTENSION {
                for_plugins = extension.any("extension");
            }
        }
        Ok(Self {
            server: fields.text("server")?,
            tls_server_name: fields.text("tls-server-name")?,
            insecure: fields.flag("insecure-skip-tls-verify")?,
            certificate_authority: fields.text("certificate-authority")?,
            certificate_authority_data: fields.bytes("certificate-authority-data")?,
            proxy_url: fields.text("proxy-url")?,
            disable_compression: fields.flag("disable-compression")?,
            for_plugins,
        })
    }
}

impl User {
    fn of(fields: &Fields<'_>) -> Result<Self, String> {
        let provider = fields.mapping("auth-provider")?;
        Ok(Self {
            client_certificate: fields.text("client-certificate")?,
            client_certificate_data: fields.bytes("client-certificate-data")?,
            client_key: fields.text("client-key")?,
            client_key_data: fields.bytes("client-key-data")?,
            token: fields.text("token")?,
            token_file: fields.text("tokenFile")?,
            username: fields.text("username")?,
            password: fields.text("password")?,
            impersonate: fields.text("as")?,
            impersonate_uid: fields.text("as-uid")?,
            impersonate_groups: fields.texts("as-groups")?,
            impersonate_extra: fields.lists("as-user-extra")?,
            provider: provider
                .map(|fields| Ok::<_, String>(Provider { name: fields.text("name")?, config: fields.map("config")? }))
                .transpose()?,
            exec: fields.mapping("exec")?.map(|fields| Exec::of(&fields)).transpose()?,
        })
    }
}

impl Exec {
    fn of(fields: &Fields<'_>) -> Result<Self, String> {
        let env = fields.mappings("env")?;
        Ok(Self {
            api_version: fields.text("apiVersion")?,
            command: fields.text("command")?,
            args: fields.texts("args")?,
            env: env.iter().map(|one| Ok((one.text("name")?, one.text("value")?))).collect::<Result<_, String>>()?,
            install_hint: fields.text("installHint")?,
            interactive_mode: fields.text("interactiveMode")?,
            provide_cluster_info: fields.flag("provideClusterInfo")?,
        })
    }
}

impl Kubeconfig {
    /// Reports whether the files say nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.current_context.is_empty() && self.contexts.is_empty() && self.clusters.is_empty() && self.users.is_empty()
    }

    /// Adds the entries of a later file. The first file with an entry wins.
    fn merge(&mut self, later: Self) {
        if self.current_context.is_empty() {
            self.current_context = later.current_context;
        }
        add(&mut self.contexts, later.contexts);
        add(&mut self.clusters, later.clusters);
        add(&mut self.users, later.users);
    }

    /// Makes relative paths absolute: they start at the folder of the file.
    fn resolve(&mut self, file: &Path) -> Result<(), String> {
        let folder = std::path::absolute(file).map_err(|error| error.to_string())?;
        let folder = folder.parent().unwrap_or(Path::new("/"));
        let absolute = |path: &mut String| {
            if !path.is_empty() {
                // `join` keeps an absolute path. A folder that is no UTF-8 leaves the path as it is.
                if let Some(joined) = clean(&folder.join(&*path)).to_str() {
                    *path = joined.to_owned();
                }
            }
        };
        self.clusters.iter_mut().for_each(|(_, cluster)| absolute(&mut cluster.certificate_authority));
        for (_, user) in &mut self.users {
            [&mut user.client_certificate, &mut user.client_key, &mut user.token_file].into_iter().for_each(absolute);
            // A name without a separator is looked up in PATH.
            if let Some(exec) = &mut user.exec
                && exec.command.contains(std::path::MAIN_SEPARATOR)
            {
                absolute(&mut exec.command);
            }
        }
        Ok(())
    }
}

/// Removes `.` and `..` from an absolute path without a look at links, as Go does.
fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    clean
}

fn add<T>(all: &mut Vec<(String, T)>, later: Vec<(String, T)>) {
    for (name, entry) in later {
        if !all.iter().any(|(other, _)| *other == name) {
            all.push((name, entry));
        }
    }
}

/// Returns the entry with a name.
pub(super) fn entry<'a, T>(all: &'a [(String, T)], name: &str) -> Option<&'a T> {
    all.iter().find(|(other, _)| other == name).map(|(_, entry)| entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &[u8]) -> String {
        parse(text).err().expect("it is refused")
    }

    #[test]
    fn entries_may_be_empty() {
        let text = "contexts: [{ name: a, context: {} }, { name: b, context: null }, { name: c }, null]\n\
                    clusters: null\nusers: [{ name: u, user: { token: null, exec: null, as-groups: null } }]\n";
        let read = parse(text.as_bytes()).unwrap();
        assert_eq!((read.contexts.len(), read.users.len()), (4, 1));
        assert!(parse(b"").unwrap().is_empty() && parse(b"---\n").unwrap().is_empty());
    }

    #[test]
    fn a_kubeconfig_that_kubectl_refuses_is_refused() {
        assert_eq!(error(b"kind: Foo"), "kind is not Config");
        assert_eq!(error(b"apiVersion: v2"), "apiVersion is not v1");
        assert_eq!(error(b"users: [{ name: u }, { name: u }]"), "users has two entries with the name \"u\"");
        assert_eq!(error(b"users: [{ user: { token: 1 } }]"), "users[0].user.token is a number, where a text belongs");
        assert_eq!(error(b"\xff\xfea"), "it is not valid UTF-16");
        assert_eq!(error(b"a\xff"), "it is not valid UTF-8");
        assert!(error(b"users:\n- token: my-secret\n  [").starts_with("line "));
        assert!(!error(b"users:\n- token: my-secret\n  [").contains("secret"));
    }

    #[test]
    fn the_first_document_and_the_last_key_count() {
        let read = parse(b"current-context: a\ncurrent-context: b\n---\ncurrent-context: c\n").unwrap();
        assert_eq!(read.current_context, "b");
        assert_eq!(parse(b"{\n\t\"current-context\": \"j\"\n}").unwrap().current_context, "j");
    }

    #[test]
    fn the_first_file_with_an_entry_wins() {
        let mut merged = parse(b"users: [{ name: u, user: { token: first } }]").unwrap();
        let later = b"current-context: c\nusers: [{ name: u, user: { token: later } }, { name: v }]";
        merged.merge(parse(later).unwrap());
        assert_eq!((merged.current_context.as_str(), merged.users.len()), ("c", 2));
        assert_eq!(entry(&merged.users, "u").unwrap().token, "first");
    }

    #[test]
    fn paths_start_at_the_folder_of_the_file() {
        let text = b"users: [{ name: u, user: { tokenFile: b/../t, client-key: /k, exec: { command: ./x } } },
                             { name: v, user: { exec: { command: login } } }]";
        let mut read = parse(text).unwrap();
        read.resolve(Path::new("/home/a/config")).unwrap();
        let [(_, first), (_, second)] = &read.users[..] else { panic!("two users") };
        assert_eq!((first.token_file.as_str(), first.client_key.as_str()), ("/home/a/t", "/k"));
        assert_eq!(first.exec.as_ref().unwrap().command, "/home/a/x");
        assert_eq!(second.exec.as_ref().unwrap().command, "login");
        assert!(second.token_file.is_empty());
    }
}
