//! Values for the tables of the plans.

use jiff::Timestamp;

use crate::containers::Metadata;
use crate::instance::{Instance, Orphan};
use crate::name::InstanceName;
use crate::plan::refusal::Refusal;
use crate::plan::write::Write;
use crate::state::State;
use crate::vocabulary::InstanceType;

/// The stored form of a want of three containers.
pub(crate) const WEB: &str = r#"{"type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"}}"#;
/// The stored form of the holding of [`WEB`].
pub(crate) const HELD: &str =
    r#"{"uid":"u","type":"container","count":3,"size":{"cpu":"2","memory":"4Gi"},"state":"ready"}"#;

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Reads an instance from text such as `web-1 suspended`.
pub(crate) fn instance(text: &str) -> Instance {
    let (name, state) = text.split_once(' ').unwrap_or((text, "running"));
    let name: InstanceName = name.parse().unwrap();
    let states = [State::Pending, State::Running, State::Failed, State::Stopped, State::Suspended];
    let state = states.into_iter().find(|known| known.as_str() == state).unwrap();
    let on = ![State::Stopped, State::Suspended].contains(&state);
    Instance { on, ..Instance::new(name, InstanceType::Container, state, &Metadata::default()) }
}

pub(crate) fn instances(texts: &[&str]) -> Vec<Instance> {
    texts.iter().map(|text| instance(text)).collect()
}

/// Returns the Pod of an instance whose StatefulSet is gone.
pub(crate) fn orphan(name: &str, ending: bool) -> Orphan {
    Orphan { object: format!("{name}-0"), shown: Instance { ending, ..instance(name) } }
}

/// Returns the keys that a write sets and removes, one a line, or the refusal.
pub(crate) fn written(planned: Result<Write, Refusal>) -> String {
    let write = match planned {
        Ok(write) => write,
        Err(refusal) => return refusal.to_string(),
    };
    let rows: Vec<String> =
        write.change.entries().map(|(key, text)| format!("{key}: {}", text.unwrap_or("removed"))).collect();
    rows.join("\n")
}
