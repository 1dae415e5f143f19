//! The guest of a VM that a command is connected to.

use futures::StreamExt;

use cmp_client::{instances, kubevirt::Machines};
use cmp_core::disk::Disk;
use cmp_core::instance::Instance;
use cmp_core::kubevirt::VirtualMachineInstance;
use cmp_core::name::InstanceName;
use cmp_core::state::State;
use cmp_core::vocabulary::InstanceType;
use kube::Client;

use crate::error::CliError;

/// One guest of a VM. The next start of the VM makes another guest.
pub(crate) struct Guest {
    client: Client,
    machines: Machines,
    name: InstanceName,
    uid: String,
    /// Whether every guest of this VM starts with a new system: its root disk is not kept.
    pub(crate) starts_from_image: bool,
}

impl Guest {
    /// Returns the guest of a VM. A VM without a running guest is an error.
    pub(crate) async fn of(client: &Client, instance: &Instance) -> Result<Self, CliError> {
        Self::if_runs(client, &instance.name).await?.ok_or_else(|| {
            CliError::user(format!("{} is {}: its guest does not run yet", instance.name, instance.state))
                .hint(format!("kubectl cmp wait cluster {} --for=state=running", instance.name.cluster))
        })
    }

    /// Returns the guest of a VM, if it runs.
    pub(crate) async fn if_runs(client: &Client, name: &InstanceName) -> Result<Option<Self>, CliError> {
        let machines = Machines::of(client, &name.cluster);
        let guest = machines.instance(name).await?.filter(VirtualMachineInstance::runs);
        Ok(guest.map(|guest| Self {
            client: client.clone(),
            machines,
            name: name.clone(),
            uid: guest.metadata.uid.unwrap_or_default(),
            starts_from_image: guest.spec.root() == Disk::Ephemeral,
        }))
    }

    /// Returns the uid of the guest.
    pub(crate) fn uid(&self) -> &str {
        &self.uid
    }

    /// Returns the name of the VM.
    pub(crate) fn name(&self) -> &InstanceName {
        &self.name
    }

    /// Waits until the guest is gone, and returns the reason.
    pub(crate) async fn gone(&self) -> Gone {
        let [_, mut changes] = self.machines.changes();
        while changes.next().await.is_some() {
            // A failed read says nothing about the guest.
            if let Ok(Some(gone)) = self.why_gone().await {
                return gone;
            }
        }
        std::future::pending().await
    }

    /// Returns the reason why the guest is gone, or `None` while it runs.
    async fn why_gone(&self) -> Result<Option<Gone>, CliError> {
        let now = self.machines.instance(&self.name).await?;
        if now.is_some_and(|now| !now.ended() && now.metadata.uid.as_deref() == Some(self.uid())) {
            return Ok(None);
        }
        let state = instances::get(&self.client, &self.name, InstanceType::Vm).await?.map(|instance| instance.state);
        Ok(Some(Gone { name: self.name.clone(), state }))
    }
}

/// The end of a guest.
#[derive(Debug)]
pub(crate) struct Gone {
    name: InstanceName,
    /// The state of its VM now, if it exists.
    state: Option<State>,
}

impl Gone {
    /// Returns the error of a connection that the end of the guest has ended.
    pub(crate) fn error(&self) -> CliError {
        let name = &self.name;
        let (why, verb) = match self.state {
            None => ("deleted", None),
            Some(State::Stopped) => ("stopped", Some("start")),
            Some(State::Suspended) => ("suspended", Some("resume")),
            Some(State::Failed) => ("switched off, and cannot start again", None),
            Some(State::Running | State::Pending) => ("restarted", None),
        };
        let error = CliError::user(format!("lost connection to {name}: it was {why}"));
        match (verb, self.state) {
            (Some(verb), _) => error.hint(format!("kubectl cmp {verb} instance {name}")),
            (None, Some(State::Failed)) => error.hint(format!("kubectl cmp describe instance {name}")),
            (None, Some(_)) => error.hint("repeat the command to connect again"),
            (None, None) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_guest_is_a_reason_and_a_next_step() {
        for (state, expected) in [
            (None, "it was deleted\n"),
            (Some(State::Stopped), "it was stopped\nhint: kubectl cmp start instance dev-0\n"),
            (Some(State::Suspended), "it was suspended\nhint: kubectl cmp resume instance dev-0\n"),
            (Some(State::Pending), "it was restarted\nhint: repeat the command to connect again\n"),
            (
                Some(State::Failed),
                "it was switched off, and cannot start again\nhint: kubectl cmp describe instance dev-0\n",
            ),
        ] {
            let gone = Gone { name: "dev-0".parse().unwrap(), state };
            assert_eq!(gone.error().text(), format!("error: lost connection to dev-0: {expected}"));
        }
    }
}
