//! The story of a cluster: the Kubernetes Events that a change of its account means.
//!
//! A controller changes an account by compare-and-swap, so that one replica makes each transition and tells of
//! it. The name of an Event follows from the transition alone, so that a second telling finds it there.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::account::{Entry, Held, HeldState, Shape, Want};
use crate::keys;
use crate::name::{ClusterName, UserName};
use crate::schedule::LastRun;
use crate::vocabulary::{ScheduleAction, Trigger};

/// The most bytes of a note (k8s.io/api/events/v1).
const LONGEST_NOTE: usize = 1024;

/// The most bytes of the name of a field manager (k8s.io/apimachinery/pkg/apis/meta/v1/validation).
const LONGEST_MANAGER: usize = 128;

/// Returns the field manager by which a person signs a change of an account. A policy lets nobody else use it. A
/// username that no field manager can have is not signed.
pub fn signature(username: &str) -> Option<String> {
    let manager = format!("{}{username}", keys::SIGNED);
    (manager.len() <= LONGEST_MANAGER && manager.bytes().all(|byte| byte.is_ascii_graphic())).then_some(manager)
}

/// Returns the username in the name of a field manager, if it is a signature.
pub fn signer(manager: &str) -> Option<&str> {
    manager.strip_prefix(keys::SIGNED)
}

/// The usernames of those who last changed the keys of a cluster. A change that nobody signed has no author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Authors<'a> {
    /// The author of the want.
    pub want: Option<&'a str>,
    /// The author of the request to delete the cluster.
    pub delete: Option<&'a str>,
}

/// Returns the sentence in which a person does something, or the one without a person if nobody is known.
pub(crate) fn by(author: Option<&str>, does: &str, happens: &str) -> String {
    let Some(username) = author else { return happens.to_owned() };
    let user = UserName::from_username(username);
    format!("{} {does}", user.as_ref().map_or(username, UserName::as_str))
}

/// Returns the note of an Event, cut to the length that Kubernetes accepts.
pub(crate) fn note(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(LONGEST_NOTE));
    text
}

/// One Event of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The name of the Event, the same whoever tells of this transition.
    pub name: String,
    /// The kind of the transition, in one word.
    pub reason: &'static str,
    /// The transition in a sentence.
    pub note: String,
    /// Whether the Event is a warning.
    pub is_warning: bool,
    /// Whether the same transition may happen again. It is then counted in the same Event.
    pub repeats: bool,
}

/// A transition, and what distinguishes it from others of the same reason.
struct Fact {
    reason: &'static str,
    note: String,
    is_warning: bool,
    identity: Identity,
}

/// The part of an Event's name that distinguishes transitions of the same reason.
enum Identity {
    /// The version of the account: the transition happens once.
    Version,
    /// A moment of a schedule: the transition happens once.
    Due(i64),
    /// The text: the same transition may happen again.
    Text,
}

impl Fact {
    fn new(reason: &'static str, note: String) -> Self {
        Self { reason, note, is_warning: false, identity: Identity::Version }
    }

    fn warning(reason: &'static str, note: String) -> Self {
        Self { is_warning: true, identity: Identity::Text, ..Self::new(reason, note) }
    }
}

/// Returns the Events that a change of a cluster's entry means, in order. `version` is the `resourceVersion` of the
/// changed account, and `authors` are those of the entry before. There are none before the Namespace exists, since
/// Events are objects in it.
pub fn told(cluster: &ClusterName, before: &Entry, after: &Entry, version: &str, authors: Authors<'_>) -> Vec<Told> {
    let Some(held) = after.held.as_ref().filter(|held| !held.uid.is_empty()) else { return Vec::new() };
    let mut facts = of_held(before, held, after, authors);
    if let Some(refused) = after.refused.as_ref().filter(|refused| before.refused.as_ref() != Some(*refused)) {
        facts.push(Fact::warning("Refused", refusal(before, &refused.reason, authors.want)));
    }
    let was_blocked = before.blocked.as_ref().map(|blocked| &blocked.reason);
    if let Some(blocked) = after.blocked.as_ref().filter(|blocked| was_blocked != Some(&blocked.reason)) {
        facts.push(Fact::warning("Blocked", blocked.reason.clone()));
    }
    if let Some(run) = after.scheduled.as_ref().filter(|run| before.scheduled.as_ref() != Some(*run)) {
        facts.push(of_run(after, run));
    }
    facts.into_iter().map(|fact| named(cluster, fact, version)).collect()
}

fn named(cluster: &ClusterName, fact: Fact, version: &str) -> Told {
    let Fact { reason, note: text, is_warning, identity } = fact;
    let note = note(text);
    let (which, repeats) = match identity {
        Identity::Version => (version.to_owned(), false),
        Identity::Due(second) => (second.to_string(), false),
        Identity::Text => {
            // Its keys are fixed. Another release of Rust may compute another hash, and then the count starts anew.
            let mut hasher = DefaultHasher::new();
            note.hash(&mut hasher);
            (format!("{:016x}", hasher.finish()), true)
        }
    };
    let name = format!("{cluster}.{}.{which}", reason.to_lowercase());
    Told { name, reason, note, is_warning, repeats }
}

fn instances(count: u32) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} instance{s}")
}

fn sized(shape: &Shape) -> String {
    let Shape { count, size, .. } = shape;
    format!("{} of {size}", instances(*count))
}

/// Tells of a change of the holding.
fn of_held(before: &Entry, held: &Held, after: &Entry, authors: Authors<'_>) -> Vec<Fact> {
    let shape = held.shape();
    let was = match &before.held {
        Some(was) if was.uid == held.uid => was,
        Some(was) if was.uid.is_empty() => {
            let with = sized(&shape);
            let note = by(authors.want, &format!("created it with {with}"), &format!("created with {with}"));
            return vec![Fact::new("Created", note)];
        }
        _ => {
            let note = format!("its account was lost: it is held again with {}", sized(&shape));
            return vec![Fact::new("Adopted", note)];
        }
    };
    match (was.state, held.state) {
        (HeldState::Deleting, _)
        | (HeldState::Releasing, HeldState::Releasing)
        | (HeldState::Ready, HeldState::Ready) => Vec::new(),
        (_, HeldState::Deleting) => {
            vec![Fact::new("Deleting", by(authors.delete, "deleted it", "it is being deleted"))]
        }
        (_, HeldState::Preparing) => differences(&was.shape(), &shape, authors.want),
        (_, HeldState::Releasing) => match &after.want {
            Some(want) => differences(&shape, &want.shape(), authors.want),
            None => Vec::new(),
        },
        (_, HeldState::Ready) if was.shape() != shape => {
            let left = if held.released { "storage".to_owned() } else { sized(&shape) };
            vec![Fact::new(
                "QuotaReturned",
                format!("the part that was given up is gone, and its quota has returned; left: {left}"),
            )]
        }
        (_, HeldState::Ready) => vec![Fact::new("Ready", format!("{} may run", sized(&shape)))],
    }
}

/// Tells of each difference between two shapes.
fn differences(from: &Shape, to: &Shape, author: Option<&str>) -> Vec<Fact> {
    let mut facts = Vec::new();
    if from.count != to.count {
        let range = format!("from {} to {}", from.count, instances(to.count));
        facts.push(Fact::new("Scaled", by(author, &format!("scaled it {range}"), &format!("scaled {range}"))));
    }
    if from.size != to.size {
        let range = format!("from {} to {}", from.size, to.size);
        facts.push(Fact::new("Resized", by(author, &format!("resized it {range}"), &format!("resized {range}"))));
    }
    match (from.released, to.released) {
        (false, true) => {
            let note = "it is suspended and gives its quota back, except for storage";
            facts.push(Fact::new("Released", note.to_owned()));
        }
        (true, false) => facts.push(Fact::new("Reclaimed", "its quota is charged again".to_owned())),
        _ => {}
    }
    facts
}

/// Describes a want that was taken back, by what it asked for.
fn refusal(before: &Entry, reason: &str, author: Option<&str>) -> String {
    let held = before.held.as_ref().map(Held::shape);
    match before.want.as_ref().map(Want::shape) {
        Some(asked) if Some(&asked) != held.as_ref() => {
            let asked = sized(&asked);
            by(author, &format!("asked for {asked}: {reason}"), &format!("{asked} were asked for: {reason}"))
        }
        _ => reason.to_owned(),
    }
}

/// Tells what a schedule did, or did not do.
fn of_run(after: &Entry, run: &LastRun) -> Fact {
    let schedule = after.want.as_ref().and_then(|want| want.schedule.as_ref());
    let line = schedule.and_then(|schedule| schedule.line(run.action, run.due));
    let (who, line) = match (run.trigger, line) {
        (Trigger::Schedule, Some(line)) => ("the schedule", format!(" ({line})")),
        (Trigger::Schedule, None) => ("the schedule", String::new()),
        (Trigger::Once, _) => ("the timer", String::new()),
    };
    let verb = run.action.verb();
    let left = if run.failed == 0 { "it".to_owned() } else { instances(run.failed) };
    if run.tries > 0 {
        let why = run.reason.as_deref().unwrap_or("the API server refused it");
        return Fact::warning("ScheduleFailed", format!("{who} could not {verb} {left}{line}: {why}"));
    }
    let late = match run.late().as_mins() {
        minutes if minutes > 0 => format!(", {minutes} min late"),
        _ => String::new(),
    };
    let skipped = if run.skipped == 0 { String::new() } else { format!(" and left {} as they were", run.skipped) };
    let identity = Identity::Due(run.due.as_second());
    let (reason, note) = match (run.changed, run.action) {
        (0, ScheduleAction::Suspend) => {
            ("ScheduleSkipped", format!("{who} had nothing to suspend{line}{late}: no instance was on"))
        }
        (0, ScheduleAction::Resume) => {
            let why = format!("it had suspended none of the {}", instances(run.skipped));
            let why = if run.skipped == 0 { "there is no instance".to_owned() } else { why };
            ("ScheduleSkipped", format!("{who} had nothing to resume{line}{late}: {why}"))
        }
        (changed, action) => {
            let reason = match action {
                ScheduleAction::Suspend => "ScheduleSuspended",
                ScheduleAction::Resume => "ScheduleResumed",
            };
            (reason, format!("{who} {} {}{skipped}{line}{late}", verb.done(), instances(changed)))
        }
    };
    Fact { identity, ..Fact::new(reason, note) }
}

#[cfg(test)]
mod tests;
