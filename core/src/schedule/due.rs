//! The instances that a transition applies to.

use super::Transition;
use crate::instance::Instance;
use crate::state::State;
use crate::vocabulary::ScheduleAction;

/// Reports whether a transition applies to an instance. A suspension applies to instances that are on. A resumption applies
/// only to instances that the same cause suspended, never to those that a user suspended or stopped.
pub fn is_for(transition: &Transition, shown: &Instance) -> bool {
    let woken_by = shown.suspension.as_ref().and_then(|suspension| suspension.woken_by);
    match (transition.action, shown.state) {
        (ScheduleAction::Suspend, state) => ![State::Suspended, State::Stopped].contains(&state),
        // The wish to resume it was recorded, and the call did not follow.
        (ScheduleAction::Resume, State::Suspended) => {
            woken_by == Some(transition.trigger) || (shown.on && shown.asked == Some(State::Running))
        }
        (ScheduleAction::Resume, _) => false,
    }
}

/// Reports whether `by` has suspended an instance for this transition already. Another replica may be executing the same
/// transition.
pub fn is_done(transition: &Transition, shown: &Instance, by: &str) -> bool {
    let suspended = shown.suspension.as_ref().filter(|_| shown.state == State::Suspended);
    transition.action == ScheduleAction::Suspend
        && suspended.is_some_and(|suspension| suspension.by == by && suspension.at >= transition.at)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::containers::Metadata;
    use crate::instance::Suspension;
    use crate::vocabulary::{InstanceType, Mode, Trigger};

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Returns an instance that `by` suspended at a time, with the cause that resumes it.
    fn instance(state: State, suspended: Option<(&str, &str, Option<Trigger>)>) -> Instance {
        let suspension = suspended.map(|(by, at, woken_by)| Suspension {
            by: by.to_owned(),
            at: time(at),
            mode: Mode::Halt,
            reason: None,
            woken_by,
        });
        let name = "web-0".parse().unwrap();
        Instance {
            suspension,
            on: state == State::Running,
            ..Instance::new(name, InstanceType::Container, state, &Metadata::default())
        }
    }

    #[test]
    fn a_transition_applies_only_to_instances_that_it_can_switch() {
        let transition = |action| Transition { at: time("2026-03-02T19:00:00Z"), action, trigger: Trigger::Schedule };
        let (before, after) = ("2026-03-02T18:59:59Z", "2026-03-02T19:00:01Z");
        let ours = Some(Trigger::Schedule);
        // Columns: the instance, whether a suspension applies to it, whether it is done, and whether a resumption applies
        // to it.
        for (shown, suspends, done, resumes) in [
            (instance(State::Running, None), true, false, false),
            (instance(State::Failed, None), true, false, false),
            (instance(State::Stopped, None), false, false, false),
            (instance(State::Suspended, None), false, false, false),
            (instance(State::Suspended, Some(("cmp", after, ours))), false, true, true),
            (instance(State::Suspended, Some(("cmp", before, ours))), false, false, true),
            (instance(State::Suspended, Some(("john", after, None))), false, false, false),
            (instance(State::Suspended, Some(("john", after, Some(Trigger::Once)))), false, false, false),
            (instance(State::Running, Some(("cmp", after, ours))), true, false, false),
        ] {
            let (suspend, resume) = (transition(ScheduleAction::Suspend), transition(ScheduleAction::Resume));
            assert_eq!((is_for(&suspend, &shown), is_done(&suspend, &shown, "cmp")), (suspends, done), "{shown:?}");
            assert_eq!((is_for(&resume, &shown), is_done(&resume, &shown, "cmp")), (resumes, false), "{shown:?}");
        }
    }
}
