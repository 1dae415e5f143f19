//! The amounts that flags give: the first ones of a size or a quota, and changes of it.

use crate::plan::refusal::{Cause, Refusal};
use crate::quantity::Quantity;
use crate::resources::{CPU, MEMORY, ResourceName, Resources};

/// An amount of one resource, as `--resource` gives it.
pub type Amount = (ResourceName, Quantity);

/// Adds the amounts of `--resource`. Refuses a resource that is given twice.
pub fn with_more(mut resources: Resources, more: &[Amount]) -> Result<Resources, Refusal> {
    for (at, (name, amount)) in more.iter().enumerate() {
        if more.iter().take(at).any(|(earlier, _)| earlier == name) {
            return Err(Refusal::wish(format!("--resource {name} is given twice"))
                .hint("give each resource once, with the amount you want"));
        }
        resources.set(name.clone(), *amount);
    }
    Ok(resources)
}

/// Replaces the amounts that `--cpu`, `--memory` and `--resource` give.
pub fn with_changes(
    mut resources: Resources,
    cpu: Option<Quantity>,
    memory: Option<Quantity>,
    more: &[Amount],
) -> Result<Resources, Refusal> {
    for (name, amount) in [(CPU, cpu), (MEMORY, memory)] {
        if let Some(amount) = amount {
            resources.set(own(name)?, amount);
        }
    }
    with_more(resources, more)
}

/// Returns one of the names of this crate.
pub(crate) fn own(name: &str) -> Result<ResourceName, Refusal> {
    name.parse().map_err(|_| Cause::Internal(name.to_owned()).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::tests::size;

    #[test]
    fn flags_add_and_replace_amounts() {
        let amount = |text: &str| text.parse::<Quantity>().unwrap();
        let gpu = |text: &str| ("nvidia.com/gpu".parse::<ResourceName>().unwrap(), amount(text));
        let had = size("cpu=1,memory=1Gi");
        assert_eq!(with_more(had.clone(), &[]), Ok(had.clone()));
        assert_eq!(with_more(had.clone(), &[gpu("2")]), Ok(size("cpu=1,memory=1Gi,nvidia.com/gpu=2")));
        let twice = with_more(had.clone(), &[gpu("1"), gpu("2")]).unwrap_err();
        assert_eq!(
            twice.to_string(),
            "--resource nvidia.com/gpu is given twice\nhint: give each resource once, with the amount you want"
        );
        assert_eq!(with_changes(had.clone(), Some(amount("2")), None, &[]), Ok(size("cpu=2,memory=1Gi")));
        assert_eq!(
            with_changes(had, None, Some(amount("2Gi")), &[gpu("1")]),
            Ok(size("cpu=1,memory=2Gi,nvidia.com/gpu=1"))
        );
    }
}
