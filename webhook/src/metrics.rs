//! Metrics of the process. Label values are our own words, never a user's text, so that their number is limited.
//! Every value is exported from the start with 0, as Prometheus advises. `docs/OPERATIONS.md` lists all metrics.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The decisions about a change of an account or a template. A refusal has the reason of its
/// [`cmp_core::verdict::Denial`].
const DECISIONS: [&str; 11] = [
    "Allowed",
    "BadTemplate",
    "BeingDeleted",
    "Invalid",
    "Newer",
    "NotInQuota",
    "NotSettled",
    "OverQuota",
    "TypeIsFixed",
    "UnknownResource",
    "Unreadable",
];

/// The steps that write something, as [`crate::controller::act::name`] names them.
const STEPS: [&str; 13] = [
    "account",
    "adopt",
    "bind",
    "bind_schedule",
    "create_namespace",
    "forget",
    "lower",
    "lower_deleted",
    "open",
    "remove_namespace",
    "remove_quota",
    "unbind_schedule",
    "write",
];

/// The reason of a failure that is a conflict with another writer.
pub const CONFLICT: &str = "conflict";
/// The reason of a failure to read a cluster and its account.
pub const READ: &str = "read";

/// The result of a scheduled transition that could not be carried out or recorded.
pub const ERROR: &str = "error";
/// The result of a scheduled transition that failed for some instances, and of an Event that could not be written.
pub const FAILED: &str = "failed";
/// The result of an Event that was not queued, because the queue was full.
pub const DROPPED: &str = "dropped";
/// The result of an Event of a cluster that has had its share.
pub const LIMITED: &str = "limited";
/// The result of an Event that was written.
pub const WRITTEN: &str = "written";
/// All results of Events.
const TOLD: [&str; 4] = [DROPPED, FAILED, LIMITED, WRITTEN];

/// All results of scheduled transitions.
const RESULTS: [&str; 4] = [ERROR, FAILED, "resumed", "suspended"];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Decision {
    decision: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Step {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RunResult {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildInfo {
    version: &'static str,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    decisions: Family<Decision, Counter>,
    decision_seconds: Histogram,
    steps: Family<Step, Counter>,
    failures: Family<Reason, Counter>,
    transitions: Family<RunResult, Counter>,
    events: Family<RunResult, Counter>,
    damaged: Gauge,
    certificate_expiry: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cmp");
        let decisions = Family::<Decision, Counter>::default();
        registry.register(
            "admission_requests",
            "Changes of accounts and templates that cmp-webhook allowed or refused",
            decisions.clone(),
        );
        let decision_seconds = Histogram::new(exponential_buckets(0.000_01, 4.0, 10));
        registry.register_with_unit(
            "admission_duration",
            "Time to decide one change of an account or a template",
            Unit::Seconds,
            decision_seconds.clone(),
        );
        let steps = Family::<Step, Counter>::default();
        registry.register("controller_steps", "Steps of the controllers that succeeded", steps.clone());
        let failures = Family::<Reason, Counter>::default();
        registry.register(
            "controller_failures",
            "Steps of the controllers that failed and are retried; the reason is the step, a conflict or a failed read",
            failures.clone(),
        );
        let transitions = Family::<RunResult, Counter>::default();
        registry.register(
            "schedule_transitions",
            "Scheduled transitions that were carried out or tried",
            transitions.clone(),
        );
        let events = Family::<RunResult, Counter>::default();
        registry.register(
            "events",
            "Events about clusters that were written, refused, above the share of their cluster, or dropped",
            events.clone(),
        );
        let damaged = Gauge::default();
        registry.register("accounts_damaged", "Accounts that cannot be read", damaged.clone());
        let certificate_expiry = Gauge::default();
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "Time at which the serving certificate expires, in seconds since 1970",
            certificate_expiry.clone(),
        );
        let build = Family::<BuildInfo, Gauge>::default();
        build.get_or_create(&BuildInfo { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "Version of cmp-webhook; the value is always 1", build);
        for decision in DECISIONS {
            drop(decisions.get_or_create(&Decision { decision }));
        }
        for step in STEPS {
            drop(steps.get_or_create(&Step { step }));
        }
        for reason in [CONFLICT, READ].into_iter().chain(STEPS) {
            drop(failures.get_or_create(&Reason { reason }));
        }
        for result in RESULTS {
            drop(transitions.get_or_create(&RunResult { result }));
        }
        for result in TOLD {
            drop(events.get_or_create(&RunResult { result }));
        }
        Self {
            registry,
            decisions,
            decision_seconds,
            steps,
            failures,
            transitions,
            events,
            damaged,
            certificate_expiry,
        }
    }
}

impl Metrics {
    /// Counts a decision about a change of an account or a template.
    pub fn judged(&self, decision: &'static str, took: Duration) {
        self.decisions.get_or_create(&Decision { decision }).inc();
        self.decision_seconds.observe(took.as_secs_f64());
    }

    /// Counts a step of a controller.
    pub fn stepped(&self, step: &'static str) {
        self.steps.get_or_create(&Step { step }).inc();
    }

    /// Counts a failed step of a controller.
    pub fn failed(&self, reason: &'static str) {
        self.failures.get_or_create(&Reason { reason }).inc();
    }

    /// Counts a transition of a schedule that was carried out, or could not be.
    pub fn scheduled(&self, result: &'static str) {
        self.transitions.get_or_create(&RunResult { result }).inc();
    }

    /// Counts an Event about a cluster that was written, or could not be.
    pub fn told(&self, result: &'static str) {
        self.events.get_or_create(&RunResult { result }).inc();
    }

    /// Sets the number of accounts that cannot be read.
    pub fn damaged(&self, accounts: usize) {
        self.damaged.set(i64::try_from(accounts).unwrap_or(i64::MAX));
    }

    /// Sets the end of the serving certificate, in seconds since 1970.
    pub fn certificate_ends(&self, at: i64) {
        self.certificate_expiry.set(at);
    }

    /// Returns all metrics as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A write to a String does not fail.
        let _written: Result<(), std::fmt::Error> = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod monitoring;

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::Path;

    use cmp_core::account::change::Change;
    use cmp_core::account::{Held, HeldState, Shape};
    use cmp_core::controller::Step;
    use cmp_core::fences::Reserved;
    use cmp_core::resources::Resources;
    use cmp_core::verdict::{Amounts, Denial};
    use cmp_core::vocabulary::{InstanceType, ScheduleAction};

    use super::*;
    use crate::controller::act;

    #[test]
    fn names_follow_the_conventions() {
        let metrics = Metrics::default();
        metrics.judged("OverQuota", Duration::from_micros(20));
        metrics.stepped("account");
        metrics.failed(CONFLICT);
        metrics.scheduled("resumed");
        let text = metrics.text();
        for line in [
            "cmp_admission_requests_total{decision=\"OverQuota\"} 1",
            "cmp_admission_duration_seconds_count 1",
            "cmp_controller_steps_total{step=\"account\"} 1",
            "cmp_controller_failures_total{reason=\"conflict\"} 1",
            "cmp_schedule_transitions_total{result=\"resumed\"} 1",
            "cmp_certificate_expiry_timestamp_seconds 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    /// A new variant does not compile here before it is added to [`DECISIONS`].
    #[test]
    fn every_denial_is_a_decision() {
        let (user, cluster) = ("john".parse().unwrap(), "web".parse().unwrap());
        let (text, amounts) = (String::new(), Amounts::default());
        let first =
            Denial::OverQuota { user, requested: amounts.clone(), used: amounts.clone(), limited: amounts.clone() };
        let mut next = Some(first);
        let mut reasons: BTreeSet<&str> = ["Allowed", "BadTemplate", "Unreadable"].into();
        while let Some(denial) = next {
            reasons.insert(denial.reason());
            next = match denial {
                Denial::OverQuota { user, .. } => {
                    Some(Denial::NotInQuota { user, resource: text.clone(), named: text.clone() })
                }
                Denial::NotInQuota { user, .. } => Some(Denial::NotSettled { user }),
                Denial::NotSettled { .. } => Some(Denial::Newer { what: text.clone() }),
                Denial::Newer { .. } => Some(Denial::UnknownResource { resource: text.clone() }),
                Denial::UnknownResource { .. } => {
                    Some(Denial::Invalid { cluster: Clone::clone(&cluster), field: text.clone(), why: String::new() })
                }
                Denial::Invalid { cluster, .. } => Some(Denial::TypeIsFixed { cluster, held: InstanceType::Vm }),
                Denial::TypeIsFixed { cluster, .. } => Some(Denial::BeingDeleted { cluster }),
                Denial::BeingDeleted { .. } => None,
            };
        }
        assert_eq!(reasons, DECISIONS.into());
    }

    /// A new variant does not compile here before it is added to [`STEPS`].
    #[test]
    fn every_step_has_its_label() {
        let (kind, change) = (InstanceType::Container, Change::new());
        let shape = Shape { count: 1, size: Resources::default(), released: false };
        let mut next = Some(Step::Nothing);
        let mut names = BTreeSet::new();
        while let Some(step) = next {
            names.insert(act::name(&step));
            next = match step {
                Step::Nothing => Some(Step::Wait { what: cmp_core::controller::Awaited::Settled, again: None }),
                Step::Wait { .. } => Some(Step::Account(change.clone())),
                Step::Account(_) => Some(Step::CreateNamespace { kind, size: Resources::default() }),
                Step::CreateNamespace { .. } => Some(Step::RemoveNamespace),
                Step::RemoveNamespace => Some(Step::RemoveQuota),
                Step::RemoveQuota => Some(Step::Write { parts: Vec::new(), shape: shape.clone(), kind, reserve: None }),
                Step::Write { .. } => Some(Step::Open { shape: shape.clone(), reserved: Reserved::Nothing }),
                Step::Open { .. } => Some(Step::Adopt(change.clone())),
                Step::Adopt(_) => Some(Step::Bind { kind }),
                Step::Bind { .. } => Some(Step::BindSchedule),
                Step::BindSchedule => Some(Step::UnbindSchedule),
                Step::UnbindSchedule => Some(Step::Forget { uid: String::new(), change: change.clone() }),
                Step::Forget { .. } => Some(Step::Lower { to: shape.clone(), kind, change: change.clone() }),
                Step::Lower { .. } => {
                    let held = Held::of("", kind, shape.clone(), HeldState::Deleting);
                    Some(Step::LowerDeleted { held })
                }
                Step::LowerDeleted { .. } => None,
            };
        }
        // These two write nothing, and are not counted.
        assert!(names.remove("nothing") && names.remove("wait"));
        assert_eq!(names, STEPS.into());
    }

    #[test]
    fn every_transition_has_its_label() {
        for action in [ScheduleAction::Suspend, ScheduleAction::Resume] {
            assert!(RESULTS.contains(&action.verb().done()), "{action}");
        }
    }

    /// One metric: name, type, values of its label, and meaning.
    type Row = (String, String, String, String);

    /// Reads the exported text. The only label that can have any value is `version`.
    fn exported(text: &str) -> Vec<Row> {
        let (mut kinds, mut helps) = (BTreeMap::new(), BTreeMap::new());
        let mut labels: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut rows = Vec::new();
        for line in text.lines() {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
                kinds.insert(name, kind);
                rows.push(name);
            } else if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
                helps.insert(name, help.trim_end_matches('.'));
            } else if let Some((sample, set)) = line.split_once('{') {
                let name = rows.iter().rev().find(|name| sample.starts_with(**name)).unwrap();
                let (label, value) = set.split_once('}').unwrap().0.split_once('=').unwrap();
                if label != "le" {
                    let value = if label == "version" { "" } else { value.trim_matches('"') };
                    labels.entry((*name).to_owned()).or_default().insert(format!("{label}={value}"));
                }
            }
        }
        rows.into_iter()
            .map(|name| {
                let suffix = if kinds[name] == "counter" { "_total" } else { "" };
                let values: Vec<&str> =
                    labels.get(name).into_iter().flatten().map(|pair| pair.split_once('=').unwrap().1).collect();
                let label = labels.get(name).and_then(|pairs| Some(pairs.first()?.split_once('=')?.0));
                let shown = label.map_or_else(String::new, |label| match values[..] {
                    [""] => format!("`{label}`"),
                    _ => format!("`{label}`: {}", values.join(", ")),
                });
                (format!("{name}{suffix}"), kinds[name].to_owned(), shown, helps[name].to_owned())
            })
            .collect()
    }

    /// Reads the rows of the table in the document.
    fn documented() -> Vec<Row> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/OPERATIONS.md");
        let text = fs::read_to_string(path).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("| `cmp_"));
        rows.map(|row| {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [name, kind, labels, meaning] = cells[..] else { panic!("{row}") };
            (name.trim_matches('`').to_owned(), kind.to_owned(), labels.to_owned(), meaning.to_owned())
        })
        .collect()
    }

    #[test]
    fn the_document_lists_every_metric() {
        let mut rows = exported(&Metrics::default().text());
        rows.extend(exported(&crate::mirror::Metrics::default().text()));
        assert_eq!(documented(), rows);
    }
}
