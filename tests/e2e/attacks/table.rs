//! Attacks as rows: what is tried, and the words of what stops it.

use std::path::Path;

use cmp_tests::{Kubernetes, Output, shell};
use serde_json::Value;

/// One attempt, as somebody with a kubeconfig types it.
pub(crate) struct Attempt {
    what: &'static str,
    command: String,
    body: Value,
}

/// An attempt. `body` is the patch of `patch`, the object on standard input of anything else with `-f -`, or null.
pub(crate) fn attempt(what: &'static str, command: impl Into<String>, body: impl Into<Value>) -> Attempt {
    Attempt { what, command: command.into(), body: body.into() }
}

impl Attempt {
    fn run(&self, kubeconfig: &Path) -> Output {
        let mut arguments: Vec<&str> = self.command.split_whitespace().collect();
        let body = match &self.body {
            Value::Null => String::new(),
            // What is no JSON at all, or has a key twice.
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

/// That each is refused, and for this reason: a mistake in an attack is not taken for a refusal. Where a version of
/// Kubernetes refuses it before any policy is asked, its words follow after ` | `.
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

/// Whoever may not read a StatefulSet cannot scale it. kubectl 1.30 does not say why.
pub(crate) fn cannot_scale() -> &'static str {
    Kubernetes::expects("no objects passed to scale", " cannot ")
}

/// That each works: what is forbidden is no more than what has to be.
pub(crate) fn allowed(kubeconfig: &Path, rows: &[Attempt]) {
    for attempt in rows {
        let output = attempt.run(kubeconfig);
        assert!(output.code == 0, "{}: should be allowed:\n{output}", attempt.what);
    }
}
