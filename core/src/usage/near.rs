//! Charges beside quotas: the users who are near their quota.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::TooMuch;
use super::overview::Level;
use crate::resources::ResourceName;

/// The charge of a user for one resource, and the quota of it, in 10^-9 units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nearness {
    /// The user, as it was recorded.
    pub owner: String,
    /// The resource.
    pub resource: ResourceName,
    /// The sum of the charges of the user's clusters.
    pub charged: i128,
    /// The quota.
    pub quota: i128,
}

impl Nearness {
    /// Compares the charged shares of the quotas.
    fn cmp_share(&self, other: &Self) -> Ordering {
        cmp_fractions((self.charged, self.quota), (other.charged, other.quota))
    }
}

/// Compares two fractions that are not below 0, by their continued fractions. A product of amounts would not fit.
fn cmp_fractions(one: (i128, i128), other: (i128, i128)) -> Ordering {
    let ((mut part, mut whole), (mut part_of_other, mut whole_of_other)) = (one, other);
    let mut turned = false;
    loop {
        // A whole of 0 is the end of a continued fraction, and larger than any number.
        let order = match (whole, whole_of_other) {
            (0, 0) => return Ordering::Equal,
            (0, _) => Ordering::Greater,
            (_, 0) => Ordering::Less,
            _ => (part / whole).cmp(&(part_of_other / whole_of_other)),
        };
        if order != Ordering::Equal {
            return if turned { order.reverse() } else { order };
        }
        (part, whole) = (whole, part % whole);
        (part_of_other, whole_of_other) = (whole_of_other, part_of_other % whole_of_other);
        turned = !turned;
    }
}

/// Returns the charges and quotas that held until a moment, the largest share first. A resource without a quota and without a
/// charge is left out.
pub fn near(at: Timestamp, charges: &[Level], quotas: &[Level]) -> Result<Vec<Nearness>, TooMuch> {
    let mut all: BTreeMap<(&str, &ResourceName), (i128, i128)> = BTreeMap::new();
    let held = |level: &&Level| level.times.from < at && level.times.until >= at;
    for (levels, is_quota) in [(charges, false), (quotas, true)] {
        for level in levels.iter().filter(held) {
            for (name, amount) in level.amounts.iter() {
                let (charged, quota) = all.entry((&level.owner, name)).or_default();
                let sum = if is_quota { quota } else { charged };
                *sum = sum.checked_add(amount.nanos().max(0)).ok_or(TooMuch)?;
            }
        }
    }
    let one = |((owner, name), (charged, quota)): ((&str, &ResourceName), (i128, i128))| Nearness {
        owner: owner.to_owned(),
        resource: name.clone(),
        charged,
        quota,
    };
    let mut near: Vec<Nearness> = all.into_iter().filter(|(_, (_, quota))| *quota > 0).map(one).collect();
    near.sort_by(|one, other| other.cmp_share(one));
    Ok(near)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Resources;
    use crate::usage::Watched;

    fn level(owner: &str, amounts: &str, from: i64, until: i64) -> Level {
        let at = |second| Timestamp::from_second(second).unwrap();
        let times = Watched { from: at(from), until: at(until) };
        Level { owner: owner.to_owned(), amounts: Resources::from_list(amounts).unwrap(), times }
    }

    #[test]
    fn the_user_nearest_to_a_quota_comes_first() {
        let quotas = [
            level("john", "cpu=10,memory=10Gi", 0, 50),
            level("john", "cpu=8,memory=10Gi", 50, 100),
            level("mary", "cpu=100,memory=20Gi", 0, 100),
            level("gone", "cpu=1", 0, 60),
        ];
        let charges = [
            level("john", "cpu=2,memory=1Gi", 0, 100),
            level("john", "cpu=5,memory=1Gi", 40, 100),
            level("mary", "cpu=100,memory=4Gi", 0, 99),
            level("mary", "cpu=10,memory=19Gi,nvidia.com/gpu=1", 99, 100),
        ];
        let at = |second| {
            let near = near(Timestamp::from_second(second).unwrap(), &charges, &quotas).unwrap();
            let text = |one: &Nearness| {
                format!("{} {} {}/{}", one.owner, one.resource, one.charged / 1_000_000_000, one.quota / 1_000_000_000)
            };
            near.iter().map(text).collect::<Vec<_>>()
        };
        let gib = |gib: i64| gib << 30;
        let memory = format!("mary memory {}/{}", gib(19), gib(20));
        let johns = format!("john memory {}/{}", gib(2), gib(10));
        assert_eq!(at(100), [memory.as_str(), "john cpu 7/8", johns.as_str(), "mary cpu 10/100"]);
        assert_eq!(at(99)[0], "mary cpu 100/100");
        assert_eq!(at(60).last().unwrap(), "gone cpu 0/1");
        assert_eq!(at(101), Vec::<String>::new());
    }

    #[test]
    fn fractions_are_compared_exactly() {
        let numbers = [0, 1, 2, 3, 5, 8, 100, 101];
        for (a, b) in numbers.into_iter().flat_map(|a| numbers.map(|b| (a, b))).filter(|(_, b)| *b > 0) {
            for (c, d) in numbers.into_iter().flat_map(|c| numbers.map(|d| (c, d))).filter(|(_, d)| *d > 0) {
                assert_eq!(cmp_fractions((a, b), (c, d)), (a * d).cmp(&(c * b)), "{a}/{b} {c}/{d}");
            }
        }
        let most = i128::MAX;
        assert_eq!(cmp_fractions((most - 1, most), (most - 2, most - 1)), Ordering::Greater);
        assert_eq!(cmp_fractions((most, 1), (1, most)), Ordering::Greater);
    }
}
