//! The lines of a schedule: the union of all times at which it suspends and resumes.

use crate::schedule::cron::{Cron, Happens, MOST_A_DAY, busiest_day, meeting};
use crate::vocabulary::ScheduleAction;

/// The most lines of a schedule, of both actions together. cmp-webhook evaluates each of them.
pub const MOST_LINES: usize = 16;
/// The longest line of cron, in bytes. Every useful line is shorter.
const LONGEST_LINE: usize = 200;

/// An error in a schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("schedule{field} {why}")]
pub struct Invalid {
    /// The field with its value: `.suspend "x"`.
    pub field: String,
    /// The error, and the remedy.
    pub why: String,
}

impl Invalid {
    /// Returns an error about the value of a field.
    pub(super) fn of(field: &str, value: &str, why: impl Into<String>) -> Self {
        Self { field: format!(".{field} {value:?}"), why: why.into() }
    }
}

/// The parsed lines.
pub(super) struct Lines {
    suspend: Vec<Cron>,
    resume: Vec<Cron>,
}

/// Returns the field that stores a line: the first line of an action has a field of its own.
fn field(action: ScheduleAction, at: usize) -> &'static str {
    match (action, at) {
        (ScheduleAction::Suspend, 0) => "suspend",
        (ScheduleAction::Suspend, _) => "alsoSuspend",
        (ScheduleAction::Resume, 0) => "resume",
        (ScheduleAction::Resume, _) => "alsoResume",
    }
}

fn read(action: ScheduleAction, texts: &[String]) -> Result<Vec<Cron>, Invalid> {
    let line = |(at, text): (usize, &String)| {
        let field = field(action, at);
        if text.len() > LONGEST_LINE {
            return Err(Invalid { field: format!(".{field}"), why: "is longer than 200 characters".to_owned() });
        }
        Cron::read(text).map_err(|why| Invalid::of(field, text, why))
    };
    texts.iter().enumerate().map(line).collect()
}

impl Lines {
    /// Parses the lines of both actions.
    pub(super) fn read(suspend: &[String], resume: &[String]) -> Result<Self, Invalid> {
        let count = suspend.len() + resume.len();
        if count > MOST_LINES {
            let why =
                format!("has {count} lines of cron: the maximum is {MOST_LINES}, to suspend and to resume together");
            return Err(Invalid { field: String::new(), why });
        }
        Ok(Self { suspend: read(ScheduleAction::Suspend, suspend)?, resume: read(ScheduleAction::Resume, resume)? })
    }

    /// Checks that the lines fit together. The texts are those that were parsed.
    pub(super) fn check(&self, suspend: &[String], resume: &[String]) -> Result<(), Invalid> {
        if let (Some(line), true) = (resume.first(), suspend.is_empty()) {
            let why = "resumes only instances that the schedule suspended: add a time to suspend as well";
            return Err(Invalid::of("resume", line, why));
        }
        if let Some((one, other)) = meeting(&self.suspend, &self.resume)
            && let (Some(suspends), Some(resumes)) = (suspend.get(one), resume.get(other))
        {
            // With one line to suspend, the name of its field is enough.
            let which = if suspend.len() > 1 { format!(" {suspends:?}") } else { String::new() };
            let why = format!(
                "can be at the same time as schedule.{}{which}: choose another time",
                field(ScheduleAction::Suspend, one)
            );
            return Err(Invalid::of(field(ScheduleAction::Resume, other), resumes, why));
        }
        for (action, lines) in [(ScheduleAction::Suspend, &self.suspend), (ScheduleAction::Resume, &self.resume)] {
            if busiest_day(lines) > MOST_A_DAY {
                let why = "is due more than 24 times a day, all its lines together: use fewer lines, minutes or hours";
                return Err(Invalid { field: format!(".{}", field(action, 0)), why: why.to_owned() });
            }
        }
        Ok(())
    }

    /// Iterates over one occurrence of each line, with its action.
    pub(super) fn transitions<'a>(
        &'a self,
        happens: impl Fn(&Cron) -> Option<Happens> + 'a,
    ) -> impl Iterator<Item = (Happens, ScheduleAction)> + 'a {
        let suspend = self.suspend.iter().map(|line| (line, ScheduleAction::Suspend));
        let resume = self.resume.iter().map(|line| (line, ScheduleAction::Resume));
        suspend.chain(resume).filter_map(move |(line, action)| Some((happens(line)?, action)))
    }
}
