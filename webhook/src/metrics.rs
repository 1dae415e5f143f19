//! Metrics of the process. Label values are our own words, never a user's text, so that their number is limited.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Word {
    word: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildInfo {
    version: &'static str,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    verdicts: Family<Word, Counter>,
    verdict_seconds: Histogram,
    steps: Family<Word, Counter>,
    failures: Family<Word, Counter>,
    edges: Family<Word, Counter>,
    damaged: Gauge,
    certificate_expiry: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cmp");
        let verdicts = Family::<Word, Counter>::default();
        registry.register("admission_requests", "Changes of accounts that were judged, by verdict", verdicts.clone());
        let verdict_seconds = Histogram::new(exponential_buckets(0.000_01, 4.0, 10));
        registry.register_with_unit(
            "admission_duration",
            "Time from a decoded review to its answer",
            Unit::Seconds,
            verdict_seconds.clone(),
        );
        let steps = Family::<Word, Counter>::default();
        registry.register("controller_steps", "Steps taken towards what users want, by kind", steps.clone());
        let failures = Family::<Word, Counter>::default();
        registry.register("controller_failures", "Steps that failed and are taken again, by cause", failures.clone());
        let edges = Family::<Word, Counter>::default();
        registry.register(
            "schedule_edges",
            "Edges of schedules that were carried out or tried, by what came of them",
            edges.clone(),
        );
        let damaged = Gauge::default();
        registry.register("accounts_damaged", "Accounts that cannot be read", damaged.clone());
        let certificate_expiry = Gauge::default();
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the serving certificate ends",
            certificate_expiry.clone(),
        );
        let build = Family::<BuildInfo, Gauge>::default();
        build.get_or_create(&BuildInfo { version: env!("CARGO_PKG_VERSION") }).set(1);
        registry.register("build_info", "The version that runs", build);
        Self { registry, verdicts, verdict_seconds, steps, failures, edges, damaged, certificate_expiry }
    }
}

fn word(word: &str) -> Word {
    Word { word: word.to_owned() }
}

impl Metrics {
    /// Counts a judged change of an account.
    pub fn judged(&self, verdict: &str, took: Duration) {
        self.verdicts.get_or_create(&word(verdict)).inc();
        self.verdict_seconds.observe(took.as_secs_f64());
    }

    /// Counts a step of a controller.
    pub fn stepped(&self, step: &str) {
        self.steps.get_or_create(&word(step)).inc();
    }

    /// Counts a failed step, by its cause.
    pub fn failed(&self, cause: &str) {
        self.failures.get_or_create(&word(cause)).inc();
    }

    /// Counts a transition of a schedule that was carried out, or could not be.
    pub fn scheduled(&self, what: &str) {
        self.edges.get_or_create(&word(what)).inc();
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
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions() {
        let metrics = Metrics::default();
        metrics.judged("OverQuota", Duration::from_micros(20));
        metrics.stepped("account");
        let text = metrics.text();
        for line in [
            "cmp_admission_requests_total{word=\"OverQuota\"} 1",
            "cmp_admission_duration_seconds_count 1",
            "cmp_controller_steps_total{word=\"account\"} 1",
            "cmp_certificate_expiry_timestamp_seconds 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
