//! The kubeconfig of a user, and its file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::json;

use cmp_client::private;
use cmp_core::name::UserName;

use crate::context::Context;
use crate::error::CliError;
use crate::output::yaml;

/// Opens the file of a kubeconfig. Only its owner can read it, because it holds a credential.
pub(crate) fn open(path: &Path) -> Result<File, CliError> {
    private::open(path).map_err(|error| {
        CliError::user(format!("--kubeconfig-out {}: {error}", path.display())).hint("nothing was created")
    })
}

/// Replaces the contents of the file. An older kubeconfig stays until the new one is ready.
pub(crate) fn write(file: &mut File, kubeconfig: &str) -> Result<(), CliError> {
    file.set_len(0)?;
    Ok(file.write_all(kubeconfig.as_bytes())?)
}

/// Returns the kubeconfig of a user: the API server and the credential.
pub(crate) async fn of(context: &Context<'_>, name: &UserName, token: &str) -> Result<String, CliError> {
    let cluster = &context.connection().await?.cluster;
    let entry = format!("{name}@cmp");
    yaml(&json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "cmp", "cluster": cluster }],
        "users": [{ "name": name, "user": { "token": token } }],
        "contexts": [{ "name": entry, "context": { "cluster": "cmp", "user": name } }],
        "current-context": entry,
    }))
}
