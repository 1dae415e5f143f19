//! Attacks as rows: an attempt, and the words of the refusal.

use std::path::Path;

use cmp_tests::{Kubernetes, Output, shell};
use serde_json::Value;

/// An attempt as a person with a kubeconfig types it.
pub(crate) struct Attempt {
    what: &'static str,
    command: String,
    body: Value,
}

/// Returns an attempt. `body` is the patch of `patch`, the object on standard input of other commands with `-f -`, or
/// null.
pub(crate) fn attempt(what: &'static str, command: impl Into<String>, body: impl Into<Value>) -> Attempt {
    Attempt { what, command: command.into(), body: body.into() }
}

impl Attempt {
    fn run(&self, kubeconfig: &Path) -> Output {
        let mut arguments: Vec<&str> = self.command.split_whitespace().collect();
        let body = match &self.body {
            Value::Null => String::new(),
            // The raw text may be invalid JSON, or have a key twice.
            Value::String(text) => text.clone(),
            body => body.to_string(),
        };
        if self.command.starts_with("patch ") {
            arguments.extend(["-p", &body]);
            return shell::kubectl(kubeconfig, &arguments);
        }
        shell::kubectl_reading(kubeconfig, &arguments, &body)
    }
}

/// Asserts that each attempt is refused for the given reason, so that a mistake in an attack does not count as a
/// refusal. ` | ` separates an alternative: the words of a Kubernetes version that refuses before any policy is asked.
pub(crate) fn refused(kubeconfig: &Path, rows: &[(Attempt, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(attempt, reason)| {
            let output = attempt.run(kubeconfig);
            let stopped = output.code == 1 && reason.split(" | ").any(|reason| output.stderr.contains(reason));
            (!stopped).then(|| format!("{}: should be stopped by {reason:?}:\n{output}", attempt.what))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} attacks:\n{}", wrong.len(), rows.len(), wrong.join("\n\n"));
}

/// The refusal to scale a StatefulSet that the caller may not read. kubectl 1.30 does not name the reason.
pub(crate) fn cannot_scale() -> &'static str {
    Kubernetes::expects("no objects passed to scale", " cannot ")
}

/// Asserts that each attempt works: the policies forbid no more than necessary.
pub(crate) fn allowed(kubeconfig: &Path, rows: &[Attempt]) {
    for attempt in rows {
        let output = attempt.run(kubeconfig);
        assert!(output.code == 0, "{}: should be allowed:\n{output}", attempt.what);
    }
}
