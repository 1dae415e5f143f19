//! The probes and the hooks of a container.

use super::at::At;
use super::text::{header_name, port_name};
use crate::template::rules::Checked;

const SECONDS: [&str; 5] =
    ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];

/// Checks the probes and the hooks of a container.
pub(super) fn check(container: &At<'_>, grace: i64) -> Checked {
    for (key, single, ends) in
        [("livenessProbe", true, true), ("readinessProbe", false, false), ("startupProbe", true, true)]
    {
        let probe = container.child(key);
        if !probe.is_there() {
            continue;
        }
        handler(&probe, &["exec", "httpGet", "tcpSocket", "grpc"], grace)?;
        SECONDS.iter().try_for_each(|key| probe.child(key).within(0..=i64::MAX))?;
        let successes = probe.child("successThreshold");
        // Kubernetes reads 0 as not set.
        if single && successes.number().is_some_and(|number| number > 1) {
            return successes.invalid("must be 1");
        }
        let end = probe.child("terminationGracePeriodSeconds");
        if end.is_there() && !ends {
            return end.invalid("may not be set for a readinessProbe");
        }
        end.within(1..=i64::MAX)?;
    }
    let lifecycle = container.child("lifecycle");
    for hook in ["postStart", "preStop"].map(|key| lifecycle.child(key)) {
        if hook.is_there() {
            handler(&hook, &["exec", "httpGet", "tcpSocket", "sleep"], grace)?;
        }
    }
    Ok(())
}

/// Checks the one action of a probe or a hook.
fn handler(handler: &At<'_>, kinds: &[&str], grace: i64) -> Checked {
    let mut actions = kinds.iter().map(|kind| handler.child(kind)).filter(At::is_there);
    let Some(_) = actions.next() else {
        return handler.missing(&format!("it must have one of {}", kinds.join(", ")));
    };
    if let Some(second) = actions.next() {
        return second.forbidden("there may be one action only");
    }
    let exec = handler.child("exec");
    if exec.is_there() && exec.child("command").items().next().is_none() {
        return exec.child("command").missing("it must not be empty");
    }
    let http = handler.child("httpGet");
    if http.is_there() {
        port(&http.child("port"))?;
        http.child("scheme").one_of(&["HTTP", "HTTPS"])?;
        http.child("httpHeaders").items().try_for_each(|header| header.child("name").passes(header_name))?;
    }
    let socket = handler.child("tcpSocket");
    if socket.is_there() {
        port(&socket.child("port"))?;
    }
    let grpc = handler.child("grpc");
    if grpc.is_there() {
        grpc.child("port").within(1..=65535)?;
    }
    let sleep = handler.child("sleep");
    if sleep.is_there() {
        sleep.child("seconds").within(0..=grace.max(0))?;
    }
    Ok(())
}

/// Checks a port: a number, or the name of one.
fn port(port: &At<'_>) -> Checked {
    if port.number().is_some() { port.within(1..=65535) } else { port.passes(port_name) }
}
