//! Parsers of the values of flags and arguments. They report every invalid value before the plugin connects.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use jiff::tz::TimeZone;

use cmp_core::account::{Variable, Want};
use cmp_core::data_disk::is_mount_path;
use cmp_core::name::{ClusterName, InstanceName, InvalidName, SnapshotName, TemplateName, UserName};
use cmp_core::plan::amounts::Amount;
use cmp_core::plan::create::Disk;
use cmp_core::plan::schedule::Moment;
use cmp_core::prices;
use cmp_core::quantity::Quantity;
use cmp_core::resources::{CPU, MEMORY, ResourceName};
use cmp_core::schedule;
use cmp_core::schedule::cron::Cron;
use cmp_core::settings::Cidr;
use cmp_core::template::is_reference;
use cmp_core::usage::price::{Price, Prices};
use cmp_core::vocabulary::InstanceType;

use crate::args::nouns::noun;
use crate::error::CliError;

/// The value of `--deny-egress-to` that stands for the addresses of all nodes.
pub(crate) const NODES: &str = "nodes";

/// A name that can carry its type: `cluster/web`.
pub(crate) trait Titled: FromStr<Err = InvalidName> {
    /// The type that the name belongs to, as in the table of nouns.
    const WHAT: &str;
}

impl Titled for ClusterName {
    const WHAT: &str = "a cluster";
}

impl Titled for InstanceName {
    const WHAT: &str = "an instance";
}

impl Titled for UserName {
    const WHAT: &str = "a user";
}

impl Titled for TemplateName {
    const WHAT: &str = "a template";
}

impl Titled for SnapshotName {
    const WHAT: &str = "a snapshot";
}

/// Parses a name, with or without its type. `in/0` is an instance of the cluster `in`, although `in` is a type as well.
pub(crate) fn name<N: Titled>(text: &str) -> Result<N, String> {
    if let Some(names) = several(text) {
        return Err(format!("write several names with spaces between them: {names}"));
    }
    let named = untitled(text, &[N::WHAT]);
    let named = named.and_then(|name| name.parse().map_err(|error: InvalidName| error.to_string()));
    named.or_else(|why| text.parse().map_err(|_| why))
}

/// Returns the names in a list with commas, as they should be written.
fn several(text: &str) -> Option<String> {
    let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    (names.len() > 1).then(|| names.join(" "))
}

/// Parses the name of a schedule, which is the name of its cluster.
pub(crate) fn scheduled(text: &str) -> Result<ClusterName, String> {
    let named = untitled(text, &[ClusterName::WHAT, "a schedule"])?;
    named.parse().map_err(|error: InvalidName| error.to_string())
}

/// Strips the type from a name: `cluster/web` means `web` where a cluster is expected. Returns an error where another
/// type is expected.
fn untitled<'a>(text: &'a str, expected: &[&str]) -> Result<&'a str, String> {
    let Some((word, name)) = text.split_once('/') else { return Ok(text) };
    match noun(word) {
        Some(noun) if expected.contains(&noun) => Ok(name),
        Some(noun) => Err(format!("expected {}, got {noun}", expected.join(" or "))),
        None => Ok(text),
    }
}

/// Parses the id of a token, which is the name that the API server gave its Secret.
pub(crate) fn token(text: &str) -> Result<String, String> {
    let id = untitled(text, &["a token"])?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if id.is_empty() || !id.bytes().all(plain) {
        return Err(format!("{id:?} is not the id of a token: `kubectl cmp get tokens USER` shows them"));
    }
    Ok(id.to_owned())
}

pub(crate) fn kind(text: &str) -> Result<InstanceType, String> {
    text.parse()
}

/// Parses an image. Kubernetes rejects some invalid images only when it creates the instances, after the quota was
/// taken.
pub(crate) fn image(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err(format!("{text:?} is not an image: use a form such as debian:stable-slim"));
    }
    Ok(text.to_owned())
}

/// Parses an image, or an empty text for the default image.
pub(crate) fn image_or_none(text: &str) -> Result<String, String> {
    match text {
        "" => Ok(String::new()),
        reference if is_reference(reference) => Ok(reference.to_owned()),
        wrong => Err(format!("{wrong:?} is not an image: use a form such as registry.example/cmp-webhook:0.1.0")),
    }
}

/// Parses a range of addresses, `nodes`, or an empty text for none.
pub(crate) fn denied(text: &str) -> Result<String, String> {
    if text.is_empty() || text == NODES {
        return Ok(text.to_owned());
    }
    if let Ok(address) = text.parse() {
        return Err(format!("{text} is one address: did you mean {}?", Cidr::of(address)));
    }
    let range: Result<Cidr, _> = text.parse();
    range.map(|range| range.to_string()).map_err(|error| format!("it {error}, or nodes"))
}

/// Parses an amount of `ephemeral-storage`, or an empty text for the default.
pub(crate) fn ephemeral_storage(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    cmp_core::settings::amount(text).map(|amount| amount.to_string()).map_err(|why| format!("it {why}"))
}

/// Parses a user name in a guest. The name cannot begin with a dash, because ssh would read it as a flag.
pub(crate) fn login(text: &str) -> Result<String, String> {
    let strange = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '@';
    if text.is_empty() || text.starts_with('-') || text.contains(strange) {
        return Err(format!("{text:?} is not the name of a user: use a form such as fedora"));
    }
    Ok(text.to_owned())
}

pub(crate) fn disk(text: &str) -> Result<Disk, String> {
    let (typed, path) = text.split_once(':').map_or((text, None), |(size, path)| (size, Some(path)));
    let size = quantity(typed)?;
    if size < Quantity::mebibytes(1) {
        return Err(match meant_size(typed) {
            Some(meant) => format!("{typed} is below 1Mi: a disk is counted in bytes, did you mean {meant}?"),
            None => format!("{typed} is below 1Mi: a disk is counted in bytes"),
        });
    }
    let size = whole_bytes(typed, size)?;
    let wrong = |path: &&str| {
        !path.starts_with('/') || *path == "/" || path.contains(':') || path.split('/').any(|part| part == "..")
    };
    if let Some(path) = path.filter(wrong) {
        return Err(format!("{path:?} is not a mount path: use a path such as /var/lib/postgresql"));
    }
    Ok(Disk { size, path: path.map(str::to_owned) })
}

/// Reads the size of the data disk of a VM, and the path at which it is mounted.
pub(crate) fn data_disk(text: &str) -> Result<Disk, String> {
    let disk = disk(text)?;
    if let Some(path) = disk.path.as_ref().filter(|path| !is_mount_path(path)) {
        return Err(format!("{path:?} is not a mount path: use letters, digits and \"-_./\", as in /var/lib/data"));
    }
    Ok(disk)
}

/// Checks that the flags would accept the values that a file gives for instances.
pub(crate) fn check(want: &Want) -> Result<(), String> {
    for variable in &want.env {
        self::variable(&format!("{}={}", variable.name, variable.value)).map_err(|why| format!("env: {why}"))?;
    }
    if want.ports.contains(&0) {
        return Err("ports: 0 is not a port: use a number from 1 to 65535".to_owned());
    }
    if let Some(image) = &want.image {
        self::image(image).map_err(|why| format!("image: {why}"))?;
    }
    if let Some(path) = &want.disk {
        disk(&format!("1Gi:{path}")).map_err(|why| format!("disk: {why}"))?;
    }
    if let Some(path) = &want.data_disk {
        data_disk(&format!("1Gi:{path}")).map_err(|why| format!("dataDisk: {why}"))?;
    }
    Ok(())
}

/// Parses an environment variable in the form that every Kubernetes since 1.30 accepts.
pub(crate) fn variable(text: &str) -> Result<Variable, String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no value: use a form such as MODE=fast"))?;
    let start = |char: char| char.is_ascii_alphabetic() || "_.-".contains(char);
    if !name.starts_with(start) || !name.chars().all(|char| start(char) || char.is_ascii_digit()) {
        return Err(format!("{name:?} is not the name of a variable: use letters, digits and '_', such as MODE"));
    }
    Ok(Variable { name: name.to_owned(), value: value.to_owned() })
}

pub(crate) fn port(text: &str) -> Result<u16, String> {
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("{text:?} is not a port: use a number from 1 to 65535")),
    }
}

/// Returns a parser of whole numbers in a range.
pub(crate) fn whole<N>(range: RangeInclusive<i64>) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: TryFrom<i64>,
{
    move |text| {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("it is not a whole number".to_owned());
        }
        let number = text.parse().ok().filter(|number| range.contains(number));
        let outside = || format!("{text} is not from {} to {}", range.start(), range.end());
        number.and_then(|number: i64| N::try_from(number).ok()).ok_or_else(outside)
    }
}

pub(crate) fn quantity(text: &str) -> Result<Quantity, String> {
    if text.starts_with('+') {
        return Err(format!("{text} is not an amount: give the total amount"));
    }
    let quantity: Quantity = text.parse().map_err(|error: cmp_core::quantity::InvalidQuantity| match meant(text) {
        Some(meant) => format!("{text:?} is not a quantity; did you mean {meant}?"),
        None => error.to_string(),
    })?;
    if quantity.is_zero() || quantity.is_negative() {
        return Err("it must be above 0".to_owned());
    }
    Ok(quantity)
}

/// Returns the quantity that an invalid spelling most likely means: `4GB`, `4 Gi`, `1,5`.
fn meant(text: &str) -> Option<String> {
    let text = text.replace(' ', "").replace(',', ".");
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
    let (number, unit) = text.split_at(digits);
    let unit = match unit.to_ascii_lowercase().as_str() {
        "" => "",
        "k" | "kb" | "ki" | "kib" => "Ki",
        "mb" | "mi" | "mib" => "Mi",
        "g" | "gb" | "gi" | "gib" => "Gi",
        "t" | "tb" | "ti" | "tib" => "Ti",
        _ => return None,
    };
    let meant = format!("{number}{unit}");
    meant.parse::<Quantity>().is_ok().then_some(meant)
}

pub(crate) fn memory(text: &str) -> Result<Quantity, String> {
    let memory = quantity(text)?;
    if let Some(meant) = meant_size(text).filter(|_| memory < Quantity::mebibytes(1)) {
        let unit = if text == "1" { "byte" } else { "bytes" };
        return Err(match text.strip_suffix('m') {
            Some(_) => format!("{text} is below 1Mi, since m is a thousandth of a byte; did you mean {meant}?"),
            None => format!("{text} is {text} {unit}; did you mean {meant}?"),
        });
    }
    if memory < Quantity::mebibytes(1) {
        return Err(format!("{text} is below 1Mi, the minimum of an instance"));
    }
    whole_bytes(text, memory)
}

/// Returns the size that a number of a few bytes most likely means: `64` is 64Gi, `1024` and `500m` are mebibytes.
fn meant_size(text: &str) -> Option<String> {
    const MOST_GIBIBYTES: u64 = 128;
    let (digits, thousandths) = text.strip_suffix('m').map_or((text, false), |digits| (digits, true));
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = digits.parse().ok().filter(|_| plain)?;
    let unit = if thousandths || number > MOST_GIBIBYTES { "Mi" } else { "Gi" };
    Some(format!("{digits}{unit}"))
}

/// Checks that a size is a whole number of bytes. The error names the nearest mebibytes.
fn whole_bytes(text: &str, size: Quantity) -> Result<Quantity, String> {
    if size.is_multiple_of(Quantity::whole(1)) {
        return Ok(size);
    }
    let mebibyte = Quantity::mebibytes(1).nanos();
    let nearest = size.nanos().saturating_add(mebibyte / 2) / mebibyte;
    Err(format!("{text} is not a whole number of bytes: write {nearest}Mi"))
}

pub(crate) fn count(text: &str) -> Result<u32, String> {
    if text.starts_with('+') {
        return Err(format!("{text} is not a number of instances: give the total number"));
    }
    match text.parse::<u32>() {
        Ok(0) => Err("0 is below 1: use 1 or more, or suspend or delete the cluster".to_owned()),
        Ok(count) if count <= cmp_core::name::MAX_COUNT => Ok(count),
        Ok(_) => {
            Err(format!("{text} is more than the {} instances that a cluster can have", cmp_core::name::MAX_COUNT))
        }
        Err(_) => Err(format!("{text} is not a whole number from 1 to {}", cmp_core::name::MAX_COUNT)),
    }
}

pub(crate) fn amount(text: &str) -> Result<Amount, String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no amount: use a form such as nvidia.com/gpu=1"))?;
    let name: ResourceName =
        name.parse().map_err(|error: cmp_core::resources::InvalidResourceName| error.to_string())?;
    if [CPU, MEMORY].contains(&name.as_str()) {
        return Err(format!("{name} has its own flag: use --{name} {value}"));
    }
    Ok((name, quantity(value)?))
}

/// Parses the name of a time zone in the IANA database.
pub(crate) fn zone(text: &str) -> Result<TimeZone, String> {
    schedule::zone(text).map_err(|_| format!("{text:?} is not a time zone: use a form such as Europe/Berlin, or UTC"))
}

/// The price of one hour of one resource: `cpu=0.03`.
#[derive(Debug, Clone)]
pub(crate) struct Priced {
    name: ResourceName,
    price: Price,
}

pub(crate) fn priced(text: &str) -> Result<Priced, String> {
    let (name, price) =
        text.split_once('=').ok_or_else(|| format!("{text:?} has no price: use a form such as cpu=0.03"))?;
    let name = name.parse().map_err(|error: cmp_core::resources::InvalidResourceName| error.to_string())?;
    let price = self::price(price)?;
    Ok(Priced { name, price })
}

/// Parses the price of one hour.
pub(crate) fn price(text: &str) -> Result<Price, String> {
    text.parse().map_err(|error: cmp_core::usage::price::InvalidPrice| error.to_string())
}

/// Collects the prices of a flag in a map. Returns an error if a resource is given twice.
pub(crate) fn with_prices(flag: &str, prices: Vec<Priced>) -> Result<Prices, CliError> {
    let mut map = Prices::new();
    for Priced { name, price } in prices {
        if map.contains_key(&name) {
            return Err(CliError::user(format!("{flag} {name} is given twice")).hint("give each price once"));
        }
        map.insert(name, price);
    }
    Ok(map)
}

/// Parses a currency. The text appears in the headers of columns.
pub(crate) fn currency(text: &str) -> Result<String, String> {
    prices::check_currency(text).map(|()| text.to_owned())
}

/// Parses a duration in Go's form: `90s`, `1m30s`, `720h`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || match text.parse::<u64>() {
        Ok(_) => format!("{text:?} has no unit: use {text}s, {text}m or {text}h"),
        Err(_) => format!("{text:?} is not a duration: use a form such as 30s, 5m or 24h"),
    };
    let read: kube::core::Duration = text.parse().map_err(|_| wrong())?;
    if read.is_negative() { Err(wrong()) } else { Ok(read.into()) }
}

/// Checks a duration, and returns it as kubectl reads it.
pub(crate) fn for_kubectl(text: &str) -> Result<String, String> {
    duration(text).map(|_| text.to_owned())
}

/// Parses the time for which `--for` changes a state: above 0, at most 366 days.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_hours(24 * 366);
    let span = duration(text)?;
    if span.is_zero() || span > MOST {
        return Err("it must be above 0 and at most one year".to_owned());
    }
    Ok(span)
}

/// Checks one cron line of a schedule, and returns it unchanged.
pub(crate) fn cron(text: &str) -> Result<String, String> {
    Cron::read(text).map(|_| text.to_owned()).map_err(|why| format!("it {why}"))
}

/// Checks the name of a time zone, and returns it unchanged.
pub(crate) fn time_zone(text: &str) -> Result<String, String> {
    schedule::zone(text).map(|_| text.to_owned()).map_err(|invalid| format!("it {}", invalid.why))
}

pub(crate) fn moment(text: &str) -> Result<Moment, String> {
    let at = text.parse().map(Moment::At);
    at.or_else(|_| text.parse().map(Moment::Wall)).map_err(|_| {
        format!("{text:?} is not a time: use a form such as 2027-01-04, 2027-01-04T08:00 or 2027-01-04T08:00:00Z")
    })
}

/// Parses the lifetime of a token, within the limits of Kubernetes. The check runs here, so that no user is created for
/// a token that Kubernetes would refuse.
pub(crate) fn lifetime(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_mins(10);
    const MOST: Duration = Duration::from_secs(1 << 32);
    let lifetime = duration(text)?;
    if (LEAST..=MOST).contains(&lifetime) {
        Ok(lifetime)
    } else {
        Err(format!("the lifetime of a token must be from 10 minutes to {} hours", MOST.as_secs() / 3600))
    }
}

/// Parses a request timeout. A bare number means seconds, as in kubectl.
pub(crate) fn request_timeout(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) => Ok(Duration::from_secs(seconds)),
        Err(_) => duration(text),
    }
}

/// Parses the address of a process, or an empty text for none.
pub(crate) fn webhook_url(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let url: Result<http::Uri, _> = text.parse();
    match url {
        Ok(url) if url.scheme_str() == Some("https") && url.host().is_some() => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        _ => Err(format!("{text:?} is not an address: use a form such as https://localhost:8443")),
    }
}

#[cfg(test)]
mod tests {
    use cmp_core::plan::amounts::{with_changes, with_more};
    use cmp_core::resources::Resources;

    use super::*;

    #[test]
    fn a_name_may_have_its_own_type_as_a_prefix() {
        assert_eq!(name::<ClusterName>("cluster/web").unwrap().as_str(), "web");
        assert_eq!(name::<InstanceName>("instance/web-0").unwrap().to_string(), "web-0");
        assert_eq!(name::<InstanceName>("web/0").unwrap().to_string(), "web-0");
        assert_eq!(name::<ClusterName>("user/web").unwrap_err(), "expected a cluster, got a user");
        assert_eq!(name::<InstanceName>("cluster/web-0").unwrap_err(), "expected an instance, got a cluster");
        assert_eq!(name::<InstanceName>("in/web-0").unwrap().to_string(), "web-0");
        assert_eq!(name::<InstanceName>("in/0").unwrap().to_string(), "in-0");
        assert_eq!(name::<InstanceName>("cl/1").unwrap().to_string(), "cl-1");
        assert_eq!(scheduled("sched/web").unwrap().as_str(), "web");
        assert_eq!(scheduled("cl/web").unwrap().as_str(), "web");
        assert!(scheduled("user/web").is_err() && name::<ClusterName>("sched/web").is_err());
        assert!(name::<ClusterName>("pod/web").is_err());
        let several = "write several names with spaces between them: web db";
        assert_eq!(name::<ClusterName>("web,db").unwrap_err(), several);
        assert_eq!(name::<ClusterName>("web, db,").unwrap_err(), several);
        assert!(!name::<ClusterName>("web,").unwrap_err().contains("several"));
        assert_eq!(token("token/john-x1").unwrap(), "john-x1");
        assert!(token("").is_err() && token("../x").is_err());
    }

    #[test]
    fn a_memory_of_a_few_bytes_is_refused_with_the_likely_meaning() {
        assert_eq!(memory("64").unwrap_err(), "64 is 64 bytes; did you mean 64Gi?");
        assert!(memory("100m").unwrap_err().contains("below 1Mi"));
        assert!(memory("500m").unwrap_err().ends_with("did you mean 500Mi?"));
        assert_eq!(memory("1024").unwrap_err(), "1024 is 1024 bytes; did you mean 1024Mi?");
        assert_eq!(memory("3.999Gi").unwrap_err(), "3.999Gi is not a whole number of bytes: write 4095Mi");
        assert_eq!(memory("1.1Gi").unwrap_err(), "1.1Gi is not a whole number of bytes: write 1126Mi");
        assert!(memory("1.5Gi").is_ok() && memory("1000000000").is_ok() && memory("4k").is_err());
        assert_eq!(memory("4Gi").unwrap().to_string(), "4Gi");
    }

    #[test]
    fn a_nearly_right_value_is_answered_with_the_likely_meaning() {
        let check = |text: &str, expected: &str| {
            assert_eq!(memory(text).unwrap_err(), format!("{text:?} is not a quantity; did you mean {expected}?"));
        };
        check("4GB", "4Gi");
        check("4gi", "4Gi");
        check("4 Gi", "4Gi");
        check("1,5Gi", "1.5Gi");
        check("512mb", "512Mi");
        assert!(memory("much").unwrap_err().contains("write a number"));
        assert!(quantity("1,5,2").unwrap_err().contains("write a number"));
        assert!(count("+1").unwrap_err().contains("give the total number"));
        assert_eq!(quantity("+4").unwrap_err(), "+4 is not an amount: give the total amount");
        assert_eq!(duration("10").unwrap_err(), "\"10\" has no unit: use 10s, 10m or 10h");
    }

    #[test]
    fn a_resource_is_given_once_and_in_one_place() {
        assert_eq!(amount("cpu=2").unwrap_err(), "cpu has its own flag: use --cpu 2");
        let base = || Resources::new("1".parse().unwrap(), "1Gi".parse().unwrap());
        let changed = with_changes(base(), None, Some("2Gi".parse().unwrap()), &[amount("a.b/c=1").unwrap()]);
        assert_eq!(changed.ok().map(|all| all.to_string()).as_deref(), Some("a.b/c=1,cpu=1,memory=2Gi"));
        let more = |texts: &[&str]| {
            let amounts: Vec<Amount> = texts.iter().map(|text| amount(text).unwrap()).collect();
            with_more(base(), &amounts)
        };
        assert!(
            CliError::from(more(&["a.b/c=1", "a.b/c=1"]).unwrap_err())
                .text()
                .starts_with("error: --resource a.b/c is given twice\n")
        );
        assert_eq!(more(&["a.b/c=1"]).unwrap().to_string(), "a.b/c=1,cpu=1,memory=1Gi");
    }

    #[test]
    fn a_token_lives_as_long_as_kubernetes_lets_it() {
        assert!(lifetime("9m59s").is_err() && lifetime("0s").is_err());
        assert!(lifetime("10m").is_ok());
        assert!(lifetime("99999999h").unwrap_err().contains("from 10 minutes to 1193046 hours"));
    }

    #[test]
    fn a_disk_has_a_size_and_a_place() {
        let read = |text: &str| disk(text).map(|disk| (disk.size.to_string(), disk.mount_path()));
        assert_eq!(read("10Gi").unwrap(), ("10Gi".to_owned(), "/data".to_owned()));
        assert_eq!(read("1Gi:/var/lib/db").unwrap().1, "/var/lib/db");
        assert_eq!(read("10").unwrap_err(), "10 is below 1Mi: a disk is counted in bytes, did you mean 10Gi?");
        assert!(read("500m").unwrap_err().ends_with("did you mean 500Mi?"));
        assert!(read("1.0001Gi").unwrap_err().ends_with("write 1024Mi"));
        for wrong in ["10Gi:", "10Gi:data", "10Gi:/", "10Gi:/a:/b", "10Gi:/a/../..", ":/data", "0", "much"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_variable_has_a_name_and_a_port_is_a_number() {
        let named = |text: &str| variable(text).map(|variable| (variable.name, variable.value));
        assert_eq!(named("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert_eq!(named("A=").unwrap().1, "");
        for wrong in ["A", "=x", "1A=x", "A B=x", "Ä=x"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
        assert_eq!(port("8080"), Ok(8080));
        assert!(port("0").is_err() && port("65536").is_err() && port("http").is_err());
    }

    #[test]
    fn a_whole_number_is_in_its_range() {
        let read = whole::<u16>(1..=100);
        assert_eq!((read("1"), read("100"), read("007")), (Ok(1), Ok(100), Ok(7)));
        for outside in ["0", "-1", "101", "65537", "99999999999999999999"] {
            assert_eq!(read(outside), Err(format!("{outside} is not from 1 to 100")));
        }
        for wrong in ["", "-", "many", "1.5", "0x10", "1 "] {
            assert_eq!(read(wrong), Err("it is not a whole number".to_owned()), "{wrong:?}");
        }
        assert_eq!(whole::<u8>(0..=300)("256"), Err("256 is not from 0 to 300".to_owned()));
    }

    #[test]
    fn an_image_is_more_than_nothing() {
        assert!(image("").is_err() && image("a b").is_err());
        assert!(image("debian:stable-slim").is_ok());
        assert!(image_or_none("").is_ok() && image_or_none("registry.example/cmp-webhook:0.1.0").is_ok());
        assert!(image_or_none("bad:::x").is_err() && image_or_none("a b").is_err());
    }

    #[test]
    fn a_login_is_no_flag_of_ssh() {
        for wrong in ["", "-oProxyCommand=sh", "john@host", "a b", "a\nb"] {
            assert!(login(wrong).is_err(), "{wrong:?}");
        }
        assert!(login("cloud-user").is_ok());
    }
}
