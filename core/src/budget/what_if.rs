//! The number of further instances that fit into a quota.

use std::collections::BTreeSet;

use crate::account::change::Change;
use crate::account::{Account, Want};
use crate::name::{ClusterName, MAX_COUNT};
use crate::plan::refusal::Refusal;
use crate::plan::write::Write;
use crate::resources::Resources;
use crate::verdict::{Denial, judge};
use crate::vocabulary::InstanceType;

/// The answer to the question how many instances of one size fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The number of instances that fit as one further cluster, at most as many as a cluster can have.
    pub fits: u32,
    /// The verdict on one instance more. `None` if a cluster cannot have more.
    pub limit: Option<Denial>,
    /// The verdict on the number that was asked for, if one was.
    pub asked: Option<(u32, Result<(), Denial>)>,
}

impl Fit {
    /// Returns the names of the exceeded resources, and of `clusters` and `instances` if they are.
    pub fn limits(&self) -> Vec<&str> {
        match &self.limit {
            Some(Denial::OverQuota { requested, .. }) => requested.names().collect(),
            Some(Denial::NotInQuota { resource, .. }) => vec![resource],
            _ => Vec::new(),
        }
    }
}

/// Returns how many instances of a size fit as one further cluster. The verdict is the one that cmp-webhook would give.
/// A size that no instance can have is refused.
pub fn what_if(account: &Account, size: &Resources, count: Option<u32>) -> Result<Fit, Refusal> {
    let name = unused(account)?;
    let verdict = |count: u32| -> Result<Result<(), Denial>, Refusal> {
        let want = Want::new(InstanceType::Container, count, size.clone());
        let write = Write::of(account, Change::new().want(&name, Some(&want)))?;
        match judge(Some(account), &write.account) {
            Err(Denial::Invalid { field, why, .. }) => Err(Refusal::wish(format!("{field} {why}"))),
            verdict => Ok(verdict),
        }
    };
    // A verdict on fewer instances is never worse.
    let (mut fits, mut limit, mut above) = (0, None, MAX_COUNT + 1);
    while above - fits > 1 {
        let between = fits + (above - fits) / 2;
        match verdict(between)? {
            Ok(()) => fits = between,
            Err(denial) => (above, limit) = (between, Some(denial)),
        }
    }
    let asked = count.map(|count| Ok::<_, Refusal>((count, verdict(count)?))).transpose()?;
    Ok(Fit { fits, limit, asked })
}

/// Returns the name of a cluster that the account does not have.
fn unused(account: &Account) -> Result<ClusterName, Refusal> {
    let taken: BTreeSet<&str> = account.clusters.keys().map(ClusterName::as_str).collect();
    let names = (0_usize..=taken.len()).map(|at| format!("what-if-{at}"));
    let free = names.filter(|name| !taken.contains(name.as_str())).find_map(|name| name.parse().ok());
    free.ok_or_else(|| Refusal::from(crate::plan::refusal::Cause::Internal("no name is free".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::{account, size};

    const WEB: (&str, &str) = ("want.web", r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#);

    #[test]
    fn as_many_fit_as_the_verdict_allows() {
        let few = ("policy", r#"{"suspended":"keep","clusters":100,"instances":5}"#);
        let one = ("policy", r#"{"suspended":"keep","clusters":1,"instances":5}"#);
        let large = ("quota", r#"{"cpu":"4000","memory":"4000Gi"}"#);
        let over = ("quota", r#"{"cpu":"4","memory":"64Gi"}"#);
        let newer = ("held.db", r#"{"format":9}"#);
        let check = |rows: &[(&str, &str)], of: &str, fits: u32, limits: &[&str]| {
            let fit = what_if(&account(rows), &size(of), None).unwrap();
            assert_eq!((fit.fits, fit.limits()), (fits, limits.to_vec()), "{rows:?} {of}");
        };
        check(&[], "cpu=4,memory=8Gi", 4, &["cpu"]);
        check(&[], "cpu=1,memory=8Gi", 8, &["memory"]);
        check(&[], "cpu=2,memory=8Gi", 8, &["cpu", "memory"]);
        check(&[WEB], "cpu=4,memory=8Gi", 2, &["cpu"]);
        check(&[WEB], "cpu=11,memory=8Gi", 0, &["cpu"]);
        check(&[WEB], "cpu=1,memory=1Gi,a.b/gpu=1", 0, &["a.b/gpu"]);
        check(&[WEB, few], "cpu=1,memory=1Gi", 2, &["instances"]);
        check(&[WEB, one], "cpu=1,memory=1Gi", 0, &["clusters"]);
        check(&[WEB, over], "cpu=1m,memory=1Gi", 0, &["cpu"]);
        check(&[large], "cpu=1,memory=1Gi", 1000, &[]);
        check(&[newer], "cpu=1,memory=1Gi", 0, &[]);
        check(&[("want.what-if-0", WEB.1)], "cpu=4,memory=8Gi", 2, &["cpu"]);
        let asked = |count| what_if(&account(&[WEB]), &size("cpu=4,memory=8Gi"), Some(count)).unwrap().asked.unwrap();
        assert_eq!(asked(2), (2, Ok(())));
        assert_eq!(
            asked(3).1.unwrap_err().to_string(),
            "exceeded quota: john, requested: cpu=12, used: cpu=6, limited: cpu=16"
        );
        let wrong = what_if(&account(&[]), &size("cpu=100u,memory=8Gi"), None).unwrap_err();
        assert_eq!(wrong.to_string(), "size.cpu 100u must be a multiple of 1m, a thousandth of a CPU");
    }
}
