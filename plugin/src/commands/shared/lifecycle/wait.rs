//! The wait for the outcome of a verb, and the count of the guests that were killed meanwhile.

use cmp_core::name::ClusterName;
use cmp_core::plan::killed::Ends;
use cmp_core::plan::lifecycle as plan;
use cmp_core::vocabulary::InstanceType;

use super::VerbRequest;
use super::outcome::{ClusterOutcome, InstanceOutcome};
use crate::args::WaitArgs;
use crate::commands::shared::kills::Guests;
use crate::commands::shared::login;
use crate::commands::shared::wait_clock::WaitClock;
use crate::commands::shared::waiting::{self, Waited};
use crate::error::CliError;

impl VerbRequest<'_> {
    /// Reads the guests of a cluster that run, if the command counts those that are killed.
    pub(super) async fn guests(
        &self,
        cluster: &ClusterName,
        kind: Option<InstanceType>,
    ) -> Result<Option<Guests>, CliError> {
        if !self.counts_kills || kind != Some(InstanceType::Vm) {
            return Ok(None);
        }
        Guests::of(&self.client, cluster, kind).await.map(Some)
    }

    /// Prints the guests that were killed, and returns the ends for each cluster of VMs that was switched off.
    pub(super) async fn killed(&self, clusters: &mut [ClusterOutcome]) -> Vec<Option<Ends>> {
        let mut kills = Vec::new();
        for one in clusters {
            let awaited = one.awaited();
            kills.push(match one.guests.take() {
                Some(guests) => Some(guests.only(&awaited).note(self.context, &self.client).await),
                None => None,
            });
        }
        kills
    }

    /// Waits until all instances to which the verb applies reach its goal, and until ssh answers in them if that is
    /// asked for. A late instance counts as failed.
    pub(super) async fn wait(&self, clusters: &mut [ClusterOutcome], wait: &WaitArgs) -> Result<(), CliError> {
        // Instances by name have an outcome each. Those of one cluster are counted together.
        let mut waited: Vec<Waited> = Vec::new();
        for one in clusters.iter() {
            match waited.iter_mut().find(|waited| waited.cluster == one.cluster) {
                Some(waited) => waited.names.extend(one.awaited()),
                None => waited.push(Waited {
                    cluster: one.cluster.clone(),
                    kind: one.kind,
                    names: one.awaited(),
                    goal: plan::goal(self.verb),
                }),
            }
        }
        let clock = WaitClock::start(wait.limit());
        self.context.ui.goes_on(
            "only the wait has ended, and the instances go on changing",
            "`kubectl cmp get instances` shows their states",
        );
        let tallies = waiting::until(self.context, &waited, &clock).await?;
        for (name, outcome) in clusters.iter_mut().flat_map(|cluster| &mut cluster.outcomes) {
            if let Some(late) = tallies.iter().flat_map(|tally| &tally.late).find(|late| late.name == *name) {
                *outcome = InstanceOutcome::Failed(waiting::late(late, plan::goal(self.verb), &clock));
            }
        }
        let Some(port) = wait.ssh else { return Ok(()) };
        let each = || clusters.iter().flat_map(|cluster| &cluster.outcomes);
        let names = plan::awaited(each().map(|(name, outcome)| (name, outcome.result())));
        let clock = WaitClock::start(wait.limit());
        let silent = login::until(self.context, names, port, &clock).await?;
        for (name, outcome) in clusters.iter_mut().flat_map(|cluster| &mut cluster.outcomes) {
            if let Some(one) = silent.iter().find(|one| one.name == *name) {
                *outcome = InstanceOutcome::Failed(login::late(std::slice::from_ref(one), port, &clock));
            }
        }
        Ok(())
    }
}
