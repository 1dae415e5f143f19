//! `quota`: the total, used and available amounts, and how many further instances fit.

use clap::Args;
use serde_json::json;

use cmp_core::account::Account;
use cmp_core::budget::what_if::what_if;
use cmp_core::budget::{Level, Usage, returns, usages};
use cmp_core::name::{MAX_COUNT, UserName};
use cmp_core::resources::{CPU, InvalidResourceName, MEMORY, ResourceName, Resources};
use cmp_core::verdict::Denial;

use crate::args::OutputArgs;
use crate::args::values::{self, name, whole};
use crate::commands::shared::quota::{object, rows_of};
use crate::context::{Context, not_for};
use crate::error::CliError;
use crate::output::{Format, counted, print_object, table, table_within};
use crate::ui::{Colour, Ui};

#[derive(Debug, Args)]
#[command(
    before_help = "Examples:\n  kubectl cmp quota\n  kubectl cmp quota john -o json\n  kubectl cmp quota --what-if cpu=4,memory=8Gi,count=3"
)]
pub(crate) struct QuotaArgs {
    /// The name of the user (administrators); you by default
    #[arg(value_name = "USER", value_parser = name::<UserName>)]
    pub(crate) user: Option<UserName>,
    /// Print how many instances of this size fit now; with count=N, whether N fit
    #[arg(long, value_name = "SIZE", value_parser = question)]
    pub(crate) what_if: Option<Question>,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// The question of `--what-if`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    size: Resources,
    count: Option<u32>,
}

/// Parses `cpu=4,memory=8Gi,count=3`.
fn question(text: &str) -> Result<Question, String> {
    let (mut size, mut count) = (Resources::default(), None);
    for part in text.split(',') {
        let form = || format!("{part:?} has no amount: use a form such as cpu=4,memory=8Gi,count=3");
        let (name, value) = part.split_once('=').ok_or_else(form)?;
        let again = || format!("{name} is given twice");
        if name == "count" {
            let asked = whole::<u32>(1..=i64::from(MAX_COUNT))(value).map_err(|why| format!("{name}: {why}"))?;
            if count.replace(asked).is_some() {
                return Err(again());
            }
            continue;
        }
        let amount = if name == MEMORY { values::memory(value) } else { values::quantity(value) };
        let amount = amount.map_err(|why| format!("{name}: {why}"));
        let name: ResourceName = name.parse().map_err(|error: InvalidResourceName| error.to_string())?;
        if size.contains(&name) {
            return Err(again());
        }
        size.set(name, amount?);
    }
    match [CPU, MEMORY].into_iter().find(|name| size.named(name).is_none()) {
        Some(missing) => Err(format!("{missing} is missing: use a form such as cpu=4,memory=8Gi")),
        None => Ok(Question { size, count }),
    }
}

/// Characters of a full bar.
const BAR: usize = 20;

/// The columns that a terminal gets besides: the use in percent, and the bar.
const MORE: [&str; 2] = ["USE%", "BAR"];

pub(crate) async fn run(context: &Context<'_>, args: QuotaArgs) -> Result<(), CliError> {
    let QuotaArgs { user, what_if, output } = args;
    if user.is_none() && context.who().await?.user.is_none() {
        return Err(CliError::user("no user is named, and you are not a user of cmp")
            .hint("name the user: kubectl cmp quota USER"));
    }
    if let (Some(asked), Some(own)) = (&user, &context.who().await?.user)
        && asked != own
    {
        return Err(not_for(asked).hint("`kubectl cmp quota` shows yours"));
    }
    let user = context.account_of(user.as_ref()).await?;
    let account = context.account(&user).await?.account;
    if let Some(question) = what_if {
        return answer(context.ui, &account, &question, &output);
    }
    match &output.output {
        Some(format) if format.is_of_objects() => print_object(context.ui, format, &object(&account)?),
        Some(Format::Name) => context.ui.line(&format!("quota/{user}")),
        _ => print_table(context.ui, &usages(&account).unwrap_or_default(), output.no_headers),
    }
}

/// Prints how many instances fit. The exit code is 0, whatever the answer is.
fn answer(ui: &Ui, account: &Account, question: &Question, output: &OutputArgs) -> Result<(), CliError> {
    let Question { size, count } = question;
    let fit = what_if(account, size, *count)?;
    match &output.output {
        Some(format) if format.is_of_objects() => {
            let mut object = object(account)?;
            let asked = fit.asked.as_ref().map(|(_, verdict)| verdict);
            object["status"]["whatIf"] = json!({
                "size": size,
                "fits": fit.fits,
                "limitedBy": fit.limits(),
                "limit": fit.limit.as_ref().map(ToString::to_string),
                "count": count,
                "countFits": asked.map(Result::is_ok),
            });
            return print_object(ui, format, &object);
        }
        Some(Format::Name) => return ui.line(&format!("quota/{}", account.user)),
        _ => {}
    }
    let limits = fit.limits();
    let why = match (&fit.limit, &limits[..]) {
        (None, _) => format!("; a cluster can have {MAX_COUNT} at the most"),
        (Some(Denial::OverQuota { .. }), [_, ..]) => format!("; the limit is {}", limits.join(", ")),
        (Some(denial), _) => format!("; {denial}"),
    };
    ui.line(&format!("{} of {size} would fit{why}", counted(fit.fits as usize, "instance")))?;
    if let Some((count, verdict)) = &fit.asked {
        match verdict {
            Ok(()) => ui.line(&format!("count={count} would fit"))?,
            Err(denial) => ui.line(&format!("count={count} would not fit: {denial}"))?,
        }
    }
    let back = returns(account).unwrap_or_default();
    for hint in back.iter().filter_map(|back| back.hint(|name| limits.contains(&name))) {
        ui.note(&format!("hint: {hint}"));
    }
    Ok(())
}

/// Prints the table. On a terminal it has the use in percent and a bar, as far as they fit into a line.
fn print_table(ui: &Ui, usages: &[Usage], no_headers: bool) -> Result<(), CliError> {
    let from = usize::from(no_headers);
    let narrow = rows_of(usages);
    if !ui.on_terminal() {
        return ui.out(&table(&narrow[from.min(narrow.len())..]));
    }
    let columns = ui.room();
    let fits = |text: &String| text.lines().all(|line| line.chars().count() <= columns);
    let with = |more: usize| {
        let cells = usages.iter().map(|usage| [format!("{}%", usage.percent()), bar(usage)]);
        let heads = MORE.map(str::to_owned);
        let rows = narrow.iter().zip([heads].into_iter().chain(cells));
        let rows: Vec<Vec<String>> =
            rows.map(|(row, cells)| row.iter().cloned().chain(cells.into_iter().take(more)).collect()).collect();
        table(&rows[from.min(rows.len())..])
    };
    let Some(text) = [with(2), with(1), with(0)].into_iter().find(fits) else {
        return ui.out(&table_within(&narrow[from.min(narrow.len())..], columns));
    };
    let levels = (from == 0).then_some(None).into_iter().chain(usages.iter().map(|usage| Some(usage.level())));
    let parts: Vec<(String, Option<Colour>)> = text
        .lines()
        .zip(levels)
        .flat_map(|(line, level)| {
            // Only the additional columns have a colour. They begin at the percent sign's number.
            let at = line.find('%').and_then(|at| line[..at].rfind(' ')).map_or(line.len(), |space| space + 1);
            let (amounts, use_of) = line.split_at(at);
            [(amounts.to_owned(), None), (use_of.to_owned(), level.map(colour)), ("\n".to_owned(), None)]
        })
        .collect();
    ui.out_coloured(&parts)
}

fn colour(level: Level) -> Colour {
    match level {
        Level::Low => Colour::Green,
        Level::Nearly => Colour::Yellow,
        Level::Spent => Colour::Red,
    }
}

/// Returns a bar that shows the use: `[######--------------]`.
fn bar(usage: &Usage) -> String {
    let parts = i128::try_from(BAR).unwrap_or(0);
    let filled = usage.used.nanos().saturating_mul(parts).checked_div(usage.total.nanos()).unwrap_or(parts);
    let filled = usize::try_from(filled).unwrap_or(0).min(BAR);
    format!("[{}{}]", "#".repeat(filled), "-".repeat(BAR - filled))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::captured::Captured;
    use crate::ui::{Screen, Terminal};

    const WANT: &str = r#"{"type":"container","count":1,"size":{"cpu":"4","memory":"4Gi"}}"#;
    const HELD: &str = r#"{"uid":"u","type":"container","count":4,"size":{"cpu":"4","memory":"4Gi"},"state":"ready"}"#;

    fn account(rows: &[(&str, &str)]) -> Account {
        let quota = [("quota", r#"{"cpu":"16","memory":"20Gi"}"#), ("settled", "uid")];
        let rows = quota.iter().chain(rows).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Account::read("john".parse().unwrap(), "uid", &rows.collect()).unwrap()
    }

    fn shown(terminal: Terminal, rows: &[(&str, &str)], no_headers: bool) -> String {
        let account = account(rows);
        let captured = Captured::new();
        print_table(&captured.ui_of(terminal), &usages(&account).unwrap(), no_headers).unwrap();
        captured.data()
    }

    #[test]
    fn the_table_fits_the_terminal() {
        let of = |columns| Terminal { screen: Some(Screen { columns, colours: false }), ..Terminal::default() };
        let all = [("want.web", WANT), ("held.web", HELD)];
        let plain = "RESOURCE   USED   AVAILABLE   TOTAL\ncpu        4      12          16\nmemory     4Gi    16Gi        20Gi\n";
        assert_eq!(shown(Terminal::default(), &all[..1], false), plain);
        let wide = "\
RESOURCE   USED   AVAILABLE   TOTAL   RELEASING   USE%   BAR
cpu        16     0           16      12          100%   [####################]
memory     16Gi   4Gi         20Gi    12Gi        80%    [################----]
";
        assert_eq!(shown(of(Some(80)), &all, false), wide);
        assert_eq!(shown(of(None), &all, false), wide);
        assert!(shown(of(Some(80)), &all, true).starts_with("cpu "));
        let narrow = "\
RESOURCE   USED   AVAILABLE
  TOTAL   RELEASING
cpu        16     0
  16      12
memory     16Gi   4Gi
  20Gi    12Gi
";
        assert_eq!(shown(of(Some(32)), &all, false), narrow);
        for (columns, widest) in [(79, "BAR"), (60, "USE%"), (53, "RELEASING")] {
            let text = shown(of(Some(columns)), &all, false);
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(columns)), "{text}");
            assert!(text.lines().next().unwrap().ends_with(widest), "{text}");
        }
    }

    #[test]
    fn a_question_is_a_size_and_a_count() {
        let read = |text: &str| question(text).map(|Question { size, count }| (size.to_string(), count));
        assert_eq!(read("cpu=4,memory=8Gi"), Ok(("cpu=4,memory=8Gi".to_owned(), None)));
        assert_eq!(read("count=3,memory=8Gi,cpu=500m").unwrap(), ("cpu=500m,memory=8Gi".to_owned(), Some(3)));
        for (wrong, why) in [
            ("", "\"\" has no amount: use a form such as cpu=4,memory=8Gi,count=3"),
            ("cpu=4", "memory is missing: use a form such as cpu=4,memory=8Gi"),
            ("memory=8Gi,count=3", "cpu is missing: use a form such as cpu=4,memory=8Gi"),
            ("cpu=4,memory=8", "memory: 8 is 8 bytes; did you mean 8Gi?"),
            ("cpu=four,memory=8Gi", "cpu: \"four\" is not a quantity: write a number"),
            ("cpu=4,cpu=4,memory=8Gi", "cpu is given twice"),
            ("cpu=4,memory=8Gi,count=1,count=2", "count is given twice"),
            ("cpu=4,memory=8Gi,gpu=1", "\"gpu\" is not a resource: use cpu, memory"),
            ("cpu=0,memory=8Gi", "cpu: it must be above 0"),
            ("cpu=4,memory=8Gi,gpu=0", "\"gpu\" is not a resource: use cpu, memory"),
            ("cpu=4,memory=8Gi,nvidia.com/gpu=0", "nvidia.com/gpu: it must be above 0"),
            ("cpu=4,memory=8Gi,count=0", "count: 0 is not from 1 to 1000"),
            ("cpu=4,memory=8Gi,count=x", "count: it is not a whole number"),
            ("cpu=4,memory=8Gi,", "\"\" has no amount"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.starts_with(why), "{wrong:?}: {error}");
        }
    }

    #[test]
    fn the_answer_says_how_many_fit_and_why_no_more() {
        let answered = |asked: &str, rows: &[(&str, &str)]| {
            let captured = Captured::new();
            let output = OutputArgs { output: None, no_headers: false };
            answer(&captured.ui(), &account(rows), &question(asked).unwrap(), &output).unwrap();
            captured.data() + &captured.notes()
        };
        assert_eq!(
            answered("cpu=4,memory=1Gi,count=2", &[("want.web", &WANT.replace('1', "2"))]),
            "2 instances of cpu=4,memory=1Gi would fit; the limit is cpu\ncount=2 would fit\n"
        );
        let asked = answered("cpu=4,memory=1Gi,count=3", &[("want.web", WANT), ("held.web", HELD)]);
        let lines: Vec<&str> = asked.lines().collect();
        assert_eq!(lines[0], "0 instances of cpu=4,memory=1Gi would fit; the limit is cpu");
        assert!(lines[1].starts_with("count=3 would not fit: exceeded quota: john, requested: cpu=12,"), "{asked}");
        assert_eq!(lines[2..], ["hint: 12 CPU come back when cluster web has finished shrinking"]);
    }

    #[test]
    fn the_use_has_a_colour_where_the_terminal_has_colours() {
        let of = |colours| Terminal { screen: Some(Screen { columns: Some(60), colours }), ..Terminal::default() };
        let rows = |count: &str| ("want.web", WANT.replace("\"count\":1", &format!("\"count\":{count}")));
        let text = |count: &str| {
            let (key, want) = rows(count);
            shown(of(true), &[(key, &want)], true)
        };
        for (count, colours) in [("1", ["\x1b[32m25%", "\x1b[32m20%"]), ("4", ["\x1b[31m100%", "\x1b[33m80%"])] {
            let text = text(count);
            let mut lines = text.lines().zip(colours);
            assert!(lines.all(|(line, colour)| line.contains(colour) && line.ends_with("]\x1b[0m")), "{text:?}");
        }
        assert!(!shown(of(false), &[("want.web", WANT)], true).contains('\x1b'));
    }
}
