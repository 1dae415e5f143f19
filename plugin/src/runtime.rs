//! The runtime that the calls run on.

use tokio::runtime::Runtime;

use crate::error::CliError;

/// Creates the runtime that the calls run on.
pub(crate) fn runtime() -> Result<Runtime, CliError> {
    // Install one TLS provider for all libraries. With two, each library would ask which one to use.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return Err(CliError::internal("another TLS provider is installed"));
    }
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CliError::internal(&error.to_string()))
}
