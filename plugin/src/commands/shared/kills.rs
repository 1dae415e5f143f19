//! The guests that KubeVirt kills, because they do not shut down in time. A command that waits for their end counts them.

use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use cmp_client::events::guest_ends;
use cmp_client::kubevirt::Machines;
use cmp_core::name::{ClusterName, InstanceName};
use cmp_core::plan::killed::{self, Ends, Guest};
use cmp_core::vocabulary::InstanceType;

use crate::context::Context;
use crate::error::CliError;

/// How long the command waits for the reports of guests that are gone. virt-handler sends them from a queue.
const TOLD: Duration = Duration::from_secs(5);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// The guests of a cluster that ran before a command.
pub(crate) struct Guests {
    cluster: ClusterName,
    running: Vec<Guest>,
}

impl Guests {
    /// Reads the guests of a cluster that run. Containers have none.
    pub(crate) async fn of(
        client: &Client,
        cluster: &ClusterName,
        kind: Option<InstanceType>,
    ) -> Result<Self, CliError> {
        let running = match kind {
            Some(InstanceType::Vm) => killed::running(&Machines::of(client, cluster).running().await?),
            _ => Vec::new(),
        };
        Ok(Self { cluster: cluster.clone(), running })
    }

    /// Keeps the guests of these instances.
    #[must_use]
    pub(crate) fn only(mut self, names: &[InstanceName]) -> Self {
        self.running.retain(|guest| names.contains(&guest.name));
        self
    }

    /// Returns the ends of the guests that are gone now. A report that cannot be read, or that does not come, leaves the
    /// ends incomplete, and hides no success of the command.
    pub(crate) async fn ends(&self, client: &Client) -> Ends {
        if self.running.is_empty() {
            return Ends { complete: true, ..Ends::default() };
        }
        let Ok(now) = Machines::of(client, &self.cluster).running().await else { return Ends::default() };
        let gone = killed::ended(&self.running, &now);
        let deadline = Instant::now() + TOLD;
        loop {
            let Ok(told) = guest_ends(client, &self.cluster).await else { return Ends::default() };
            let ends = killed::ends(&gone, &told);
            if ends.complete || Instant::now() > deadline {
                return ends;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Prints a line about those that were killed, and returns their ends.
    pub(crate) async fn note(&self, context: &Context<'_>, client: &Client) -> Ends {
        let ends = self.ends(client).await;
        context.ui.notes(killed::note(&self.cluster, &ends.killed).as_slice());
        ends
    }
}
