//! The flags of `install`: those given now, and those of the last install.
//!
//! The ConfigMap of the installed version stores them as JSON. Everyone can read it, and only administrators can write
//! it. Stored flags are parsed as if they were typed, so that no value gets in that a flag would refuse.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Command, FromArgMatches};
use kube::Client;
use serde::Serialize;
use serde_json::Value;

use cmp_client::settings;
use cmp_core::keys;

use crate::args::values::{NODES, denied, ephemeral_storage, image_or_none, webhook_url, whole};
use crate::commands::install::image::Usual;
use crate::commands::shared::versions::OURS;
use crate::error::CliError;
use crate::manifests::Manifest;
use crate::usage_error;

/// Ranges of `--deny-egress-to` without a value: the metadata services of clouds, and the nodes.
const DENIED: [&str; 3] = ["169.254.0.0/16", "fd00:ec2::254/128", NODES];

/// Flags of `install` that define the installation. The cluster remembers them under their names. A remembered flag
/// also holds for the next `install`, unless that one gives it anew.
///
/// This struct is the only place that a new flag needs. A flag is an `Option`, or a list with a delimiter, so that a
/// flag that was not given differs from a default. An empty text or `false` removes a remembered flag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct InstallFlags {
    /// The image of cmp-webhook
    #[arg(long, value_name = "IMAGE", value_parser = image_or_none)]
    pub(crate) image: Option<String>,
    /// The number of replicas of cmp-webhook [default: 2]
    #[arg(long, value_name = "N", value_parser = whole::<u16>(1..=100), allow_negative_numbers = true)]
    pub(crate) replicas: Option<u16>,
    /// URL of a process outside the cluster to call instead of the Deployment (development): https://HOST:PORT
    #[arg(long, value_name = "URL", value_parser = webhook_url, conflicts_with_all = ["image", "replicas"])]
    pub(crate) webhook_url: Option<String>,
    /// Use a certificate from cert-manager
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) cert_manager: Option<bool>,
    /// Add metrics and alerts for the Prometheus operator
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) prometheus: Option<bool>,
    /// Record the states of instances and their durations in a volume
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", hide_possible_values = true)]
    pub(crate) mirror: Option<bool>,
    /// Space on a node's disk that a container can use if the size does not name it [default: 10Gi]
    #[arg(long, value_name = "QUANTITY", value_parser = ephemeral_storage)]
    pub(crate) ephemeral_storage: Option<String>,
    /// Address ranges that instances cannot connect to, and `nodes` for the addresses of all nodes; without a value
    /// `169.254.0.0/16,fd00:ec2::254/128,nodes`
    #[arg(long, value_name = "CIDR,...", value_delimiter = ',', num_args = 0.., default_missing_values = DENIED, value_parser = denied)]
    pub(crate) deny_egress_to: Vec<String>,
}

/// Flags by name, with the values that were given.
type FlagValues = BTreeMap<String, Value>;

/// The stored result of the last `install`.
#[derive(Debug, Default)]
pub(super) struct Last {
    flags: FlagValues,
    version: Option<String>,
    /// Whether to forget the flags.
    reset: bool,
}

/// The flags in force, and how they were determined.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) flags: InstallFlags,
    /// Messages about these flags for the user.
    pub(super) notes: Vec<String>,
}

/// Reads the result of the last `install`. It is empty without an installation, or after a version that stored no
/// flags.
pub(super) async fn last(client: &Client, reset: bool) -> Result<Last, CliError> {
    let mut data = settings::installed(client).await?;
    let version = data.remove(keys::INSTALLED_VERSION_KEY);
    let flags = match data.remove(keys::INSTALLED_FLAGS_KEY).map(|text| serde_json::from_str(&text)) {
        Some(Ok(flags)) => flags,
        Some(Err(error)) if !reset => return Err(unusable(&error.to_string())),
        _ => FlagValues::new(),
    };
    Ok(Last { flags, version, reset })
}

/// Builds the error for stored flags that are unusable, with the ways out.
fn unusable(why: &str) -> CliError {
    CliError::user(format!(
        "the flags of the last install cannot be used (configmap/{} in {}): {why}",
        keys::INSTALLED_VERSION,
        keys::TEMPLATES_NAMESPACE
    ))
    .hint("`kubectl cmp install --reset-flags` with the flags that you want")
}

/// Returns a clap command that has only these flags.
fn command() -> Command {
    InstallFlags::augment_args(Command::new("install").no_binary_name(true))
}

/// Returns the given flags, including those that remove a stored flag.
fn flag_values(flags: &InstallFlags) -> Result<FlagValues, CliError> {
    let value = serde_json::to_value(flags).map_err(|error| CliError::internal(&error.to_string()))?;
    let said: FlagValues = serde_json::from_value(value).map_err(|error| CliError::internal(&error.to_string()))?;
    Ok(said.into_iter().filter(|(_, value)| !value.is_null() && *value != Value::Array(Vec::new())).collect())
}

/// Reports whether a value removes the flag.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(values) => values.iter().all(is_nothing),
        _ => false,
    }
}

/// Reports whether a list has an empty value beside others, which is a typing error.
fn has_gap(value: &Value) -> bool {
    value.as_array().is_some_and(|values| values.iter().any(is_nothing) && !is_nothing(value))
}

/// Formats a flag as it is typed.
fn typed((name, value): (&String, &Value)) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Bool(true) => format!("--{name}"),
        Value::Array(values) => format!("--{name}={}", values.iter().map(text).collect::<Vec<_>>().join(",")),
        value => format!("--{name}={}", text(value)),
    }
}

/// Merges the given flags with the stored flags that they do not displace.
pub(super) fn settle(last: &Last, given: &InstallFlags) -> Result<Settled, CliError> {
    let (command, given) = (command(), flag_values(given)?);
    if let Some((name, _)) = given.iter().find(|(_, value)| has_gap(value)) {
        return Err(CliError::user(format!("--{name} has an empty value between its commas"))
            .hint(format!("write one comma between two values; --{name} '' alone removes the flag")));
    }
    let argument = |name: &str| command.get_arguments().find(|argument| argument.get_long() == Some(name));
    let remembered = || last.flags.iter().filter(|_| !last.reset);
    if let Some((name, _)) = remembered().find(|(name, _)| argument(name).is_none()) {
        let version = last.version.as_deref().unwrap_or("another version");
        return Err(unusable(&format!("--{name} is unknown to this plugin, which is v{OURS}"))
            .hint(format!("or use the plugin that installed it: {version}")));
    }
    let displaced = |name: &str| {
        let is = |one: &clap::Arg, other: &str| {
            command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_long() == Some(other))
        };
        given.iter().filter(|(_, value)| !is_nothing(value)).any(|(flag, _)| {
            argument(flag).is_some_and(|flag| is(flag, name)) || argument(name).is_some_and(|name| is(name, flag))
        })
    };
    let mut used = Vec::new();
    let mut flags = given.clone();
    for (name, value) in remembered().filter(|(name, _)| !given.contains_key(*name) && !displaced(name)) {
        // An image belongs to one version. The stored image would undo an upgrade.
        if name == "image" && last.version.as_deref() != Some(OURS) {
            let was = last.version.as_deref().unwrap_or("another version");
            return Err(CliError::user(format!(
                "--image is unknown for v{OURS}: the last install used {} for {was}",
                typed((name, value))
            ))
            .hint(format!("name the image: --image IMAGE, or --image '' for {}", Usual::of_this_build().name())));
        }
        used.push(typed((name, value)));
        flags.insert(name.clone(), value.clone());
    }
    flags.retain(|_, value| !is_nothing(value));
    let mut notes = changes(&last.flags, &flags);
    if !used.is_empty() {
        notes.insert(0, format!("using flags of the last install: {}", used.join(" ")));
    }
    let words = flags.iter().map(typed);
    let read = command.clone().try_get_matches_from(words).and_then(|matches| InstallFlags::from_arg_matches(&matches));
    let flags = read.map_err(|error| unusable(&usage_error::message(&error)))?;
    Ok(Settled { flags, notes })
}

/// Lists the changes since the last install, one line for each flag.
fn changes(last: &FlagValues, now: &FlagValues) -> Vec<String> {
    let names: BTreeSet<&String> = last.keys().chain(now.keys()).filter(|_| !last.is_empty()).collect();
    let change = |name: &String| match (last.get(name), now.get(name)) {
        (Some(was), Some(is)) if was == is => None,
        (Some(was), Some(is)) => Some(format!("{}, was {}", typed((name, is)), typed((name, was)))),
        (Some(was), None) => Some(format!("without {}", typed((name, was)))),
        (None, Some(is)) => Some(format!("{}, was not given", typed((name, is)))),
        (None, None) => None,
    };
    names.into_iter().filter_map(change).map(|change| format!("changed since the last install: {change}")).collect()
}

/// Stores the flags for the next install, in the ConfigMap of the installed version.
pub(super) fn remember(version: &mut [Manifest], flags: &InstallFlags) -> Result<(), CliError> {
    let said = flag_values(flags)?;
    if said.is_empty() {
        return Ok(());
    }
    let text = serde_json::to_string(&said).map_err(|error| CliError::internal(&error.to_string()))?;
    for manifest in version {
        manifest.object.data["data"][keys::INSTALLED_FLAGS_KEY] = Value::from(text.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(words: &[&str]) -> InstallFlags {
        InstallFlags::from_arg_matches(&command().try_get_matches_from(words).unwrap()).unwrap()
    }

    fn last(flags: &Value) -> Last {
        Last { flags: serde_json::from_value(flags.clone()).unwrap(), version: Some(OURS.to_owned()), reset: false }
    }

    /// Returns the flags in force as they are stored, and the messages about them.
    fn settled(before: &Value, words: &[&str]) -> (Value, Vec<String>) {
        let Settled { flags, notes } = settle(&last(before), &given(words)).unwrap();
        (json!(flag_values(&flags).unwrap()), notes)
    }

    #[test]
    fn a_flag_that_is_not_given_keeps_its_value() {
        let url = json!({ "webhook-url": "https://localhost:8443", "mirror": true });
        assert_eq!(
            settled(&url, &[]),
            (
                url.clone(),
                vec!["using flags of the last install: --mirror --webhook-url=https://localhost:8443".to_owned()]
            )
        );
        assert_eq!(settled(&json!({}), &["--replicas", "3"]), (json!({ "replicas": 3 }), Vec::new()));
        assert_eq!(settled(&json!({}), &[]), (json!({}), Vec::new()));
        let (flags, notes) = settled(&json!({ "replicas": 3, "mirror": true }), &["--replicas", "2"]);
        assert_eq!(flags, json!({ "replicas": 2, "mirror": true }));
        assert_eq!(
            notes,
            [
                "using flags of the last install: --mirror",
                "changed since the last install: --replicas=2, was --replicas=3"
            ]
        );
    }

    #[test]
    fn a_flag_can_be_taken_away() {
        let before = json!({ "mirror": true, "prometheus": true, "image": "registry/cmp:1" });
        let (flags, notes) = settled(&before, &["--mirror=false", "--image", ""]);
        assert_eq!(flags, json!({ "prometheus": true }));
        assert_eq!(
            notes,
            [
                "using flags of the last install: --prometheus",
                "changed since the last install: without --image=registry/cmp:1",
                "changed since the last install: without --mirror"
            ]
        );
        assert_eq!(settled(&json!({ "webhook-url": "https://a:1" }), &["--webhook-url", ""]).0, json!({}));
    }

    #[test]
    fn a_list_has_no_empty_value_beside_others() {
        for gap in ["10.0.0.0/8,,nodes", ",nodes", "nodes,"] {
            let refused = settle(&last(&json!({})), &given(&["--deny-egress-to", gap])).unwrap_err().text();
            assert!(
                refused.starts_with("error: --deny-egress-to has an empty value between its commas\n"),
                "{refused}"
            );
        }
        let before = json!({ "deny-egress-to": ["nodes"] });
        assert_eq!(settled(&before, &["--deny-egress-to", ""]).0, json!({}));
        assert_eq!(settled(&before, &["--deny-egress-to", "10.0.0.0/8,nodes"]).0["deny-egress-to"][1], "nodes");
    }

    #[test]
    fn all_can_be_forgotten() {
        let last = Last { reset: true, ..last(&json!({ "later": "x", "image": "registry/cmp:1", "replicas": 3 })) };
        let Settled { flags, notes } = settle(&last, &given(&["--replicas", "3"])).unwrap();
        assert_eq!(json!(flag_values(&flags).unwrap()), json!({ "replicas": 3 }));
        assert_eq!(
            notes,
            [
                "changed since the last install: without --image=registry/cmp:1",
                "changed since the last install: without --later=x"
            ]
        );
    }

    #[test]
    fn a_given_flag_removes_remembered_flags_that_conflict() {
        let service = json!({ "image": "registry/cmp:1", "replicas": 3, "mirror": true });
        let (flags, _) = settled(&service, &["--webhook-url", "https://localhost:8443"]);
        assert_eq!(flags, json!({ "mirror": true, "webhook-url": "https://localhost:8443" }));
        let url = json!({ "webhook-url": "https://localhost:8443" });
        assert_eq!(settled(&url, &["--replicas", "3"]).0, json!({ "replicas": 3 }));
    }

    #[test]
    fn remembered_flags_that_cannot_be_used_are_refused_with_a_remedy() {
        let refused = |before: &Value, version: Option<&str>, words: &[&str]| {
            let last = Last { version: version.map(str::to_owned), ..last(before) };
            settle(&last, &given(words)).unwrap_err().text()
        };
        let newer = refused(&json!({ "later": "x" }), Some("0.9.0"), &[]);
        assert!(newer.contains("--later is unknown to this plugin") && newer.contains("0.9.0"), "{newer}");
        assert!(newer.contains("--reset-flags"), "{newer}");
        for (damaged, why) in [
            (json!({ "replicas": 1000 }), "1000 is not from 1 to 100"),
            (json!({ "replicas": "many" }), "not a whole number"),
            (json!({ "webhook-url": "http://a" }), "is not an address"),
            (json!({ "mirror": "maybe" }), "maybe"),
            (json!({ "image": "a b" }), "is not an image"),
        ] {
            let refused = refused(&damaged, Some(OURS), &[]);
            assert!(refused.contains(why) && refused.contains("--reset-flags"), "{refused}");
        }
        let older = refused(&json!({ "image": "registry/cmp:0.0.1" }), Some("0.0.1"), &["--mirror"]);
        assert!(older.contains("the last install used --image=registry/cmp:0.0.1 for 0.0.1"), "{older}");
        let image = ["--image", "registry/cmp:2"];
        let last = Last { version: Some("0.0.1".to_owned()), ..last(&json!({ "image": "registry/cmp:0.0.1" })) };
        assert_eq!(settle(&last, &given(&image)).unwrap().flags.image.as_deref(), Some("registry/cmp:2"));
    }

    #[test]
    fn every_flag_can_be_left_out_remembered_and_taken_away() {
        assert_eq!(flag_values(&given(&[])).unwrap(), FlagValues::new());
        for argument in command().get_arguments().filter(|argument| argument.get_long() != Some("help")) {
            let name = argument.get_long().unwrap();
            assert!(argument.get_default_values().is_empty(), "--{name} has a default, so that it is always given");
            assert!(
                serde_json::to_value(InstallFlags::default()).unwrap().get(name).is_some(),
                "--{name} is not stored"
            );
        }
    }
}
