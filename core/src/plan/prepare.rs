//! The wait until a want is held and its Namespace is open.

use crate::account::{Entry, Held, HeldState, Want};
use crate::name::ClusterName;
use crate::plan::refusal::Refusal;

/// Returns the end of the wait for a want: the instances may be made, or the want was taken back. Returns `None` while
/// the wait goes on.
pub fn prepared(name: &ClusterName, want: &Want, entry: &Entry) -> Option<Result<(), Refusal>> {
    let refused = |reason: &str| Some(Err(Refusal::wish(format!("cluster {name} was refused: {reason}"))));
    let wanted = entry.want.as_ref().is_some_and(|wanted| want.shape().fits(&wanted.shape()));
    match (&entry.held, &entry.refused) {
        // cmp-webhook took the want back. An older refusal can stand beside a want that still exists.
        (_, Some(why)) if !wanted => refused(&why.reason),
        (None, None) if !wanted => refused("it was deleted in the meantime"),
        (Some(held), _) if held.state == HeldState::Ready && want.shape().fits(&held.shape()) => Some(Ok(())),
        _ => None,
    }
}

/// Returns the progress of a wait that goes on. A blocked cluster has its reason, which is worth a line of its own.
pub fn progress(entry: &Entry) -> Progress<'_> {
    match &entry.blocked {
        Some(blocked) => Progress::Blocked(&blocked.reason),
        None => Progress::Preparing(missing(entry.held.as_ref())),
    }
}

/// The progress of the wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress<'a> {
    /// cmp-webhook cannot go on, for this reason.
    Blocked(&'a str),
    /// This is missing.
    Preparing(String),
}

/// Returns the error for a cluster that is not ready in time, from the entry that was seen last.
pub fn late(name: &ClusterName, last: Option<&Entry>, seconds: u64) -> Refusal {
    let late = |why: &str| Refusal::wish(format!("cluster {name} is not ready after {seconds} s: {why}"));
    let refusal = match last {
        Some(Entry { blocked: Some(blocked), .. }) => late(&blocked.reason)
            .hint(format!("cmp-webhook tries again; to release the quota: kubectl cmp delete cluster {name}")),
        last => late(&missing(last.and_then(|entry| entry.held.as_ref())))
            .hint("is cmp-webhook running? it prepares clusters (deployment cmp-webhook in cmp-system)"),
    };
    refusal.hint("the same command goes on where this one ended")
}

/// Returns the reason why a cluster is not ready yet.
fn missing(held: Option<&Held>) -> String {
    match held {
        None => "nothing is held for it yet".to_owned(),
        Some(held) if held.uid.is_empty() => "its namespace does not exist yet".to_owned(),
        Some(Held { state: HeldState::Ready, .. }) => "its change is not held yet".to_owned(),
        Some(held) => format!("it is {}", held.state.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::account::tests::{held, name, want};
    use crate::account::{Blocked, Refused};

    const SIZE: &str = "cpu=1,memory=1Gi";

    fn entry(want: Option<Want>, held: Option<Held>, refused: bool) -> Entry {
        let refused = refused.then(|| Refused { reason: "no room".to_owned(), at: Timestamp::UNIX_EPOCH });
        Entry { want, held, refused, ..Entry::default() }
    }

    #[test]
    fn the_wait_ends_when_the_want_is_held_or_taken_back() {
        let (small, asked) = (want(1, SIZE), want(2, SIZE));
        let ready = |count| Some(held(count, SIZE, HeldState::Ready));
        let refused = "cluster web was refused: no room";
        for (entry, expected) in [
            (entry(Some(asked.clone()), None, false), "goes on"),
            (entry(Some(asked.clone()), ready(1), false), "goes on"),
            (entry(Some(asked.clone()), ready(2), false), "ready"),
            (entry(Some(asked.clone()), ready(3), false), "ready"),
            // An older refusal beside the want does not end the wait.
            (entry(Some(asked.clone()), None, true), "goes on"),
            (entry(Some(asked.clone()), ready(2), true), "ready"),
            (entry(Some(asked.clone()), Some(held(2, SIZE, HeldState::Preparing)), false), "goes on"),
            (entry(Some(asked.clone()), Some(held(2, SIZE, HeldState::Releasing)), false), "goes on"),
            (entry(None, None, true), refused),
            (entry(Some(small.clone()), ready(1), true), refused),
            (entry(None, ready(2), true), refused),
            (entry(None, None, false), "cluster web was refused: it was deleted in the meantime"),
            // A want that another writer grew further is held as well.
            (entry(Some(want(3, SIZE)), ready(3), false), "ready"),
            (entry(Some(small), ready(1), false), "goes on"),
        ] {
            let ended = match prepared(&name("web"), &asked, &entry) {
                None => "goes on".to_owned(),
                Some(Ok(())) => "ready".to_owned(),
                Some(Err(refusal)) => refusal.to_string(),
            };
            assert_eq!(ended, expected, "{entry:?}");
        }
    }

    #[test]
    fn a_late_cluster_has_its_reason() {
        let blocked = Some(Blocked { reason: "the quota is full".to_owned(), at: Timestamp::UNIX_EPOCH });
        let blocked = Entry { blocked, ..Entry::default() };
        let nameless = Held { uid: String::new(), ..held(1, SIZE, HeldState::Preparing) };
        let preparing = |held| Entry { held: Some(held), ..Entry::default() };
        for (last, why, hint) in [
            (None, "nothing is held for it yet", "is cmp-webhook running?"),
            (Some(preparing(nameless)), "its namespace does not exist yet", "is cmp-webhook running?"),
            (Some(preparing(held(1, SIZE, HeldState::Releasing))), "it is releasing", "is cmp-webhook running?"),
            (Some(preparing(held(1, SIZE, HeldState::Ready))), "its change is not held yet", "is cmp-webhook running?"),
            (Some(blocked), "the quota is full", "cmp-webhook tries again; to release the quota"),
        ] {
            let late = late(&name("web"), last.as_ref(), 60);
            assert_eq!(late.cause.to_string(), format!("cluster web is not ready after 60 s: {why}"));
            assert!(late.hints[0].starts_with(hint), "{late}");
            assert_eq!(late.hints.len(), 2);
            match last.as_ref().map(progress) {
                None => {}
                Some(Progress::Blocked(reason)) => assert_eq!(reason, why),
                Some(Progress::Preparing(missing)) => assert_eq!(missing, why),
            }
        }
    }
}
