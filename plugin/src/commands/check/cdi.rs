//! Check for CDI, which is optional. Without it the root disks of VMs do not stay.

use kube::Client;

use cmp_client::{ApiError, data_volumes};

use crate::commands::check::report::Check;

const NAME: &str = "cdi";

/// The state of CDI.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Absent,
    /// This definition is stored, and not served.
    Unserved(String),
    /// The operator of CDI reports this.
    Troubled(String),
    /// The API server did not accept a `DataVolume`, for this reason.
    Refused(String),
    /// The caller may not make a `DataVolume`.
    NotTried,
    Works,
}

pub(super) async fn cdi(client: &Client) -> Check {
    looked(client).await.map_or_else(|error| Check::of(NAME, Err(error.into())), |found| check(&found))
}

async fn looked(client: &Client) -> Result<Found, ApiError> {
    if !data_volumes::installed(client).await? {
        // A caller who may not read the definitions does not know more.
        let unserved = data_volumes::unserved(client).await.unwrap_or_default();
        return Ok(unserved.into_iter().next().map_or(Found::Absent, Found::Unserved));
    }
    if let Ok(Some(trouble)) = data_volumes::trouble(client).await {
        return Ok(Found::Troubled(trouble));
    }
    match data_volumes::try_one(client).await {
        Ok(()) => Ok(Found::Works),
        Err(error) if error.is_forbidden() => Ok(Found::NotTried),
        Err(error) if error.is_unreachable() => Err(error),
        Err(error) => Ok(Found::Refused(error.to_string())),
    }
}

/// Returns the line about CDI. It belongs to somebody else, so that no trouble of it is a failure of cmp.
fn check(found: &Found) -> Check {
    const STAY: &str = "the root disks of VMs can stay (--disk)";
    const LOOK: &str = "look at its Pods: kubectl get pods -A -l cdi.kubevirt.io";
    let breaks = "no VM with --disk can be created, and disks are not imported";
    match found {
        Found::Works => Check::ok(NAME, format!("CDI is installed: {STAY}")),
        Found::NotTried => Check::ok(
            NAME,
            format!("CDI is installed: {STAY}; it was not tried, which takes the right to create DataVolumes"),
        ),
        Found::Absent => Check::ok(NAME, "CDI is not installed: VMs have no root disks that stay (--disk)"),
        Found::Unserved(name) => {
            let text = format!("customresourcedefinition/{name} is not Established: --disk is refused for VMs");
            let look = format!("the API server tries again within five minutes; see kubectl describe crd {name}");
            Check::warning(NAME, text).hint(look)
        }
        Found::Troubled(why) => Check::warning(NAME, format!("CDI reports {why}; {breaks}")).hint(LOOK),
        Found::Refused(why) => {
            Check::warning(NAME, format!("CDI is installed, and a DataVolume is refused: {why}; {breaks}")).hint(LOOK)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_cdi_is_a_line_that_says_what_it_means() {
        let why = || "no endpoints".to_owned();
        for (found, expected) in [
            (Found::Works, "ok        cdi: CDI is installed: the root disks of VMs can stay (--disk)\n"),
            (
                Found::NotTried,
                "ok        cdi: CDI is installed: the root disks of VMs can stay (--disk); it was not tried, which takes the right \
                 to create DataVolumes\n",
            ),
            (Found::Absent, "ok        cdi: CDI is not installed: VMs have no root disks that stay (--disk)\n"),
            (
                Found::Unserved("datavolumes.cdi.kubevirt.io".to_owned()),
                "warning   cdi: customresourcedefinition/datavolumes.cdi.kubevirt.io is not Established: --disk is refused for \
                 VMs\nhint: the API server tries again within five minutes; see kubectl describe crd datavolumes.cdi.kubevirt.io\n",
            ),
            (
                Found::Troubled(why()),
                "warning   cdi: CDI reports no endpoints; no VM with --disk can be created, and disks are not imported\n\
                 hint: look at its Pods: kubectl get pods -A -l cdi.kubevirt.io\n",
            ),
            (
                Found::Refused(why()),
                "warning   cdi: CDI is installed, and a DataVolume is refused: no endpoints; no VM with --disk can be created, and \
                 disks are not imported\nhint: look at its Pods: kubectl get pods -A -l cdi.kubevirt.io\n",
            ),
        ] {
            assert_eq!(check(&found).lines(usize::MAX), expected, "{found:?}");
        }
    }
}
