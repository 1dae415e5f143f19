//! `set quota`: another quota or policy of a user.

use crate::account::change::Change;
use crate::account::{Account, Suspended};
use crate::plan::amounts::{Amount, with_changes};
use crate::plan::refusal::Refusal;
use crate::plan::write::Write;
use crate::quantity::Quantity;
use crate::verdict::available;

/// The parts of a quota that are to change. The others stay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// The wanted CPU.
    pub cpu: Option<Quantity>,
    /// The wanted memory.
    pub memory: Option<Quantity>,
    /// The wanted amounts of other resources.
    pub more: Vec<Amount>,
    /// The wanted rule for suspended clusters.
    pub suspended: Option<Suspended>,
}

/// Checks that a wish names something, before anything is read.
pub fn says_something(wish: &Wish) -> Result<(), Refusal> {
    if *wish == Wish::default() {
        return Err(Refusal::wish("nothing to set").hint("use --cpu, --memory, --resource or --suspended"));
    }
    Ok(())
}

/// Plans the write of the quota and the policy, on one version of the account.
pub fn write(wish: &Wish, account: &Account) -> Result<Write, Refusal> {
    let Wish { cpu, memory, more, suspended } = wish;
    let quota = with_changes(account.quota.clone(), *cpu, *memory, more)?;
    let mut policy = account.policy.clone();
    policy.suspended = suspended.unwrap_or(policy.suspended);
    let mut change = Change::new();
    if quota != account.quota {
        change = change.quota(&quota);
    }
    if policy != account.policy {
        change = change.policy(&policy);
    }
    Write::of(account, change)
}

/// Returns the word for the result of a write.
pub fn word(changed: bool) -> &'static str {
    if changed { "configured" } else { "unchanged" }
}

/// Returns a warning for each resource of which more is used than the quota.
pub fn warnings(account: &Account) -> Vec<String> {
    let (left, used) = (available(account).unwrap_or_default(), account.charge().unwrap_or_default());
    let over = left.iter().filter(|(_, left)| left.is_negative());
    over.map(|(name, left)| {
        format!(
            "Warning: {} uses {name}={}, {name}={} is the quota now: instances keep running, clusters cannot grow ({left} left)",
            account.user,
            used.get(name),
            account.quota.get(name)
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::account;
    use crate::plan::tests::WEB;
    use crate::resources::ResourceName;

    fn amount(text: &str) -> Quantity {
        text.parse().unwrap()
    }

    #[test]
    fn only_differences_are_written() {
        let gpu = |text: &str| ("nvidia.com/gpu".parse::<ResourceName>().unwrap(), text.parse::<Quantity>().unwrap());
        let quota = |text: &str| vec![("quota", text.to_owned())];
        let nothing = Wish::default;
        assert_eq!(
            says_something(&nothing()).unwrap_err().to_string(),
            "nothing to set\nhint: use --cpu, --memory, --resource or --suspended"
        );
        for (wish, expected) in [
            (Wish { cpu: Some(amount("32")), ..nothing() }, quota(r#"{"cpu":"32","memory":"64Gi"}"#)),
            (Wish { memory: Some(amount("1Gi")), ..nothing() }, quota(r#"{"cpu":"16","memory":"1Gi"}"#)),
            (Wish { more: vec![gpu("2")], ..nothing() }, quota(r#"{"cpu":"16","memory":"64Gi","nvidia.com/gpu":"2"}"#)),
            (
                Wish { suspended: Some(Suspended::Release), ..nothing() },
                vec![("policy", r#"{"suspended":"release","clusters":100,"instances":1000}"#.to_owned())],
            ),
            (Wish { cpu: Some(amount("16")), suspended: Some(Suspended::Keep), ..nothing() }, vec![]),
        ] {
            assert_eq!(says_something(&wish), Ok(()));
            let write = write(&wish, &account(&[])).unwrap();
            let rows: Vec<(&str, String)> =
                write.change.entries().map(|(key, text)| (key, text.unwrap_or_default().to_owned())).collect();
            assert_eq!(rows, expected, "{wish:?}");
        }
        assert_eq!([false, true].map(word), ["unchanged", "configured"]);
        let twice = write(&Wish { more: vec![gpu("1"), gpu("2")], ..nothing() }, &account(&[])).unwrap_err();
        assert!(twice.to_string().starts_with("--resource nvidia.com/gpu is given twice"), "{twice}");
    }

    #[test]
    fn a_quota_below_the_use_is_a_warning() {
        let lowered = |cpu: &str, memory: &str| {
            let wish = Wish { cpu: Some(amount(cpu)), memory: Some(amount(memory)), ..Wish::default() };
            warnings(&write(&wish, &account(&[("want.web", WEB)])).unwrap().account)
        };
        assert!(lowered("6", "12Gi").is_empty() && lowered("7", "16Gi").is_empty());
        let rest = "is the quota now: instances keep running, clusters cannot grow";
        assert_eq!(
            lowered("4", "8Gi"),
            [
                format!("Warning: john uses cpu=6, cpu=4 {rest} (-2 left)"),
                format!("Warning: john uses memory=12Gi, memory=8Gi {rest} (-4Gi left)"),
            ]
        );
    }
}
