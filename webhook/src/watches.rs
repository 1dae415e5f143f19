//! Helpers of every watch: a constant back-off, and a check of the revision.

use std::time::Duration;

use kube::Client;
use kube::runtime::utils::Backoff;
use tracing::{debug, warn};

use cmp_client::accounts::Accounts;
use cmp_client::settings;
use cmp_core::settings::Settings;

/// The wait after each failure of a watch.
const PATIENCE: Duration = Duration::from_millis(500);
/// Interval at which the revision is checked.
const LOOK: Duration = Duration::from_secs(2);
/// Interval at which the settings are read.
const SETTINGS: Duration = Duration::from_secs(10);

/// A constant back-off. The controllers share one back-off between all their watches, and each watch fails once after
/// an API server was restarted. A wait that doubles would leave the controllers blind for minutes.
#[derive(Debug, Clone, Default)]
pub struct FixedBackoff;

impl Iterator for FixedBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(PATIENCE)
    }
}

impl Backoff for FixedBackoff {
    fn reset(&mut self) {}
}

/// Detects a revision that is older than the previous one.
#[derive(Debug, Default)]
struct Newest(Option<u64>);

impl Newest {
    fn went_back(&mut self, now: u64) -> bool {
        let back = self.0.is_some_and(|newest| now < newest);
        self.0 = Some(now);
        back
    }
}

/// Returns when the revision of the API went back: etcd was restored from a snapshot. Any earlier observation may then
/// be void. A watch that continues gets no events until the old revision is reached again.
pub async fn restored(client: &Client) {
    let accounts = Accounts::new(client.clone());
    let mut newest = Newest::default();
    loop {
        match accounts.revision().await {
            Ok(revision) => {
                if revision.is_some_and(|revision| newest.went_back(revision)) {
                    return;
                }
            }
            // The controllers report this error themselves.
            Err(error) => debug!(%error, "the revision cannot be read"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Reads the administrator's settings. No fence can be judged without them, so the function retries until they are
/// read.
pub async fn settings(client: &Client) -> Settings {
    loop {
        match settings::read(client).await {
            Ok((settings, invalid)) => {
                for invalid in invalid {
                    warn!(%invalid, "a setting in ConfigMap cmp-version cannot be used: correct it with `kubectl cmp install`");
                }
                return settings;
            }
            Err(error) => warn!(%error, "the settings cannot be read: retrying"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns when the administrator has changed the settings.
pub async fn changed(client: &Client, settings: &Settings) {
    loop {
        tokio::time::sleep(SETTINGS).await;
        match settings::read(client).await {
            Ok((now, _)) if now != *settings => return,
            Ok(_) => {}
            Err(error) => debug!(%error, "the settings cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_smaller_revision_is_from_before() {
        let mut newest = Newest::default();
        assert!(!newest.went_back(7));
        assert!(!newest.went_back(7));
        assert!(!newest.went_back(9));
        assert!(newest.went_back(8));
        assert!(!newest.went_back(9));
    }
}
