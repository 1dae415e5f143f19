//! The settings of an administrator for all clusters. `kubectl cmp install` writes them into the ConfigMap
//! `cmp-version`.

use core::net::IpAddr;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::quantity::Quantity;

/// The key of [`Settings::ephemeral_storage`].
pub const EPHEMERAL_STORAGE: &str = "ephemeral-storage";
/// The key of [`Settings::deny_egress_to`].
pub const DENY_EGRESS_TO: &str = "deny-egress-to";

/// The settings of an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The disk of a node that a container may fill, in bytes, if the size of its cluster does not name
    /// `ephemeral-storage`.
    pub ephemeral_storage: Quantity,
    /// The address ranges that instances may not connect to, sorted and without duplicates.
    pub deny_egress_to: Vec<Cidr>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { ephemeral_storage: Quantity::mebibytes(10 * 1024), deny_egress_to: Vec::new() }
    }
}

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {value:?}, which {why}")]
pub struct InvalidSetting {
    /// The key in the ConfigMap.
    pub key: &'static str,
    /// The value, or the part of it that is wrong.
    pub value: String,
    /// The rest of the sentence.
    pub why: String,
}

impl Settings {
    /// Reads the data of the ConfigMap. A setting that cannot be read does not affect the others. A wrong amount
    /// becomes the default. The other items of a list stay in force.
    pub fn read(data: &BTreeMap<String, String>) -> (Self, Vec<InvalidSetting>) {
        let (mut settings, mut invalid) = (Self::default(), Vec::new());
        if let Some(text) = data.get(EPHEMERAL_STORAGE) {
            match amount(text) {
                Ok(amount) => settings.ephemeral_storage = amount,
                Err(why) => invalid.push(InvalidSetting { key: EPHEMERAL_STORAGE, value: text.clone(), why }),
            }
        }
        for text in data.get(DENY_EGRESS_TO).map_or("", String::as_str).split(',').filter(|text| !text.is_empty()) {
            match text.parse() {
                Ok(cidr) => settings.deny_egress_to.push(cidr),
                Err(InvalidCidr(why)) => {
                    invalid.push(InvalidSetting { key: DENY_EGRESS_TO, value: text.to_owned(), why: why.to_owned() });
                }
            }
        }
        settings.deny_egress_to.sort();
        settings.deny_egress_to.dedup();
        (settings, invalid)
    }
}

/// Parses an amount of `ephemeral-storage`, from 1Mi to 4095Ti.
pub fn amount(text: &str) -> Result<Quantity, String> {
    let amount: Quantity = text.parse().map_err(|_| "is not a quantity: use a form such as 10Gi".to_owned())?;
    // Four containers are allowed, and Kubernetes has to count the sum.
    if amount > Quantity::mebibytes(u32::MAX) {
        return Err("is too large: the maximum is 4095Ti".to_owned());
    }
    if amount < Quantity::mebibytes(1) {
        return Err("is too small: the minimum is 1Mi".to_owned());
    }
    Ok(amount)
}

/// The factor of [`Settings::ephemeral_storage`] that all containers of an instance may fill together.
pub const CONTAINERS: u32 = 4;

/// A range of addresses, with the bits after its prefix cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// The reason why a text is not an address range, as the rest of a sentence about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCidr(&'static str);

impl Cidr {
    /// Reports whether the addresses are IPv6 addresses.
    pub fn is_v6(self) -> bool {
        self.address.is_ipv6()
    }

    /// Returns the range of one address.
    pub fn of(address: IpAddr) -> Self {
        Self { address, prefix: if address.is_ipv6() { 128 } else { 32 } }
    }
}

impl FromStr for Cidr {
    type Err = InvalidCidr;
    fn from_str(text: &str) -> Result<Self, InvalidCidr> {
        const FORM: InvalidCidr = InvalidCidr("is not a range of addresses: use a form such as 169.254.0.0/16");
        let (address, prefix) = text.split_once('/').ok_or(FORM)?;
        let address: IpAddr = address.parse().map_err(|_| FORM)?;
        // No packet has such an address, so that the range would deny nothing.
        if matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some()) {
            return Err(InvalidCidr("is an IPv4 address in the form of IPv6: use a form such as 169.254.0.0/16"));
        }
        // Kubernetes accepts neither `+4` nor `04`.
        let plain = prefix == "0" || (prefix.bytes().all(|byte| byte.is_ascii_digit()) && !prefix.starts_with('0'));
        let prefix: u8 = prefix.parse().ok().filter(|_| plain).ok_or(FORM)?;
        let cleared = match address {
            IpAddr::V4(address) if prefix <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(address) & mask).into())
            }
            IpAddr::V6(address) if prefix <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(address) & mask).into())
            }
            _ => return Err(FORM),
        };
        if prefix == 0 {
            return Err(InvalidCidr("is every address: name the ranges that are to be denied"));
        }
        Ok(Self { address: cleared, prefix })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let data = rows.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (settings, invalid) = Settings::read(&data);
        (settings, invalid.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_unreadable_setting_leaves_the_others_valid() {
        assert_eq!(read(&[("version", "0.1.0")]), (Settings::default(), vec![]));
        let (settings, invalid) = read(&[
            ("ephemeral-storage", "2Gi"),
            ("deny-egress-to", "169.254.1.2/16,10.0.0.0/8,,nodes,169.254.0.0/16,fd00::1/128,0.0.0.0/0"),
        ]);
        let denied: Vec<String> = settings.deny_egress_to.iter().map(ToString::to_string).collect();
        assert_eq!(denied, ["10.0.0.0/8", "169.254.0.0/16", "fd00::1/128"]);
        assert_eq!(settings.ephemeral_storage.to_string(), "2Gi");
        assert_eq!(
            invalid,
            [
                "deny-egress-to is \"nodes\", which is not a range of addresses: use a form such as 169.254.0.0/16",
                "deny-egress-to is \"0.0.0.0/0\", which is every address: name the ranges that are to be denied",
            ]
        );
        for (text, why) in [("much", "is not a quantity"), ("0", "too small"), ("9223372036854775807", "too large")] {
            let (settings, invalid) = read(&[("ephemeral-storage", text)]);
            assert_eq!(settings, Settings::default(), "{text}");
            assert!(invalid[0].contains(why), "{invalid:?}");
        }
    }

    #[test]
    fn a_range_has_an_address_and_a_prefix() {
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "10.0.0/8",
            "::/129",
            "/8",
            "::/0",
            "::ffff:10.0.0.0/104",
        ] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad:?}");
        }
        assert_eq!("10.1.2.3/32".parse(), Ok(Cidr::of([10, 1, 2, 3].into())));
    }
}
